"""Runs any plan on any denoiser.

A plan is first compiled to one short list of operations an evaluation; sampling then follows the lists, and
nothing is decided from data. Only tensors that a later evaluation reads are kept, and each is freed at its last
reading. The denoiser itself is never touched, so nothing survives a trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from methods.plan import BRANCH, OFFSET, STATE, Plan, Span
from models.denoiser import Denoiser


@dataclass(frozen=True)
class Step:
    """One operation of an evaluation, on the branches of `slot`."""

    do: str  # "enter" a block, "compute" a branch, "reuse" a slot, "mark" a slot's start, "keep" it at its end
    slot: Span
    flag: bool = False  # compute: also keep the output; reuse: the last reading, free it


@dataclass
class Kept:
    """A kept tensor and its finite differences in evaluation index, for spans that extrapolate."""

    at: int
    tensors: list[Any]
    skips: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def after(cls, before: Kept | None, k: int, new: Any, order: int, skips: dict[int, Tensor]) -> Kept:
        """What is kept once evaluation k has produced `new`: it and its differences up to `order`."""
        tensors = [new]
        if before is not None:
            for old in before.tensors[:order]:
                tensors.append((tensors[-1] - old) / (k - before.at))
        return cls(k, tensors, skips)

    def value(self, k: int) -> Any:
        """Taylor extrapolation to evaluation k: sum of difference_n * (k - at)^n / n!."""
        total, weight = self.tensors[0], 1.0
        for n, difference in enumerate(self.tensors[1:], start=1):
            weight *= (k - self.at) / n
            total = total + weight * difference
        return total


def compile_plan(model: Denoiser, plan: Plan) -> list[list[Step]]:
    """Operations of every evaluation. Raises ValueError where a plan does not fit the denoiser."""
    if plan.branches != model.num_branches:
        raise ValueError(f"plan of {plan.branches} branches, denoiser of {model.num_branches}")
    slots = sorted({slot for row in plan.rows for span in row for slot in span.slots()})
    live = liveness(plan, slots)
    return [_compile_row(model, row, {s: live[s][k] for s in slots}) for k, row in enumerate(plan.rows)]


def liveness(plan: Plan, slots: list[Span]) -> dict[Span, list[str]]:
    """For every slot and evaluation: "keep", "read", "free" (read for the last time) or "" (untouched)."""
    states: dict[Span, list[str]] = {}
    for slot in slots:
        uses = ["read" if _reads(row, slot) else "keep" if _passes(row, slot) else "" for row in plan.rows]
        wanted = False
        for k in reversed(range(len(uses))):
            if uses[k] == "read":
                uses[k] = "read" if wanted else "free"
                wanted = True
            elif uses[k] == "keep":
                uses[k] = "keep" if wanted else ""
                wanted = wanted and slot.order > 0  # extrapolation also reads what was kept before
        states[slot] = uses
    return states


def _reads(row: tuple[Span, ...], slot: Span) -> bool:
    return any(slot in span.slots() for span in row)


def _passes(row: tuple[Span, ...], slot: Span) -> bool:
    """Whether the evaluation produces what the slot keeps: its branch computed, or its boundaries reached."""
    if slot.keep == BRANCH:
        return not any(span.start <= slot.start < span.stop for span in row)
    return not any(span.start < slot.stop and slot.start < span.stop and _same_place(span, slot) for span in row)


def _same_place(span: Span, slot: Span) -> bool:
    hides_end = span.start < slot.stop < span.stop
    hides_start = span.start < slot.start < span.stop
    return span.keep != BRANCH and (hides_end or hides_start or (span.start, span.stop) == (slot.start, slot.stop))


def _compile_row(model: Denoiser, row: tuple[Span, ...], state: dict[Span, str]) -> list[Step]:
    reused = {slot.start: slot for span in row for slot in span.slots()}
    keeping = [s for s, what in state.items() if what == "keep"]
    steps: list[Step] = []
    j = 0
    while j < model.num_branches:
        steps += [Step("mark", s) for s in keeping if s.start == j and s.keep == OFFSET]
        slot = reused.get(j)
        if j % 2 == 0 and (slot is None or slot.keep == BRANCH):
            steps.append(Step("enter", Span(j, j + 2)))
        if slot is None:
            kept = next((s for s in keeping if s.keep == BRANCH and s.start == j), None)
            steps.append(Step("compute", kept or Span(j, j + 1), flag=kept is not None))
        else:
            steps.append(Step("reuse", slot, flag=state[slot] == "free"))
        j = slot.stop if slot else j + 1
        steps += [Step("keep", s) for s in keeping if s.stop == j and s.keep != BRANCH]
    return steps


def escaping_skips(model: Denoiser, slot: Span) -> list[int]:
    """Blocks inside a span of whole blocks whose long skip is read after it: kept along with the span."""
    first, stop = slot.start // 2, slot.stop // 2
    return [s for consumer, s in model.skips.items() if first <= s < stop - 1 and consumer >= stop]


class Executor:
    """One trajectory after another of one plan on one denoiser; each begins with `begin` and ends with `reset`."""

    def __init__(self, model: Denoiser, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.rows = compile_plan(model, plan)
        self.sources = set(model.skips.values())
        self.reset()

    def reset(self) -> None:
        """Forget everything kept: a cache lives inside one trajectory."""
        self.kept: dict[Span, Kept] = {}
        self.conditions: list[Any] = [None] * len(self.rows)

    def begin(self, timesteps: list[float], labels: Tensor) -> None:
        """Prepare what does not depend on x: the denoiser's conditioning at every evaluation, for `labels` [B]."""
        self.reset()
        self.conditions = self.model.conditions(timesteps, labels)

    def evaluate(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Evaluation k: model output for x [B,C,H,W], t [B], y [B], reusing what the plan says."""
        model = self.model
        h, c = model.embed(x, t, y, self.conditions[k])
        skips: dict[int, Tensor] = {}
        marks: dict[Span, Tensor] = {}
        for step in self.rows[k]:
            slot = step.slot
            if step.do == "enter":
                source = model.skips.get(slot.start // 2)
                h = model.enter_block(slot.start // 2, h, None if source is None else skips.pop(source))
            elif step.do == "compute":
                out = model.branch(slot.start, h, c)
                if step.flag:
                    self._keep(k, slot, out, {})
                h = model.residual(slot.start, h, out, c)
            elif step.do == "mark":
                marks[slot] = h
            elif step.do == "keep":
                escaping = {s: skips[s] for s in escaping_skips(model, slot)}
                self._keep(k, slot, h - marks.pop(slot) if slot.keep == OFFSET else h, escaping)
            else:
                h = self._reuse(k, step, h, c, skips)
            if step.do in ("compute", "reuse"):
                self._push_skip(slot, h, skips)
        return model.unembed(h, c)

    def _push_skip(self, slot: Span, h: Tensor, skips: dict[int, Tensor]) -> None:
        block, rest = divmod(slot.stop, 2)
        if rest == 0 and block - 1 in self.sources:
            skips[block - 1] = h

    def _keep(self, k: int, slot: Span, new: Tensor, skips: dict[int, Tensor]) -> None:
        self.kept[slot] = Kept.after(self.kept.get(slot), k, new, slot.order, skips)

    def _reuse(self, k: int, step: Step, h: Tensor, c: Any, skips: dict[int, Tensor]) -> Tensor:
        slot = step.slot
        kept = self.kept.pop(slot) if step.flag else self.kept[slot]
        value = kept.value(k)
        if slot.keep == BRANCH:
            return self.model.residual(slot.start, h, value, c)
        for consumer, source in self.model.skips.items():  # skips into the span are left unread
            if slot.start <= 2 * consumer < slot.stop:
                skips.pop(source, None)
        skips.update(kept.skips)
        return value if slot.keep == STATE else h + value

    def cache_bytes(self, batch: int, guided: bool = True, bytes_per_value: int = 4) -> int:
        """Most bytes kept at once between evaluations, for `batch` images, predicted from the plan."""
        tokens, width = self.model.token_shape()
        peak = max((sum(self._tensors(s) for s in alive) for alive in self._alive()), default=0)
        return peak * batch * (2 if guided else 1) * tokens * width * bytes_per_value

    def _tensors(self, slot: Span) -> int:
        return slot.order + 1 + (len(escaping_skips(self.model, slot)) if slot.keep != BRANCH else 0)

    def _alive(self) -> list[set[Span]]:
        """The slots that hold a tensor after each evaluation."""
        alive: set[Span] = set()
        history = []
        for row in self.rows:
            alive |= {s.slot for s in row if s.do == "keep" or (s.do == "compute" and s.flag)}
            alive -= {s.slot for s in row if s.do == "reuse" and s.flag}
            history.append(set(alive))
        return history
