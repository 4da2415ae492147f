"""The operations of a compiled evaluation: tokens in, tokens out, everything else in the trajectory's frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from bench.sampling.compiled.frame import Frame, Weights
from bench.sampling.compiled.network import combine
from bench.sampling.outputs import add_input, both_halves, whole
from methods.plan import CHANGE, GUIDANCE, OFFSET, STATE, WHOLE, Span

Operation = Callable[[Frame, Tensor], Tensor]  # tokens in, tokens out


@dataclass(frozen=True)
class Embed:
    half: bool = False  # the conditional half of a guided batch alone

    def __call__(self, frame: Frame, x: Tensor) -> Tensor:
        return frame.network.embed(frame.k, x, 1 if self.half else frame.halves)


@dataclass(frozen=True)
class Unembed:
    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        return frame.network.unembed(h)


@dataclass(frozen=True)
class Restore:
    """An output that was kept, or the change that was kept on top of the current input: a copy, guided in place.

    Of guidance, the unconditional half on top of the conditional output `x`, which was computed.
    """

    span: Span
    weights: Weights

    def __call__(self, frame: Frame, x: Tensor) -> Tensor:
        value = combine(frame.read(self.weights))
        if self.span.keep == GUIDANCE:
            return both_halves(x, value)
        return add_input(value, frame.inputs()) if self.span.keep == CHANGE else value.clone()


@dataclass(frozen=True)
class Enter:
    block: int
    source: int | None

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        return frame.network.enter_block(self.block, h, None if self.source is None else frame.skips.pop(self.source))


@dataclass(frozen=True)
class Compute:
    index: int
    slot: int | None  # where the output is kept
    keep_input: bool

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        out = frame.network.branch(self.index, h, None if self.slot is None else frame.buffer(self.slot, h))
        if self.slot is not None:
            frame.kept[self.slot] = out
        return frame.network.residual(self.index, h, out, self.keep_input)


@dataclass(frozen=True)
class Reuse:
    branches: list[tuple[int, Weights]]  # consecutive; a compiler appends
    keep_input: bool

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        return frame.network.reuse([(j, frame.read(w)) for j, w in self.branches], h, self.keep_input)


@dataclass(frozen=True)
class Jump:
    """A whole span replaced: by kept tokens, or by a kept offset on top of the current ones."""

    span: Span
    weights: Weights
    unread: tuple[int, ...]  # long skips into the span
    escaping: tuple[tuple[int, int], ...]  # long skips out of it, and where they are kept

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        for source in self.unread:
            frame.skips.pop(source, None)
        frame.skips.update({source: frame.kept[slot] for source, slot in self.escaping})  # type: ignore[misc]
        value = combine(frame.read(self.weights))
        return value if self.span.keep == STATE else h + value


@dataclass(frozen=True)
class Push:
    block: int

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        frame.skips[self.block] = h
        return h


@dataclass(frozen=True)
class Mark:
    span: Span

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        frame.marks[self.span] = h
        return h


@dataclass(frozen=True)
class Keep:
    span: Span
    slot: int
    escaping: tuple[tuple[int, int], ...]

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        if self.span.keep in WHOLE:
            frame.kept[self.slot] = whole(self.span.keep, h, frame.inputs())
            return h
        frame.write(self.slot, h - frame.marks.pop(self.span) if self.span.keep == OFFSET else h)
        for source, slot in self.escaping:
            frame.write(slot, frame.skips[source])
        return h


@dataclass(frozen=True)
class Show:
    """Let the policy see the tokens; where the rows are known, ask it to look at them before branch `point`."""

    point: int | None = None

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        frame.tokens, frame.point = h, self.point
        if self.point is not None:
            frame.decisions.decide(frame.k, self.point, frame)
        return h


@dataclass(frozen=True)
class Release:
    """Give back the memory of slots that hold nothing between evaluations."""

    slots: tuple[int, ...]

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        for slot in self.slots:
            frame.kept[slot] = None
        return h


@dataclass(frozen=True)
class Difference:
    """Kept values into a value and its differences, each a combination of the slots before."""

    slots: tuple[int, ...]
    rows: tuple[Weights, ...]

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        made = [combine(frame.read(row)) for row in self.rows]
        for slot, value in zip(self.slots, made, strict=True):
            frame.kept[slot] = value
        return h


@dataclass(frozen=True)
class Refresh:
    """Compute the part of a branch that the policy picks, and put it in place of what is kept in the slot."""

    index: int
    slot: int

    def __call__(self, frame: Frame, h: Tensor) -> Tensor:
        frame.tokens = h
        fresh = frame.decisions.fresh(frame.k, self.index, frame)
        out = frame.network.part(self.index, h, fresh)
        kept = frame.kept[self.slot]
        assert kept is not None
        frame.kept[self.slot] = frame.decisions.merge(kept, fresh, out)
        return h
