"""A plan: for every evaluation and branch, compute or reuse. Data, known before sampling starts.

Everything a static cache method can say is a row of spans. A span replaces the branches start..stop-1
of one evaluation by something kept from earlier evaluations of the same trajectory:

* BRANCH: each branch's own output, before its gate (L2C, FORA, SmoothCache). Long skips and gates run.
* STATE: the tokens at the span's end (DeepCache on U-ViT, Faster Diffusion). Nothing inside runs.
* OFFSET: what the span added to the tokens, on top of the current ones (DeepCache's form on DiT,
  Delta-DiT, TeaCache). Nothing inside runs.
* OUTPUT: what the denoiser returned (HiCache++), and CHANGE: what it returned less its input, on top of the current
  input (EasyCache). Such a span is the whole evaluation: not even the embedding runs.
* GUIDANCE: what the unconditional half's output differed by from the conditional one's (CFG-Cache). The conditional
  half runs in full, the unconditional one not at all; a span of the whole evaluation too.

`order` 0 holds the last kept tensor; order n extrapolates from the last n + 1 by finite differences in
evaluation index (TaylorSeer; HiCache with `sigma`, methods/forecast.py). Branches in no span are computed.

`fresh` is the share of a reused branch that is computed anew and put in place of what was kept: some tokens of every
image (ToCa), or some images of the batch (LazyDiT). Which ones, a policy says during sampling; and a policy may say
the rows themselves (methods/policy.py), whose plan then computes everything, the most that it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from methods.policy import Policy
from methods.span import BRANCH, CHANGE, GUIDANCE, OFFSET, OUTPUT, STATE, WHOLE, Span

__all__ = [
    "BRANCH",
    "CHANGE",
    "GUIDANCE",
    "OFFSET",
    "OUTPUT",
    "STATE",
    "WHOLE",
    "Plan",
    "Span",
    "from_mask",
    "uncached",
]


@dataclass(frozen=True)
class Plan:
    """`rows[k]` are the spans of evaluation k, in execution order. Raises ValueError if they do not fit."""

    branches: int
    rows: tuple[tuple[Span, ...], ...]
    notes: dict[str, Any] = field(default_factory=dict, compare=False)
    policy: Policy | None = None  # what is decided during sampling
    looked: tuple[tuple[int, int], ...] = ()  # of a plan that was taken: evaluation and branch run for the policy alone

    def __post_init__(self) -> None:
        for k, row in enumerate(self.rows):
            self._check_row(k, row)
        if self.rows and self.rows[0]:
            raise ValueError("evaluation 0 has nothing to reuse yet: rows[0] must be ()")
        orders: dict[tuple[int, int, str], tuple[int, float]] = {}
        for slot in (slot for row in self.rows for span in row for slot in span.slots()):
            place = (slot.start, slot.stop, slot.keep)
            if orders.setdefault(place, (slot.order, slot.sigma)) != (slot.order, slot.sigma):
                raise ValueError(
                    f"branches {slot.start}..{slot.stop - 1}: all spans that reuse them must have one order and sigma, "
                    f"got {orders[place]} and {(slot.order, slot.sigma)}"
                )

    def _check_row(self, k: int, row: Sequence[Span]) -> None:
        end = 0
        for span in row:
            if not end <= span.start < span.stop <= self.branches:
                raise ValueError(
                    f"evaluation {k}: Span({span.start}, {span.stop}) must begin at {end} or later, where the span "
                    f"before it ends, and end at {self.branches} or earlier"
                )
            if span.keep in WHOLE and (span.start, span.stop) != (0, self.branches):
                raise ValueError(
                    f"evaluation {k}: a span that keeps '{span.keep}' must be Span(0, {self.branches}), "
                    f"got Span({span.start}, {span.stop})"
                )
            if span.keep not in (BRANCH, STATE, OFFSET, *WHOLE):
                known = ", ".join((BRANCH, STATE, OFFSET, *WHOLE))
                raise ValueError(f"evaluation {k}: a span's keep must be one of {known}, got '{span.keep}'")
            if span.keep != BRANCH and (span.start % 2 or span.stop % 2):
                raise ValueError(
                    f"evaluation {k}: a span that keeps '{span.keep}' must start and stop at even branches, between "
                    f"blocks, got Span({span.start}, {span.stop})"
                )
            if span.fresh and (span.keep != BRANCH or span.stop != span.start + 1 or not 0 < span.fresh < 1):
                raise ValueError(f"evaluation {k}: only a share in (0, 1) of one branch is computed anew, got {span}")
            end = span.stop

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def needs_guidance(self) -> bool:
        """Whether something is reused that only a guided trajectory has."""
        return any(span.keep == GUIDANCE for row in self.rows for span in row)

    @cached_property
    def computed(self) -> np.ndarray:
        """bool [evaluations, branches], evaluations in execution order."""
        mask = np.ones((len(self.rows), self.branches), dtype=bool)
        for k, row in enumerate(self.rows):
            for span in row:
                mask[k, span.start : span.stop] = False
        return mask

    @cached_property
    def shares(self) -> np.ndarray:
        """float [evaluations, branches]: 1 where computed, 0 where reused, between where a part is computed."""
        shares = self.computed.astype(float)
        for k, row in enumerate(self.rows):
            for span in row:
                shares[k, span.start : span.stop] = span.share
        return shares


def uncached(evaluations: int, branches: int) -> Plan:
    """Every branch computed at every evaluation."""
    return Plan(branches, ((),) * evaluations)


def from_mask(computed: Iterable[Sequence[bool]], keep: str = BRANCH, order: int = 0) -> Plan:
    """Plan whose reused branches are exactly the False entries of `computed` [evaluations, branches]."""
    mask = np.asarray(computed, dtype=bool)
    rows = []
    for row in mask:
        edges = np.flatnonzero(np.diff(np.concatenate([[1], row, [1]]).astype(int)))
        rows.append(tuple(Span(int(a), int(b), keep, order) for a, b in edges.reshape(-1, 2)))
    return Plan(mask.shape[1], tuple(rows))
