"""Successive halving: all settings on a few seeds, what is not surely beaten on twice as many, up to the last rung."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from bench.measure.samples.exact_solution import SEEDS, predicted
from bench.quality.metrics.paired import latent_error
from bench.run.choice.exact import Exact, Pooled
from bench.run.choice.goal import Goal
from bench.run.choice.halving import Array, beaten
from bench.run.choice.pool import Pool
from bench.run.choice.sampling import Answer, Request
from bench.run.choice.sweeps import Candidates
from methods.dpm_prediction import PREDICTIONS
from methods.method import Sampler
from models.errors import InputError

BATCH = 8  # seeds of the first rung, sampled as one batch
RUNGS = (BATCH, 16, 32, SEEDS)

Say = Callable[[str], None]


@dataclass
class Screening:
    """`errors` [seeds so far] and rough `seconds` of a batch by slug; `dropped`: after how many seeds.

    `rungs` are (seeds, settings that were sampled up to there).
    """

    candidates: Candidates
    pool: Pool
    say: Say
    errors: dict[str, Array] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    rungs: list[tuple[int, int]] = field(default_factory=list)
    exact: dict[str, Exact] = field(default_factory=dict)  # by what a sampler takes the output for

    def run(self, goal: Goal) -> list[str]:
        """The slugs that are not surely beaten, the reference among them. Raises InputError where it fails itself."""
        left = list(self.candidates.cells)
        self.solve()
        for before, seeds in zip((0, *RUNGS), RUNGS, strict=False):
            self.say(f"{len(left)} settings, {seeds} seeds")
            left = self.sample(left, range(before, seeds))
            self.rungs.append((seeds, len(left)))
            lost = self.lost(left, goal)
            self.dropped |= dict.fromkeys(lost, seeds)
            left = [slug for slug in left if slug not in lost]
        return left

    def solve(self) -> None:
        """The exact solution, for every way in which a sampler takes the network's output."""
        self.say("the exact solution of the model's sampling ODE")
        by_output = {self.predicted(slug): cell for slug, cell in reversed(self.candidates.cells.items())}
        known = {name: cell for name, cell in by_output.items() if name in PREDICTIONS}
        self.exact = {name: Exact(cell, Pooled(self.pool)) for name, cell in known.items()}

    def lost(self, left: list[str], goal: Goal) -> set[str]:
        errors = np.stack([self.errors[slug] for slug in left])
        seconds = np.array([self.seconds[slug] for slug in left])
        mask = beaten(errors, seconds, left.index(self.candidates.reference.slug), goal, self.resolution)
        return {slug for slug, out in zip(left, mask, strict=True) if out}

    @property
    def resolution(self) -> float:
        """How well the exact solution is known."""
        return max(exact.resolution for exact in self.exact.values())

    def sample(self, left: list[str], seeds: range) -> list[str]:
        """Those whose samples came; the others are noted. Errors and times grow."""
        cells, came = self.candidates.cells, set()
        wanted = [Request(cells[slug], seeds) for slug in left]
        for request, answer in self.pool.run(sorted(wanted, key=steps, reverse=True)):
            slug = request.cell.slug
            if answer.latents is None:
                self.exclude(slug, str(answer.reason))
                continue
            self.grow(slug, answer, seeds)
            came.add(slug)
        return [slug for slug in left if slug in came]

    def grow(self, slug: str, answer: Answer, seeds: range) -> None:
        exact = self.exact[self.predicted(slug)].latents[seeds.start : seeds.stop]
        errors = latent_error(torch.from_numpy(answer.latents), exact)
        self.errors[slug] = np.concatenate([self.errors.get(slug, errors[:0]), errors])
        self.seconds[slug] = min(answer.seconds, self.seconds.get(slug, answer.seconds))

    def exclude(self, slug: str, reason: str) -> None:
        if slug == self.candidates.reference.slug:
            raise InputError(f"choose: the reference {slug} cannot be sampled: {reason}")
        self.candidates.excluded[slug] = reason

    def predicted(self, slug: str) -> str:
        sampler: Sampler = self.candidates.cells[slug].sampler.method
        return predicted(sampler)


def steps(request: Request) -> int:
    """Work, about: the longest first, so that no process ends alone."""
    count = request.cell.sampler.params.get("steps")
    return count if isinstance(count, int) else 0
