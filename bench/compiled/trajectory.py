"""One trajectory after another of a compiled program: noise and labels in, samples out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.compiled.folding import PREDICTION, STEP_NOISE, Source, Update, X
from bench.compiled.network import Network
from bench.compiled.operations import Frame
from bench.compiled.program import Program
from bench.plain import StepNoise, check_step_noise
from methods.method import Sampler
from models.denoiser import Denoiser

Draw = Callable[[int], Tensor]


class Trajectory:
    """`trajectory(noise [B,C,H,W], labels [B], step_noise=None) -> samples`, B at most `batch`.

    The state is kept in float32 at least, whatever the denoiser's dtype. `updates` are the sampler's, folded, or None
    where the sampler runs its own formula. A smaller batch is padded, so that every image meets the same kernels.
    """

    def __init__(
        self,
        model: Denoiser,
        sampler: Sampler,
        program: Program,
        network: Network,
        updates: list[Update] | None,
        *,
        batch: int,
        guidance_scale: float,
        guidance_channels: int | None,
    ) -> None:
        self.model, self.sampler, self.program = model, sampler, program
        self.network, self.updates, self.batch = network, updates, batch
        self.scale = guidance_scale
        self.kept_bytes = 0  # by the last trajectory, between its evaluations
        self.draws = updates is None or any(kind == STEP_NOISE for u in updates for (kind, _), _ in u.terms)
        self.guided = model.latent_shape[0] if guidance_channels is None else guidance_channels

    @torch.inference_mode()
    def __call__(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor:
        check_step_noise(step_noise, len(self.program.rows), noise)
        images = len(noise)
        noise, labels = self.pad(noise), self.pad(labels)
        draw: Draw = no_noise
        if step_noise is not None:
            draw = lambda k: self.pad(step_noise[k])  # noqa: E731
        elif self.draws:
            draw = StepNoise(noise)
        return self.run(noise, labels, draw)[:images].to(noise.dtype)

    def pad(self, rows: Tensor) -> Tensor:
        """The first image again in the places that are left."""
        missing = self.batch - len(rows)
        return torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])]) if missing else rows

    def run(self, noise: Tensor, labels: Tensor, draw: Draw) -> Tensor:
        """A full batch. Draws noise only where the sampler adds some."""
        both = labels if self.scale == 1 else torch.cat([labels, torch.full_like(labels, self.model.null_label)])
        x = noise.to(torch.promote_types(noise.dtype, torch.float32))
        frame = Frame(self.network, [None] * self.program.slots)
        self.network.begin(both, len(noise))
        try:
            return self.folded(frame, x, draw) if self.updates is not None else self.unfolded(frame, x, draw)
        finally:
            self.network.end()
            self.kept_bytes = sum(kept.nbytes for kept in frame.kept if kept is not None)

    def folded(self, frame: Frame, x: Tensor, draw: Draw) -> Tensor:
        """x_{k+1} by the folded updates, over the few tensors that are still to be read."""
        assert self.updates is not None
        alive: dict[Source, Tensor] = {}
        for k, update in enumerate(self.updates):
            alive[X, k], alive[PREDICTION, k] = x, self.evaluate(frame, k, x)[:, : x.shape[1]]
            if (STEP_NOISE, k) in dict(update.terms):
                alive[STEP_NOISE, k] = draw(k)
            x = weighted_sum([(alive[source], weight) for source, weight in update.terms], x.dtype)
            for source in update.spent:
                del alive[source]
        return x

    def unfolded(self, frame: Frame, x: Tensor, draw: Draw) -> Tensor:
        """The sampler's own formula, on tensors."""
        schedule = self.model.noise_schedule
        return self.sampler.sample(lambda k, x: self.evaluate(frame, k, x), x, schedule, draw)

    def evaluate(self, frame: Frame, k: int, x: Tensor) -> Tensor:
        """The guided model output [B,C,H,W] or [B,2C,H,W] of evaluation k."""
        h = self.network.embed(k, x)
        for operation in self.program.rows[k]:
            h = operation(frame, h)
        return self.guide(self.network.unembed(h).to(x.dtype))

    def guide(self, out: Tensor) -> Tensor:
        """[cond; uncond] [2B,...] -> uncond + scale * (cond - uncond) in the guided channels, else cond."""
        if self.scale == 1:
            return out
        cond, uncond = out.chunk(2)
        guided = cond[:, : self.guided]
        torch.lerp(uncond[:, : self.guided], guided, self.scale, out=guided)
        return cond


def no_noise(k: int) -> Tensor:
    raise AssertionError("a deterministic sampler drew noise")


def weighted_sum(terms: list[tuple[Tensor, float]], dtype: torch.dtype) -> Tensor:
    (first, weight), *rest = terms
    total = first.to(dtype) * weight
    for tensor, weight in rest:
        total.add_(tensor, alpha=weight)
    return total
