"""The steps of an evaluation made into operations, and which numbered slot holds what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.sampling.compiled.forecasts import Rows, Terms, forecast, identity, renewed
from bench.sampling.compiled.frame import Weights
from bench.sampling.compiled.operations import (
    Compute,
    Difference,
    Embed,
    Enter,
    Jump,
    Keep,
    Mark,
    Operation,
    Push,
    Refresh,
    Restore,
    Reuse,
    Show,
    Unembed,
)
from bench.sampling.steps import Step, escaping_skips
from methods.plan import BRANCH, STATE, WHOLE, Span
from models.denoiser import Denoiser


@dataclass
class _Slots:
    """Numbered slots: the lowest free one first, so that few are ever made.

    What is kept of outputs has another shape than the tokens, and slots of its own.
    """

    count: int = 0
    free: list[int] = field(default_factory=list)
    free_of_outputs: list[int] = field(default_factory=list)

    def take(self, of_outputs: bool = False) -> int:
        """A free slot, or a new one."""
        free = self.free_of_outputs if of_outputs else self.free
        if free:
            free.sort()
            return free.pop(0)
        self.count += 1
        return self.count - 1


@dataclass
class _Held:
    """What is kept for a span: slots of its last values, newest first, and of the long skips that leave it."""

    values: list[int] = field(default_factory=list)
    at: int = 0  # the evaluation of the newest
    rows: Rows = ()  # the newest and its differences, as combinations of the values
    escaping: dict[int, int] = field(default_factory=dict)

    def in_slots(self, terms: Terms) -> Weights:
        """A combination of the values as one of slots."""
        return tuple((self.values[position], weight) for position, weight in terms)


class Compiler:
    def __init__(self, model: Denoiser) -> None:
        self.model = model
        self.sources = set(model.skips.values())
        self.slots = _Slots()
        self.held: dict[Span, _Held] = {}

    def row(self, k: int, steps: list[Step]) -> tuple[Operation, ...]:
        """The operations of evaluation k, in whose course slots are taken and given back."""
        self.start()
        operations = self.piece(k, steps)
        self.slots.free += self.late
        return operations

    def start(self) -> None:
        """Begin an evaluation."""
        self.needed = False  # whether the current tokens are also read from elsewhere
        self.late: list[int] = []  # slots whose tensor is read until the evaluation ends

    def piece(self, k: int, steps: Iterable[Step]) -> tuple[Operation, ...]:
        """The operations of some steps of evaluation k."""
        self.operations: list[Operation] = []
        for step in steps:
            getattr(self, step.do)(k, step)
            if step.do in ("compute", "reuse", "refresh"):
                self._push(step.slot)
        return tuple(self.operations)

    def see(self, k: int, step: Step) -> None:
        """Let the policy look before a branch."""
        self.operations.append(Show(step.slot.start))

    def forget(self, span: Span) -> None:
        """Free the slots of what the policy dropped."""
        held = self.held.pop(span, None)
        if held is not None:
            free = self.slots.free_of_outputs if span.keep in WHOLE else self.slots.free
            free += [*held.values, *held.escaping.values()]

    def refresh(self, k: int, step: Step) -> None:
        """Write the computed part of a branch into what was kept, whose differences are made whole before."""
        held = self.held[step.slot]
        count = len(held.rows)
        if held.rows != identity(count):
            self.operations.append(Difference(tuple(held.values[:count]), tuple(map(held.in_slots, held.rows))))
            held.rows = identity(count)
        self.operations.append(Refresh(step.slot.start, held.values[0]))
        self.reuse(k, step)

    def embed(self, k: int, step: Step) -> None:
        self.operations.append(Embed())

    def embed_half(self, k: int, step: Step) -> None:
        self.operations.append(Embed(half=True))

    def unembed(self, k: int, step: Step) -> None:
        self.operations.append(Unembed())

    def restore(self, k: int, step: Step) -> None:
        held = self.held[step.slot]
        self.operations.append(Restore(step.slot, self._weights(k, step.slot, held)))
        if step.frees:
            self.forget(step.slot)

    def enter(self, k: int, step: Step) -> None:
        """Begin a block, with its long skip where one comes in."""
        if type(self.model).enter_block is Denoiser.enter_block:
            return  # it does nothing
        source = self.model.skips.get(step.slot.start // 2)
        self.operations.append(Enter(step.slot.start // 2, source))
        self.needed = self.needed and source is None

    def compute(self, k: int, step: Step) -> None:
        """Run a branch, its output kept in a slot where it is read later."""
        slot = self._take(k, step.slot) if step.keeps else None
        self._change(Compute(step.slot.start, slot, self.needed))

    def mark(self, k: int, step: Step) -> None:
        """Note the tokens at a span's start, which its end is compared with."""
        self.operations.append(Mark(step.slot))
        self.needed = True

    def keep(self, k: int, step: Step) -> None:
        """Keep a span's state or offset, and the long skips that leave it."""
        slot = self._take(k, step.slot)
        held = self.held[step.slot]
        for source in escaping_skips(self.model, step.slot):
            if source not in held.escaping:
                held.escaping[source] = self.slots.take()
        self.operations.append(Keep(step.slot, slot, tuple(held.escaping.items())))

    def reuse(self, k: int, step: Step) -> None:
        """Put what is kept in a span's place; slots that are read for the last time become free."""
        held = self.held.pop(step.slot) if step.frees else self.held[step.slot]
        weights = self._weights(k, step.slot, held)
        spent = [*held.values, *held.escaping.values()] if step.frees else []
        if step.slot.keep == BRANCH:
            self._reuse_branch(step.slot.start, weights)
            self.slots.free += spent
        else:
            self._jump(step.slot, weights, held)
            self.late += spent

    def _weights(self, k: int, span: Span, held: _Held) -> Weights:
        return held.in_slots(forecast(held.rows, k - held.at, span.sigma))

    def _reuse_branch(self, index: int, weights: Weights) -> None:
        before = self.operations[-1] if self.operations else None
        if isinstance(before, Reuse):
            before.branches.append((index, weights))
        else:
            self._change(Reuse([(index, weights)], self.needed))

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
        slot = held.values.pop() if full else self.slots.take(of_outputs=span.keep in WHOLE)
        held.values.insert(0, slot)
        held.rows, held.at = renewed(held.rows, k - held.at, span.order), k
        return slot
