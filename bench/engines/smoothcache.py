"""SmoothCache's public package, dit-smoothcache, on diffusers' DiT with our weights: its helpers and its schedules.

Its wheel holds no schedule: one is given, in its own layout and under its own names. It says nothing of a schedule that
names no module that it has wrapped, or that ends too early, and then computes. Its step counters never return to 0 by
themselves. At every module's call it prints a line, which is dropped here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.engines.diffusers import VERSION, OnDiffusers
from bench.engines.engine import EngineCache, Reset
from methods.method import Parameter
from methods.schedule import read
from models.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Sampler
    from models.denoiser import Denoiser

BRANCHES = ["attn1", "ff"]  # a block's, under diffusers' names
GENERAL, DIFFUSERS = "general", "diffusers"


class SmoothCache(EngineCache):
    """SmoothCacheHelper on both branches, or with `helper = "diffusers"` the README's DiffuserCacheHelper.

    The latter wraps the attention alone, as `attn1`; the README hands it a schedule of `attn` and `mlp`.
    """

    name = "smoothcache"
    title = "SmoothCache"
    parameters = {
        "schedule": Parameter(object, required=True, help="JSON file or mapping in SmoothCache's layout"),
        "helper": Parameter(str, GENERAL, choices=(GENERAL, DIFFUSERS), help="SmoothCacheHelper, DiffuserCacheHelper"),
    }
    off = {"schedule": {}}
    tiny = {"schedule": {"attn1": [1, 0, 0, 1, 0, 0, 1, 1], "ff": [1, 0, 1, 0, 1, 0, 1, 1]}}

    def validate(self) -> None:
        """Raises InputError unless `schedule` is a file or a mapping to lists of zeros and ones."""
        given = self.params["schedule"]
        self.content = dict(given) if isinstance(given, Mapping) else read(given)
        for key, row in self.content.items():
            if not isinstance(row, list) or any(value not in (0, 1) for value in row):
                raise InputError(f"{self.name}: '{key}' of 'schedule' must be a list of zeros and ones, got {row!r}")

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The schedule's file, on which a result depends."""
        given = self.params["schedule"]
        return [Path(given)] if isinstance(given, (str, Path)) else []

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        count = len(sampler.evaluations(model.noise_schedule))
        for key, row in self.content.items():
            if len(row) != count:
                return f"smoothcache: '{key}' of 'schedule' has {len(row)} entries, the sampler evaluates {count} times"
        return None

    def apply(self, network: Any, evaluations: int) -> Reset:
        with contextlib.redirect_stdout(None):  # it warns of integrations that are not installed
            from SmoothCache import DiffuserCacheHelper, SmoothCacheHelper
        if self.params["helper"] == DIFFUSERS:
            helper = DiffuserCacheHelper(network, self.content)
        else:
            helper = SmoothCacheHelper(network, type(network.transformer_blocks[0]), BRANCHES, self.content)
        helper.enable()
        return helper.reset_state


class DiTSmoothCache(OnDiffusers):
    """As released, but for what it prints."""

    name = "smoothcache"
    packages = {"dit-smoothcache": "0.1.1", "diffusers": VERSION}
    caches = (SmoothCache,)

    def evaluate(self, network: Any, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        with contextlib.redirect_stdout(None):
            return super().evaluate(network, x, t, y)
