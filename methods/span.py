"""What one evaluation reuses: a span of branches and what stands for it; methods/plan.py says which kinds there are."""

from __future__ import annotations

from dataclasses import dataclass

BRANCH, STATE, OFFSET, OUTPUT, CHANGE = "branch", "state", "offset", "output", "change"
WHOLE = (OUTPUT, CHANGE)  # spans that are a whole evaluation


@dataclass(frozen=True, order=True)
class Span:
    """Branches start..stop-1 of one evaluation, replaced by what was kept."""

    start: int
    stop: int
    keep: str = BRANCH
    order: int = 0
    sigma: float = 0.0  # 0: Taylor's weights; else Hermite's, contracted by it
    fresh: float = 0.0  # share of a single branch that is computed anew

    def slots(self) -> list[Span]:
        """The kept tensors that this span reads: one a branch, or one for the whole span."""
        if self.keep != BRANCH:
            return [self]
        return [Span(j, j + 1, BRANCH, self.order, self.sigma) for j in range(self.start, self.stop)]
