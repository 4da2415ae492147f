"""A plan as a static program: one list of operations an evaluation, and a numbered slot for every tensor that lives on.

The operations are those of executor.compile_plan. Here reused branches that follow each other are one operation,
extrapolations are weights made in float64, slots are shared by tensors that never live at the same time, and it is
known where tokens may be overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.sampling.compiled.linear import Linear
from bench.sampling.compiled.operations import Compute, Enter, Jump, Keep, Mark, Operation, Push, Reuse, Weights
from bench.sampling.executor import Kept, Step, compile_plan, escaping_skips
from methods.plan import BRANCH, STATE, Plan, Span
from models.denoiser import Denoiser


@dataclass(frozen=True)
class Program:
    rows: tuple[tuple[Operation, ...], ...]
    slots: int  # tensors kept at once, at most


def compile_program(model: Denoiser, plan: Plan) -> Program:
    """The program of a plan. Raises ValueError where the plan does not fit the denoiser."""
    compiler = _Compiler(model)
    rows = tuple(compiler.row(k, steps) for k, steps in enumerate(compile_plan(model, plan)))
    return Program(rows, compiler.slots.count)


@dataclass
class _Slots:
    """Numbered slots: the lowest free one first, so that few are ever made."""

    count: int = 0
    free: list[int] = field(default_factory=list)

    def take(self) -> int:
        if self.free:
            self.free.sort()
            return self.free.pop(0)
        self.count += 1
        return self.count - 1


@dataclass
class _Held:
    """What is kept for a span: slots of its last values, newest first, and of the long skips that leave it."""

    values: list[int] = field(default_factory=list)
    symbols: Kept | None = None  # the values' differences, as combinations of slots
    escaping: dict[int, int] = field(default_factory=dict)


class _Compiler:
    def __init__(self, model: Denoiser) -> None:
        self.model = model
        self.sources = set(model.skips.values())
        self.slots = _Slots()
        self.held: dict[Span, _Held] = {}

    def row(self, k: int, steps: list[Step]) -> tuple[Operation, ...]:
        """The operations of evaluation k, in whose course slots are taken and given back."""
        self.operations: list[Operation] = []
        self.needed = False  # whether the current tokens are also read from elsewhere
        self.late: list[int] = []  # slots whose tensor is read until the evaluation ends
        for step in steps:
            getattr(self, step.do)(k, step)
            if step.do in ("compute", "reuse"):
                self._push(step.slot)
        self.slots.free += self.late
        return tuple(self.operations)

    def enter(self, k: int, step: Step) -> None:
        if type(self.model).enter_block is Denoiser.enter_block:
            return  # it does nothing
        source = self.model.skips.get(step.slot.start // 2)
        self.operations.append(Enter(step.slot.start // 2, source))
        self.needed = self.needed and source is None

    def compute(self, k: int, step: Step) -> None:
        slot = self._take(k, step.slot) if step.flag else None
        self._change(Compute(step.slot.start, slot, self.needed))

    def mark(self, k: int, step: Step) -> None:
        self.operations.append(Mark(step.slot))
        self.needed = True

    def keep(self, k: int, step: Step) -> None:
        slot = self._take(k, step.slot)
        held = self.held[step.slot]
        for source in escaping_skips(self.model, step.slot):
            if source not in held.escaping:
                held.escaping[source] = self.slots.take()
        self.operations.append(Keep(step.slot, slot, tuple(held.escaping.items())))

    def reuse(self, k: int, step: Step) -> None:
        held = self.held.pop(step.slot) if step.flag else self.held[step.slot]
        assert held.symbols is not None
        value: Linear = held.symbols.value(k)
        weights: Weights = tuple((slot, c) for slot, c in value.terms.items() if c != 0.0)  # type: ignore[misc]
        spent = [*held.values, *held.escaping.values()] if step.flag else []
        if step.slot.keep == BRANCH:
            self._reuse_branch(step.slot.start, weights)
            self.slots.free += spent
        else:
            self._jump(step.slot, weights, held)
            self.late += spent

    def _reuse_branch(self, index: int, weights: Weights) -> None:
        before = self.operations[-1] if self.operations else None
        if isinstance(before, Reuse):
            self.operations.pop()
            self._change(replace(before, branches=(*before.branches, (index, weights))))
        else:
            self._change(Reuse(((index, weights),), self.needed))

    def _jump(self, span: Span, weights: Weights, held: _Held) -> None:
        unread = [s for consumer, s in self.model.skips.items() if span.start <= 2 * consumer < span.stop]
        self._change(Jump(span, weights, tuple(unread), tuple(held.escaping.items())))
        self.needed = span.keep == STATE

    def _change(self, operation: Operation) -> None:
        """Append an operation that makes new tokens, which nobody else reads yet."""
        self.operations.append(operation)
        self.needed = False

    def _push(self, span: Span) -> None:
        block, rest = divmod(span.stop, 2)
        if rest == 0 and block - 1 in self.sources:
            self.operations.append(Push(block - 1))
            self.needed = True

    def _take(self, k: int, span: Span) -> int:
        """The slot for what evaluation k keeps: a new one, or that of the oldest value which nothing reads now."""
        held = self.held.setdefault(span, _Held())
        full = len(held.values) > span.order
        slot = held.values.pop() if full else self.slots.take()
        held.values.insert(0, slot)
        held.symbols = Kept.after(held.symbols, k, Linear({slot: 1.0}), span.order, {})
        return slot
