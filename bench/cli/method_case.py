"""A method with a small randomised denoiser and a sampler: what the checks of `ditbench check-method` run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench.measure.alive import bytes_between_evaluations
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.sampling.compiled import Execution, Run, prepare
from methods.method import CacheMethod, Method, Sampler
from methods.plan import Plan
from models.denoiser import Denoiser

STEPS, IMAGES = 6, 2


class Failed(Exception):
    """What was found instead of what was expected."""


def expect(held: bool, otherwise: str) -> None:
    if not held:
        raise Failed(otherwise)


@dataclass(frozen=True)
class Case:
    """A method with one denoiser and one sampler; for a sampler, itself."""

    method: type[Method]
    model: Denoiser
    sampler: Sampler

    def run(self, cache: Any = None, path: str = "compiled", **settings: Any) -> Tensor:
        noise, labels = self.inputs()
        settings |= {"noise": noise, "labels": labels, "guidance_scale": self.scale, "options": Execution(path)}
        return sample(self.model, self.sampler, cache, **settings)

    def prepared(self, plan: Plan, path: str) -> Run:
        """A plan's trajectory, to be run more than once."""
        settings: Any = {"batch": IMAGES, "guidance_scale": self.scale, "options": Execution(path)}
        return prepare(self.model, self.sampler, plan, **settings)

    def held(self, plan: Plan, path: str) -> list[int]:
        """Bytes held after each evaluation of a plan's trajectory."""
        return bytes_between_evaluations(self.prepared(plan, path), *self.inputs())

    def inputs(self, first: int = 0) -> tuple[Tensor, Tensor]:
        """Noise [N,C,H,W] and labels [N] of the seeds from `first` on."""
        seeds = range(first, first + IMAGES)
        return seeded_noise(seeds, self.model.latent_shape), balanced_labels(seeds, 10)

    @property
    def scale(self) -> float:
        return 1.5 if self.model.can_be_guided else 1.0

    def tiny(self) -> Any:
        """The cache method in the setting of its tests; None where the method is a sampler."""
        if not issubclass(self.method, CacheMethod):
            return None
        return self.method(**self.method.tiny_params(self.model, self.sampler))
