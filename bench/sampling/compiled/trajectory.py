"""One trajectory after another of a compiled program: noise and labels in, samples out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bench.sampling.checks import check_output, check_state, check_weights
from bench.sampling.compiled.folding import PREDICTION, STEP_NOISE, Source, Update, X
from bench.sampling.compiled.frame import Frame
from bench.sampling.compiled.network import Network
from bench.sampling.compiled.program import Program
from bench.sampling.plain import StepNoise, check_step_noise
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser

Draw = Callable[[int], Tensor]


class Trajectory:
    """`trajectory(noise [B,C,H,W], labels [B], step_noise=None) -> samples`, B at most `batch`.

    The state is kept in float32 at least, whatever the denoiser's dtype. `updates` are the sampler's, folded, or None
    where the sampler runs its own formula. A smaller batch is padded, so that every image meets the same kernels;
    but not under a policy, which would see the padding.
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
        self.noisy = {k for update in updates or () for (kind, k), _ in update.terms if kind == STEP_NOISE}
        self.draws = updates is None or bool(self.noisy)
        self.guided = model.latent_shape[0] if guidance_channels is None else guidance_channels

    @torch.inference_mode()
    def __call__(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor:
        images, dtype = len(noise), noise.dtype
        noise, labels, draw = self.inputs(noise, labels, step_noise)
        if draw is not None and noise.device.type != "cpu":
            draw = self.drawn(draw).__getitem__  # before the first step: no step waits for the host
        return self.run(noise, labels, draw)[:images].to(dtype)

    def taken(self) -> Plan:
        """The plan that the last trajectory took."""
        return self.program.script.taken()

    def trace(self) -> list[np.ndarray]:
        """What the last trajectory computed: bool [branches] an evaluation (bench/sampling/script.py)."""
        return self.program.script.trace()

    def inputs(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None) -> tuple[Tensor, Tensor, Draw | None]:
        """A full batch of noise and labels, and the noise of each step where the sampler adds some."""
        check_step_noise(step_noise, len(self.program.rows), noise)
        noise, labels = self.pad(noise), self.pad(labels)
        if not self.draws:
            return noise, labels, None
        return noise, labels, StepNoise(noise) if step_noise is None else lambda k: self.pad(step_noise[k])

    def drawn(self, draw: Draw) -> Tensor:
        """The noise of all steps [evaluations,B,C,H,W]."""
        steps = range(len(self.program.rows))
        wanted = steps if self.updates is None else sorted(self.noisy)
        noise = {k: draw(k) for k in wanted}  # in order: a sample's stream goes on from step to step
        silent = torch.zeros_like(noise[wanted[0]])
        return torch.stack([noise.get(k, silent) for k in steps])

    def pad(self, rows: Tensor) -> Tensor:
        """The first image again in the places that are left."""
        missing = 0 if self.program.looks else self.batch - len(rows)
        return torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])]) if missing else rows

    def run(self, noise: Tensor, labels: Tensor, draw: Draw | None) -> Tensor:
        """The samples of `inputs`, in the state's dtype."""
        both = labels if self.scale == 1 else torch.cat([labels, torch.full_like(labels, self.model.null_label)])
        check_weights(self.model, noise)
        x = noise.to(torch.promote_types(noise.dtype, torch.float32))
        frame = Frame(self.network, [None] * self.program.slots)
        self.program.begin(frame)
        self.network.begin(both, len(noise))
        try:
            return (self.unfolded if self.updates is None else self.folded)(frame, x, draw)
        finally:
            self.network.end()
            self.program.script.end()
            self.kept_bytes = sum(kept.nbytes for kept in frame.kept if kept is not None)

    def folded(self, frame: Frame, x: Tensor, draw: Draw | None) -> Tensor:
        """x_{k+1} by the folded updates, over the few tensors that are still to be read."""
        assert self.updates is not None
        alive: dict[Source, Tensor] = {}
        for k, update in enumerate(self.updates):
            alive[X, k], alive[PREDICTION, k] = x, self.evaluate(frame, k, x)[:, : x.shape[1]]
            if draw is not None and k in self.noisy:
                alive[STEP_NOISE, k] = draw(k)
            x = weighted_sum([(alive[source], weight) for source, weight in update.terms], x.dtype)
            for source in update.spent:
                del alive[source]
        return x

    def unfolded(self, frame: Frame, x: Tensor, draw: Draw | None) -> Tensor:
        """The sampler's own formula, on tensors."""
        schedule = self.model.noise_schedule
        assert draw is not None
        noise = x

        def denoise(k: int, x: Tensor) -> Tensor:
            check_state(f"evaluation {k} was asked for", x, noise)
            return self.evaluate(frame, k, x)

        samples = self.sampler.sample(denoise, noise, schedule, draw)
        check_state("sampling gave", samples, noise)
        return samples

    def evaluate(self, frame: Frame, k: int, x: Tensor) -> Tensor:
        """The guided model output [B,C,H,W] or [B,2C,H,W] of evaluation k."""
        frame.k, frame.latents, frame.halves = k, x, 1 if self.scale == 1 else 2
        h = x
        for operation in self.program.operations(k, frame):
            h = operation(frame, h)
        check_output(k, h, x, frame.halves * len(x))
        out = h.to(x.dtype)
        if self.program.looks:
            frame.output = frame.tokens = out.clone()  # the last tokens that were shown are let go
        return self.guide(out)

    def guide(self, out: Tensor) -> Tensor:
        """[cond; uncond] [2B,...] -> uncond + scale * (cond - uncond) in the guided channels, else cond."""
        if self.scale == 1:
            return out
        cond, uncond = out.chunk(2)
        guided = cond[:, : self.guided]
        torch.lerp(uncond[:, : self.guided], guided, self.scale, out=guided)
        return cond


def weighted_sum(terms: list[tuple[Tensor, float]], dtype: torch.dtype) -> Tensor:
    (first, weight), *rest = terms
    total = first.to(dtype) * weight
    for tensor, weight in rest:
        total.add_(tensor, alpha=weight)
    return total
