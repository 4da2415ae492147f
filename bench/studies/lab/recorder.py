"""What branches put out along uncached trajectories, and how far it changes from one evaluation to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.studies.lab.subject import Subject
from methods.method import Sampler
from methods.plan import Plan
from methods.policy import Decisions, Look, Policy
from models.errors import InputError

Array = NDArray[np.float64]
KEPT_BYTES = 2**31  # recorded at once: of a larger model fewer images, and then its branches in several passes


@dataclass(frozen=True)
class Recorder(Policy):
    """Looks on and keeps the outputs of `branches`, before their gates: `kept[branch][evaluation]` [N,T,D]."""

    branches: tuple[int, ...]
    kept: dict[int, list[Tensor]] = field(default_factory=dict, compare=False)

    @property
    def points(self) -> tuple[int, ...]:
        return self.branches

    def begin(self, evaluations: int) -> Decisions:
        self.kept.clear()
        return Recording(self.kept)


class Recording(Decisions):
    """One trajectory's."""

    def __init__(self, kept: dict[int, list[Tensor]]) -> None:
        self.kept = kept

    def decide(self, k: int, point: int, look: Look) -> Sequence[object]:  # type: ignore[override]
        self.kept.setdefault(point, []).append(look.output_of(point).float().cpu().clone())
        return ()


@dataclass(frozen=True)
class Changes:
    """How far outputs f(h_k) change along a trajectory, both halves of the guidance together.

    `errors` [images, branches, E, E] are ‖f(h_m) - f(h_s)‖² / ‖f(h_m)‖² at [s, m]; `lengths` [images, branches, E] are
    ‖f(h_m)‖².
    """

    errors: Array
    lengths: Array

    @property
    def relative(self) -> Array:
        """From every evaluation to the next: [images, branches, E - 1]."""
        return np.diagonal(self.errors, offset=1, axis1=2, axis2=3)

    @property
    def absolute(self) -> Array:
        """‖f(h_m) - f(h_{m-1})‖² [images, branches, E - 1]."""
        return self.relative * self.lengths[:, :, 1:]

    @classmethod
    def joined(cls, parts: Sequence[Changes], axis: int) -> Changes:
        return cls(
            *(np.concatenate(arrays, axis) for arrays in zip(*((p.errors, p.lengths) for p in parts), strict=True))
        )


def redundancy(subject: Subject, sampler: Sampler, seeds: range, batch: int) -> Changes:
    """Of every image, branch and pair of evaluations of the uncached trajectory, at most `batch` images at a time.

    Every pass samples anew, so of a large model as few images are taken as are recorded in the fewest passes.
    """
    changes = []
    batch = max(1, min(batch, KEPT_BYTES // (kept_bytes(subject, sampler) * subject.model.num_branches)))
    for first in range(seeds.start, seeds.stop, batch):
        part = range(first, min(first + batch, seeds.stop))
        groups = branch_groups(subject, sampler, len(part))
        changes.append(Changes.joined([of_group(subject, sampler, part, group) for group in groups], axis=1))
    return Changes.joined(changes, axis=0)


def branch_groups(subject: Subject, sampler: Sampler, images: int) -> list[tuple[int, ...]]:
    """The branches, as many at a time as may be kept of a whole trajectory."""
    size, count = max(1, KEPT_BYTES // (images * kept_bytes(subject, sampler))), subject.model.num_branches
    return [tuple(range(j, min(j + size, count))) for j in range(0, count, size)]


def kept_bytes(subject: Subject, sampler: Sampler) -> int:
    """Of one branch's outputs along one image's trajectory, both halves of the guidance, in float32."""
    tokens, width = subject.model.token_shape()
    return subject.evaluations(sampler) * (1 if subject.guidance == 1 else 2) * tokens * width * 4


def of_group(subject: Subject, sampler: Sampler, seeds: range, branches: tuple[int, ...]) -> Changes:
    """The changes of some branches."""
    recorder = Recorder(branches)
    plan = Plan(subject.model.num_branches, ((),) * subject.evaluations(sampler), policy=recorder)
    subject.latents(sampler, plan, seeds, len(seeds))
    outputs = (by_image(recorder.kept.pop(j), len(seeds)) for j in branches)
    pairs = [(pair_errors(out), (out**2).sum(axis=2)) for out in outputs]
    return Changes(*(np.stack(arrays, axis=1) for arrays in zip(*pairs, strict=True)))


def by_image(outputs: Sequence[Tensor], images: int) -> Array:
    """Outputs [N,T,D] of every evaluation -> float64 [images, E, values]; an image's halves are one vector."""
    stacked = np.stack([out.numpy() for out in outputs]).astype(np.float64)  # [E, halves images, T, D]
    halves = stacked.reshape(len(outputs), -1, images, stacked[0, 0].size)  # [E, halves, images, T D]
    return np.moveaxis(halves, 2, 0).reshape(images, len(outputs), -1)


def pair_errors(outputs: Array) -> Array:
    """‖f_m - f_s‖² / ‖f_m‖² at [s, m] of outputs [images, E, values]: [images, E, E].

    Raises InputError where an output is nothing at m but something at s: nothing is relative to it.
    """
    products = outputs @ outputs.transpose(0, 2, 1)  # ⟨f_s, f_m⟩
    norms = np.einsum("iee->ie", products)  # ‖f_m‖²
    squares = np.maximum(norms[:, :, None] + norms[:, None, :] - 2 * products, 0.0)  # ‖f_m - f_s‖²
    wholes = np.broadcast_to(norms[:, None, :], squares.shape)
    if (squares[wholes == 0] > 0).any():
        raise InputError("a branch puts out nothing at one evaluation and something at another")
    return np.divide(squares, wholes, out=np.zeros_like(squares), where=wholes > 0)
