"""Whole guided trajectories of a denoiser whose branches mix fresh and kept outputs (arXiv 2410.01723, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.sampling.plain import Guidance
from bench.train.blocks import evaluate
from bench.train.router.pairs import timestep
from methods.method import Sampler
from models.denoiser import Denoiser
from models.errors import InputError

Step = Callable[[int, Tensor], Tensor]  # evaluation, x [B,C,H,W] -> guided output of the student


@dataclass
class Slots:
    """What every branch kept, [2B,T,D] or None, on the way through one trajectory."""

    branches: int
    kept: list[Tensor | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = [None] * self.branches

    def mix(self, index: int, fresh: Tensor, score: Tensor, threshold: float) -> Tensor:
        """score · fresh + (1 - score) · kept; where the score is above the threshold, the mixture is kept."""
        kept = self.kept[index]
        mixed = fresh if kept is None else torch.lerp(kept, fresh, score.to(fresh.dtype))
        if kept is None or float(score.detach()) > threshold:
            self.kept[index] = mixed.detach()
        return mixed


@dataclass
class Trajectory:
    """One batch's way from noise to latents, guided; `labels` [B]. Branches keep what scores above `threshold`."""

    denoiser: Denoiser
    sampler: Sampler
    labels: Tensor
    threshold: float
    guidance_scale: float = 1.0
    guidance_channels: int | None = None

    def __post_init__(self) -> None:
        self.evaluations = self.sampler.evaluations(self.denoiser.noise_schedule)
        self.guide = Guidance(self.denoiser, self.labels, self.guidance_scale, self.guidance_channels)
        self.slots = Slots(self.denoiser.num_branches)

    def teacher(self, k: int, x: Tensor) -> Tensor:
        """The full evaluation: both halves, folded [B or 2B,...]."""
        return self.both(self.denoiser(*self.inputs(k, x)), x)

    def student(self, k: int, x: Tensor, scores: Tensor) -> Tensor:
        """The evaluation whose branches mix by `scores` [branches]; as `teacher`."""

        def branch(index: int, h: Tensor, c: Tensor | None) -> Tensor:
            fresh = self.denoiser.branch(index, h, c)
            return self.slots.mix(index, fresh, scores[index], self.threshold)

        return self.both(evaluate(self.denoiser, *self.inputs(k, x), branch), x)

    def inputs(self, k: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        both = x if self.guide.scale == 1 else torch.cat([x, x])
        return both, timestep(self.evaluations, k, both), self.guide.labels

    def both(self, out: Tensor, x: Tensor) -> Tensor:
        """Guided noise in either half, the other channels as they are: what the published loss compares."""
        if self.guide.scale == 1:
            return out
        channels = self.guide.channels or x.shape[1]
        noise = self.guide.fold(out, x.shape[1])[:, :channels]
        return torch.cat([torch.cat([noise, noise]), out[:, channels:]], dim=1)

    def run(self, noise: Tensor, step: Step) -> Tensor:
        """Final latents [B or 2B,C,H,W] from noise [B,C,H,W]; `step` makes each evaluation's output for x [B,C,H,W].

        Both halves are carried on, as in the published code: channels without guidance differ between them.
        """
        start = noise if self.guide.scale == 1 else torch.cat([noise, noise])

        def denoise(k: int, x: Tensor) -> Tensor:
            return step(k, x[: len(noise)]).detach().to(x.dtype)

        return self.sampler.sample(denoise, start, self.denoiser.noise_schedule, no_noise)


def no_noise(k: int) -> Tensor:
    """A trajectory with noise of its own would change by it from one measurement of λ to the next."""
    raise InputError("harmonica: expected a sampler that draws no noise, and this one does")


@torch.no_grad()
def importance(start: Callable[[], Trajectory], noise: Tensor, rows: Sequence[Tensor]) -> tuple[Tensor, Slots]:
    """λ, float64 [evaluations]: what every row's soft reuse, added to that of the rows before it, does to the latents.

    Also the slots that the last trajectory left behind, which the published code mixes into the next one's start.
    """
    weights, before = torch.zeros(len(rows), dtype=torch.float64), None
    for active in range(len(rows)):
        trajectory = start()

        def step(k: int, x: Tensor, on: int = active, way: Trajectory = trajectory) -> Tensor:
            scores = rows[k].sigmoid() if 1 <= k <= on else torch.ones_like(rows[k])
            return way.student(k, x, scores)

        latents = trajectory.run(noise, step).double()
        if before is not None:
            weights[active] = (latents - before).square().mean()
        before = latents
    return weights, trajectory.slots
