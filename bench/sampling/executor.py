"""Runs any plan on any denoiser.

A plan is first compiled to one short list of operations an evaluation; sampling then follows the lists, and
nothing is decided from data unless a policy decides it (bench/sampling/script.py). Only tensors that a later evaluation
reads are kept, and each is freed at its last reading. The denoiser itself is never touched, so nothing survives a
trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from methods.forecast import weights
from methods.plan import BRANCH, CHANGE, OFFSET, STATE, WHOLE, Plan, Span
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.sampling.script import Script


@dataclass(frozen=True)
class Step:
    """One operation of an evaluation, on the branches of `slot`."""

    # "embed", "enter" a block, "compute" a branch, "reuse" a slot, "refresh" a part of it first, "mark" a slot's start,
    # "keep" it at its end, "unembed", "restore" an output; "see": the policy looks on
    do: str
    slot: Span
    flag: bool = False  # compute: also keep the output; reuse: the last reading, free it


EMBED, UNEMBED = Step("embed", Span(0, 0)), Step("unembed", Span(0, 0))


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

    def value(self, k: int, sigma: float = 0.0) -> Any:
        """The forecast at evaluation k: Σ weight_n * difference_n (methods/forecast.py)."""
        total = self.tensors[0]
        factors = weights(len(self.tensors), k - self.at, sigma)
        for weight, difference in zip(factors[1:], self.tensors[1:], strict=True):
            total = total + weight * difference
        return total


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
    if row and row[0].keep in WHOLE:
        return [restore(row[0], state)]
    return [EMBED, *compile_row(model, row, state, seen=seen), UNEMBED, *keep_whole(state)]


def restore(span: Span, state: dict[Span, str]) -> Step:
    """The whole evaluation, where its output is one that was kept."""
    slot = span.slots()[0]
    return Step("restore", slot, flag=state[slot] == "free")


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
            steps.append(Step("compute", kept or Span(j, j + 1), flag=kept is not None))
        else:
            steps.append(Step("refresh" if span.fresh else "reuse", slot, flag=state[slot] == "free"))
        j = slot.stop if slot else j + 1
        steps += [Step("keep", s) for s in keeping if s.stop == j and s.keep != BRANCH]
    if stop in seen:
        steps.append(Step("see", Span(stop, stop + 1)))
    return steps


def escaping_skips(model: Denoiser, slot: Span) -> list[int]:
    """Blocks inside a span of whole blocks whose long skip is read after it: kept along with the span."""
    first, stop = slot.start // 2, slot.stop // 2
    return [s for consumer, s in model.skips.items() if first <= s < stop - 1 and consumer >= stop]


class Executor:
    """One trajectory after another of one plan on one denoiser; each begins with `begin` and ends with `reset`."""

    def __init__(self, model: Denoiser, plan: Plan) -> None:
        from bench.sampling.script import make_script

        self.model, self.plan = model, plan
        self.script: Script = make_script(model, plan)
        self.sources = set(model.skips.values())
        self.reset()

    def reset(self) -> None:
        """Forget everything kept: a cache lives inside one trajectory."""
        self.script.end()
        self.kept: dict[Span, Kept] = {}
        self.conditions: list[Any] = [None] * len(self.plan)
        self.output: Tensor | None = None
        self.skips: dict[int, Tensor] = {}
        self.marks: dict[Span, Tensor] = {}
        self.x = self.tokens = self.c = self.t = self.y = None

    def begin(self, timesteps: list[float], labels: Tensor) -> None:
        """Prepare what does not depend on x: the denoiser's conditioning at every evaluation, for `labels` [B]."""
        self.reset()
        self.script.begin()
        self.conditions = self.model.conditions(timesteps, labels)

    def evaluate(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Evaluation k: model output for x [B,C,H,W], t [B], y [B], reusing what the plan or its policy says."""
        self.skips, self.marks = {}, {}
        self.x, self.tokens, self.t, self.y = x, x, t, y
        for piece in self.script.pieces(k, self):
            for step in piece:
                self.tokens = getattr(self, f"_{step.do}")(k, step, self.tokens)
        self.output = self.tokens
        return self.output

    def _embed(self, k: int, step: Step, x: Tensor) -> Tensor:
        h, self.c = self.model.embed(x, self.t, self.y, self.conditions[k])
        return h

    def _unembed(self, k: int, step: Step, h: Tensor) -> Tensor:
        return self.model.unembed(h, self.c)

    def _restore(self, k: int, step: Step, x: Tensor) -> Tensor:
        kept = self.kept.pop(step.slot) if step.flag else self.kept[step.slot]
        value = kept.value(k, step.slot.sigma)
        return add_input(value, self.x) if step.slot.keep == CHANGE else value

    def _enter(self, k: int, step: Step, h: Tensor) -> Tensor:
        block = step.slot.start // 2
        source = self.model.skips.get(block)
        return self.model.enter_block(block, h, None if source is None else self.skips.pop(source))

    def _compute(self, k: int, step: Step, h: Tensor) -> Tensor:
        slot = step.slot
        out = self.model.branch(slot.start, h, self.c)
        if step.flag:
            self._hold(k, slot, out, {})
        return self._push_skip(slot, self.model.residual(slot.start, h, out, self.c))

    def _mark(self, k: int, step: Step, h: Tensor) -> Tensor:
        self.marks[step.slot] = h
        return h

    def _keep(self, k: int, step: Step, h: Tensor) -> Tensor:
        slot = step.slot
        if slot.keep in WHOLE:
            self._hold(k, slot, add_input(h, self.x, -1) if slot.keep == CHANGE else h, {})
            return h
        escaping = {s: self.skips[s] for s in escaping_skips(self.model, slot)}
        self._hold(k, slot, h - self.marks.pop(slot) if slot.keep == OFFSET else h, escaping)
        return h

    def _hold(self, k: int, slot: Span, new: Tensor, skips: dict[int, Tensor]) -> None:
        self.kept[slot] = Kept.after(self.kept.get(slot), k, new, slot.order, skips)

    def _see(self, k: int, step: Step, h: Tensor) -> Tensor:
        self.script.decisions.decide(k, step.slot.start, self)
        return h

    def _refresh(self, k: int, step: Step, h: Tensor) -> Tensor:
        """Compute the part of a branch that its policy picks, put it in place of what was kept, reuse the whole."""
        kept, decisions, index = self.kept[step.slot], self.script.decisions, step.slot.start
        fresh = decisions.fresh(k, index, self)
        out = self.model.layer(index)(pick(self.branch_input(index), fresh))
        kept.tensors[0] = decisions.merge(kept.tensors[0], fresh, out)
        return self._reuse(k, step, h)

    def _reuse(self, k: int, step: Step, h: Tensor) -> Tensor:
        slot, skips = step.slot, self.skips
        kept = self.kept.pop(slot) if step.flag else self.kept[slot]
        value = kept.value(k, slot.sigma)
        if slot.keep == BRANCH:
            return self._push_skip(slot, self.model.residual(slot.start, h, value, self.c))
        for consumer, source in self.model.skips.items():  # skips into the span are left unread
            if slot.start <= 2 * consumer < slot.stop:
                skips.pop(source, None)
        skips.update(kept.skips)
        return self._push_skip(slot, value if slot.keep == STATE else h + value)

    def _push_skip(self, slot: Span, h: Tensor) -> Tensor:
        block, rest = divmod(slot.stop, 2)
        if rest == 0 and block - 1 in self.sources:
            self.skips[block - 1] = h
        return h

    # What a policy sees (methods.policy.Look), besides x, output and tokens.
    def branch_input(self, index: int) -> Tensor:
        return self.model.branch_input(index, self.tokens, self.c)

    def output_of(self, index: int) -> Tensor:
        return self.model.branch(index, self.tokens, self.c)

    def branch(self, index: int, tokens: Tensor) -> Tensor:
        return self.model.residual(index, tokens, self.model.branch(index, tokens, self.c), self.c)

    def attention(self, index: int) -> Tensor:
        return attention_map(self.model.layer(index), self.branch_input(index))

    def forget(self, slot: Span) -> None:
        self.kept.pop(slot, None)

    x: Any
    tokens: Any
    c: Any
    t: Any
    y: Any

    def cache_bytes(self, batch: int, guided: bool = True, bytes_per_value: int = 4) -> int:
        """Most bytes kept at once between evaluations, for `batch` images, predicted from the plan."""
        alive = [set(self.plan.policy.slots)] if self.script.decides and self.plan.policy else self._alive()
        peak = max((sum(self._values(s) for s in slots) for slots in alive), default=0)
        return peak * batch * (2 if guided else 1) * bytes_per_value

    def _values(self, slot: Span) -> int:
        """Numbers kept for one image."""
        if slot.keep in WHOLE:
            C, H, W = self.model.latent_shape
            return (slot.order + 1) * getattr(self.model, "out_channels", C) * H * W
        tokens, width = self.model.token_shape()
        skips = len(escaping_skips(self.model, slot)) if slot.keep != BRANCH else 0
        return (slot.order + 1 + skips) * tokens * width

    def _alive(self) -> list[set[Span]]:
        """The slots that hold a tensor after each evaluation."""
        alive: set[Span] = set()
        history = []
        for row in self.script.rows:
            alive |= {s.slot for s in row if s.do == "keep" or (s.do == "compute" and s.flag)}
            alive -= {s.slot for s in row if s.do in ("reuse", "refresh", "restore") and s.flag}
            history.append(set(alive))
        return history


def add_input(output: Tensor, x: Tensor, sign: int = 1) -> Tensor:
    """`output` [N,C or 2C,H,W] with the network's input x [N,C,H,W] added to its prediction, the first C channels."""
    total = output.clone()
    total[:, : x.shape[1]].add_(x.to(total.dtype), alpha=sign)
    return total


def pick(z: Tensor, fresh: Tensor) -> Tensor:
    """Rows of z [N,T,D]: the images in a bool [N], or each image's tokens in an int64 [N,K]."""
    return z[fresh] if fresh.ndim == 1 else z.gather(1, fresh.unsqueeze(-1).expand(-1, -1, z.shape[-1]))


def attention_map(layer: Any, z: Tensor) -> Tensor:
    """softmax(q k^T / √d) [N,H,T,T] of an attention layer's input z [N,T,D]."""
    q, k, _ = layer.project(z)
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
