"""A plan as operations: one short list an evaluation, and what is kept, read for the last time or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from methods.plan import BRANCH, GUIDANCE, OFFSET, WHOLE, Plan, Span
from models.denoiser import Denoiser


@dataclass(frozen=True)
class Step:
    """One operation of an evaluation, on the branches of `slot`."""

    # "embed", or "embed_half" of a guided batch, "enter" a block, "compute" a branch, "reuse" a slot, "refresh" a part
    # of it first, "mark" a slot's start,
    # "keep" it at its end, "unembed", "restore" an output; "see": the policy looks on
    do: str
    slot: Span
    keeps: bool = False  # "compute": its output is read later
    frees: bool = False  # "reuse", "refresh", "restore": the slot is read for the last time


EMBED, EMBED_HALF, UNEMBED = (Step(do, Span(0, 0)) for do in ("embed", "embed_half", "unembed"))


def compile_plan(model: Denoiser, plan: Plan) -> list[list[Step]]:
    """Operations of every evaluation. Raises ValueError where a plan does not fit the denoiser."""
    if plan.branches != model.num_branches:
        raise ValueError(f"plan of {plan.branches} branches, denoiser of {model.num_branches}")
    slots = sorted({slot for row in plan.rows for span in row for slot in span.slots()})
    live = liveness(plan, slots)
    seen = () if plan.policy is None else plan.policy.points
    return [_compile_evaluation(model, row, {s: live[s][k] for s in slots}, seen) for k, row in enumerate(plan.rows)]


def _compile_evaluation(
    model: Denoiser, row: tuple[Span, ...], state: dict[Span, str], seen: tuple[int, ...]
) -> list[Step]:
    if row and row[0].keep == GUIDANCE:
        return [EMBED_HALF, *compile_row(model, (), {}), UNEMBED, restore(row[0], state)]
    if row and row[0].keep in WHOLE:
        return [restore(row[0], state)]
    return [EMBED, *compile_row(model, row, state, seen=seen), UNEMBED, *keep_whole(state)]


def restore(span: Span, state: dict[Span, str]) -> Step:
    """The output of an evaluation, or its unconditional half, out of what was kept."""
    slot = span.slots()[0]
    return Step("restore", slot, frees=state[slot] == "free")


def keep_whole(state: dict[Span, str]) -> list[Step]:
    """What is kept once the output is there."""
    return [Step("keep", s) for s, what in state.items() if what == "keep" and s.keep in WHOLE]


def liveness(plan: Plan, slots: list[Span]) -> dict[Span, list[str]]:
    """For every slot and evaluation: "keep", "read", "free" (read for the last time) or "" (untouched)."""
    states: dict[Span, list[str]] = {}
    for slot in slots:
        uses = ["read" if _reads(row, slot) else "keep" if passes(row, slot) else "" for row in plan.rows]
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


def passes(row: tuple[Span, ...], slot: Span) -> bool:
    """Whether the evaluation produces what the slot keeps: its branch computed, or its boundaries reached."""
    if slot.keep == BRANCH:
        return not any(span.start <= slot.start < span.stop for span in row)
    if slot.keep in WHOLE:
        return not (row and row[0].keep in WHOLE)
    return not any(span.start < slot.stop and slot.start < span.stop and _same_place(span, slot) for span in row)


def _same_place(span: Span, slot: Span) -> bool:
    hides_end = span.start < slot.stop < span.stop
    hides_start = span.start < slot.start < span.stop
    return span.keep != BRANCH and (hides_end or hides_start or (span.start, span.stop) == (slot.start, slot.stop))


def compile_row(
    model: Denoiser,
    row: tuple[Span, ...],
    state: dict[Span, str],
    start: int = 0,
    stop: int | None = None,
    seen: tuple[int, ...] = (),
) -> list[Step]:
    """Operations of the branches start..stop-1 (all by default) of an evaluation; before those in `seen`, a look."""
    stop = model.num_branches if stop is None else stop
    reused = {slot.start: (slot, span) for span in row for slot in span.slots()}
    keeping = [s for s, what in state.items() if what == "keep" and s.keep not in WHOLE]
    steps: list[Step] = []
    j = start
    while j < stop:
        steps += [Step("mark", s) for s in keeping if s.start == j and s.keep == OFFSET]
        slot, span = reused.get(j, (None, None))
        if j % 2 == 0 and (slot is None or slot.keep == BRANCH):
            steps.append(Step("enter", Span(j, j + 2)))
        if j in seen:
            steps.append(Step("see", Span(j, j + 1)))
        if slot is None or span is None:
            kept = next((s for s in keeping if s.keep == BRANCH and s.start == j), None)
            steps.append(Step("compute", kept or Span(j, j + 1), keeps=kept is not None))
        else:
            steps.append(Step("refresh" if span.fresh else "reuse", slot, frees=state[slot] == "free"))
        j = slot.stop if slot else j + 1
        steps += [Step("keep", s) for s in keeping if s.stop == j and s.keep != BRANCH]
    if stop in seen:
        steps.append(Step("see", Span(stop, stop + 1)))
    return steps


def escaping_skips(model: Denoiser, slot: Span) -> list[int]:
    """Blocks inside a span of whole blocks whose long skip is read after it: kept along with the span."""
    first, stop = slot.start // 2, slot.stop // 2
    return [s for consumer, s in model.skips.items() if first <= s < stop - 1 and consumer >= stop]
