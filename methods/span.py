"""What one evaluation reuses: a span of branches and what stands for it; methods/plan.py says which kinds there are."""

from __future__ import annotations

from dataclasses import dataclass

BRANCH, STATE, OFFSET, OUTPUT, CHANGE, GUIDANCE = "branch", "state", "offset", "output", "change", "guidance"
WHOLE = (OUTPUT, CHANGE, GUIDANCE)  # spans that are a whole evaluation


@dataclass(frozen=True, order=True)
class Span:
    """Branches start..stop-1 of one evaluation, replaced by what was kept."""

    start: int
    stop: int
    keep: str = BRANCH
    order: int = 0
    sigma: float = 0.0  # 0: Taylor's weights; else Hermite's, contracted by it
    fresh: float = 0.0  # share of a single branch that is computed anew

    @property
    def share(self) -> float:
        """How much of its branches is computed: half of the guided batch, or what is computed anew."""
        return 0.5 if self.keep == GUIDANCE else self.fresh

    def slots(self) -> list[Span]:
        """The kept tensors that this span reads: one a branch, or one for the whole span."""
        if self.keep != BRANCH:
            return [self]
        return [Span(j, j + 1, BRANCH, self.order, self.sigma) for j in range(self.start, self.stop)]
