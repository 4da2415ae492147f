"""A static schedule from a file, in the layout that SmoothCache's repository publishes its schedules in (2411.10510).

A JSON object of lists, one entry an evaluation in execution order, 1 to compute and 0 to reuse. A key is a kind of
branch, `attn` or `mlp`, for all blocks alike, or `attn-3` for block 3 alone, which wins. `attn1` and `ff` are
diffusers' names. What no key names is computed: the schedule published for diffusers names attention alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import BRANCH, Plan, from_mask
from models.errors import InputError
from models.json_object import read_object

if TYPE_CHECKING:
    from models.denoiser import Denoiser

KINDS = {"attn": 0, "attn1": 0, "mlp": 1, "ff": 1}  # -> the branch's place in its block


class Schedule(CacheMethod):
    """Compute and reuse what a schedule file says, such as SmoothCache's published ones for DDIM-50."""

    name = "schedule"
    title = "Schedule"
    parameters = {"file": Parameter(object, required=True, help="JSON file in SmoothCache's layout")}
    file: Any

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """A schedule that computes every evaluation."""
        count = len(sampler.evaluations(model.noise_schedule))
        return {"file": {"attn": [1] * count, "mlp": [1] * count}}

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """Attention computed at every evaluation, MLPs at every other."""
        count = len(sampler.evaluations(model.noise_schedule))
        return {"file": {"attn": [1] * count, "mlp": [int(k % 2 == 0) for k in range(count)]}}

    def validate(self) -> None:
        given = isinstance(self.file, dict)
        self.content = self.file if given else read(self.file)
        self.source = "schedule" if given else str(self.file)

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the schedule is for another depth or another number of evaluations."""
        evaluations = len(sampler.evaluations(model.noise_schedule))
        computed = mask(self.content, model.num_blocks, evaluations, self.source)
        return Plan(model.num_branches, from_mask(computed).rows, {"schedule": self.source})


def read(path: Any) -> dict[str, Any]:
    """The lists in a file, not yet checked against a model. Raises InputError with one line."""
    if not isinstance(path, (str, Path)) or not Path(path).is_file():
        raise InputError(f"{path}: no such schedule file")
    content = read_object(Path(path), "a JSON object of lists")
    if not content:
        raise InputError(f"{path}: expected a JSON object of lists")
    return content


def mask(content: dict[str, Any], blocks: int, evaluations: int, source: str) -> np.ndarray:
    """bool [evaluations, branches]: what is computed. Raises InputError for a key or a row that does not fit."""
    computed = np.ones((evaluations, 2 * blocks), dtype=bool)
    said: dict[tuple[bool, int], str] = {}
    for key, row in sorted(content.items(), key=lambda item: "-" in item[0]):  # a block's own row last
        if not isinstance(row, list) or len(row) != evaluations or any(v not in (0, 1) for v in row):
            raise InputError(f"{source}: '{key}' must be a list of {evaluations} zeros and ones, one an evaluation")
        if row[0] != 1:
            raise InputError(f"{source}: '{key}' begins with 0, but the first evaluation has nothing to reuse")
        places = branches(key, blocks, source)
        other = said.setdefault(("-" in key, places[0]), key)
        if other != key:
            raise InputError(f"{source}: '{other}' and '{key}' name the same branch")
        computed[:, places] = np.array(row, dtype=bool)[:, None]
    return computed


def branches(key: str, blocks: int, source: str) -> list[int]:
    """The branches that a key speaks of: one kind in all blocks, or in one."""
    match = re.fullmatch(r"(attn1?|mlp|ff)(?:-(\d{1,4}))?", key)
    if match is None or (match[2] and int(match[2]) >= blocks):
        raise InputError(f"{source}: unexpected entry '{key}', expected attn-0, mlp-0, … mlp-{blocks - 1}")
    chosen = [int(match[2])] if match[2] else range(blocks)
    return [2 * block + KINDS[match[1]] for block in chosen]


def lists(plan: Plan) -> dict[str, list[int]]:
    """A plan in this layout, one list a branch.

    Raises InputError for plans that do more than reuse branch outputs, or leave something to a policy.
    """
    spans = [span for row in plan.rows for span in row]
    if plan.policy is not None or any(span.keep != BRANCH or span.order or span.fresh for span in spans):
        raise InputError("only plans that reuse branch outputs as they were can be written as a schedule")
    names = [f"{kind}-{block}" for block in range(plan.branches // 2) for kind in ("attn", "mlp")]
    return {name: column.astype(int).tolist() for name, column in zip(names, plan.computed.T, strict=True)}
