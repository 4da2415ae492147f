"""A plan as a static program: one list of operations an evaluation, and a numbered slot for every tensor that lives on.

The operations are those of executor.compile_plan. Here reused branches that follow each other are one operation,
extrapolations are weights made in float64, slots are shared by tensors that never live at the same time, and it is
known where tokens may be overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.sampling.compiled.compiler import Compiler
from bench.sampling.compiled.frame import Frame
from bench.sampling.compiled.operations import Operation, Release, Show
from bench.sampling.script import DecidedScript, Script, make_script
from bench.sampling.steps import escaping_skips
from methods.plan import Plan
from models.denoiser import Denoiser


@dataclass
class Program:
    """The operations of every evaluation, known before sampling."""

    rows: tuple[tuple[Operation, ...], ...]
    slots: int  # tensors kept at once, at most
    script: Script

    @property
    def looks(self) -> bool:
        """Whether a policy sees the trajectory: its batch is then never padded."""
        return self.script.plan.policy is not None

    def begin(self, frame: Frame) -> None:
        """Start a trajectory."""
        self.script.begin()
        frame.decisions, frame.looked = self.script.decisions, self.script.looked

    def operations(self, k: int, frame: Frame) -> Iterable[Operation]:
        return self.rows[k]


class DecidedProgram(Program):
    """The operations of every evaluation, as a policy decides them."""

    def begin(self, frame: Frame) -> None:
        super().begin(frame)
        self.compiler = Compiler(self.script.model)
        frame.forget = self.compiler.forget

    def operations(self, k: int, frame: Frame) -> Iterator[Operation]:
        self.compiler.start()
        for piece in self.script.pieces(k, frame):
            yield from self.compiler.piece(k, piece)
            yield Show()

    script: DecidedScript


def compile_program(model: Denoiser, plan: Plan) -> Program:
    """The program of a plan. Raises ValueError where the plan, InputError where its policy does not fit."""
    script = make_script(model, plan)
    if isinstance(script, DecidedScript):
        held = sum(s.order + 1 + len(escaping_skips(model, s)) for s in script.policy.slots)
        return DecidedProgram(((),) * len(plan), held, script)
    compiler = Compiler(model)
    rows, free = [], []
    for k, steps in enumerate(script.rows):
        rows.append(compiler.row(k, steps))
        free.append((tuple(compiler.slots.free), compiler.slots.count))
    count = compiler.slots.count
    if max(made - len(unused) for unused, made in free) < count:  # an evaluation needs more than is kept between two
        rows = [(*row, Release(unused)) if unused else row for row, (unused, _) in zip(rows, free, strict=True)]
    return Program(tuple(rows), count, script)
