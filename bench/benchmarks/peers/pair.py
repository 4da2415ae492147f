"""One case at one setting, and its two sides: our prepared trajectory and a library's loop, on one model's weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

import methods
from bench.benchmarks.peers.libraries import PEERS, Loop
from bench.benchmarks.peers.settings import SCALE, Setting, cases
from bench.sampling import make_plan
from bench.sampling.compiled import Run, prepare
from bench.suite.cells import Settings
from models.dit import DiT

FLOAT32 = "float32"
UNCACHED = ("official", "uncached")  # by the official code's operations, by diffusers
ONLY_OURS = {"taylorseer": {"cadence": "diffusers"}, "hicache": {"keep": "output"}}  # what the libraries always do


@dataclass(frozen=True)
class Pair:
    """`how`: threads and dtype of both sides, and the kernels of our products alone."""

    setting: Setting
    case: str
    how: Settings

    @property
    def params(self) -> dict[str, Any]:
        """Of the cache method, the same for both sides."""
        return cases(self.setting)[self.case]

    @property
    def library(self) -> str:
        """Its distribution."""
        return PEERS[self.case][0]

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.how.dtype)
        return found

    def at(self, **changes: Any) -> Pair:
        """The same pair with other settings of the run."""
        return replace(self, how=replace(self.how, **changes))

    def recorded(self) -> dict[str, Any]:
        """What tells one row of the results from another."""
        setting = {key: value for key, value in vars(self.setting).items() if key != "rounds"}
        how = self.how
        return {"setting": setting, "threads": how.threads, "kernels": how.execution.kernels, "dtype": how.dtype}

    def ours(self, model: DiT) -> Run:
        """Prepared once, as every run of a suite is; guidance on all channels, as diffusers has it."""
        sampler = methods.build("ddim", steps=self.setting.steps, spacing="leading")
        given = {**self.params, **ONLY_OURS.get(self.case, {})}
        cache = None if self.case in UNCACHED else methods.build(self.case, **given)
        plan, options = make_plan(model, sampler, cache), self.how.execution
        return prepare(model, sampler, plan, batch=self.setting.batch, guidance_scale=SCALE, options=options)

    def theirs(self, model: DiT, counted: bool = False) -> Loop:
        """Raises ImportError where the library is not installed, NotImplementedError where it lacks the dtype."""
        loop = Loop(model, self.setting.steps, SCALE)
        PEERS[self.case][1](loop, **self.params)
        if counted:
            loop.count()
        return loop
