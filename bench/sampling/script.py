"""The steps of every evaluation: listed before sampling, or piece by piece as a policy decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from bench.sampling.steps import EMBED, UNEMBED, Step, compile_plan, compile_row, keep_whole, passes, restore
from methods.plan import BRANCH, GUIDANCE, WHOLE, Plan, Span
from methods.policy import Decisions, Look, Policy
from models.denoiser import Denoiser
from models.errors import InputError


class Script:
    """What a plan's rows say. Where a policy only looks on, its decisions belong to one trajectory."""

    decides = False  # whether a policy says the rows

    def __init__(self, model: Denoiser, plan: Plan) -> None:
        self.plan, self.rows = plan, compile_plan(model, plan)
        self.decisions = Decisions()
        self.looked: list[tuple[int, int]] = []  # evaluation and branch that ran for the policy alone

    def begin(self) -> None:
        """Start a trajectory."""
        policy, self.looked = self.plan.policy, []
        self.decisions = Decisions() if policy is None else policy.begin(len(self.plan))

    def end(self) -> None:
        """Let go of what was remembered of a trajectory, but for what it computed."""
        self.decisions, seen = Decisions(), self.decisions.computed
        self.decisions.computed = seen

    def pieces(self, k: int, look: Look) -> Iterator[Sequence[Step]]:
        """The steps of evaluation k in order; each piece is asked for once the one before has run."""
        yield self.rows[k]

    def taken(self) -> Plan:
        """The plan that the last trajectory took."""
        return replace(self.plan, looked=tuple(self.looked)) if self.looked else self.plan

    def trace(self) -> list[np.ndarray]:
        """bool [branches] an evaluation of the last trajectory, or [N,branches] where its images differ."""
        if self.decisions.computed is not None:
            return [row.cpu().numpy() for row in self.decisions.computed]
        return list(self.taken().computed)


class DecidedScript(Script):
    """What a policy decides, as it decides it."""

    decides = True

    def __init__(self, model: Denoiser, plan: Plan) -> None:
        assert plan.policy is not None
        self.model, self.policy = model, plan.policy
        self.edges = sorted({0, *self.policy.points, model.num_branches})
        self.made: dict[tuple[int, tuple[Span, ...]], list[Step]] = {}
        self.decided: list[tuple[Span, ...]] = []
        self.held: set[Span] = set()
        super().__init__(model, plan)

    def begin(self) -> None:
        super().begin()
        self.decided, self.held = [], set()

    def pieces(self, k: int, look: Look) -> Iterator[Sequence[Step]]:
        row: tuple[Span, ...] = ()
        yield [EMBED]
        for start, stop in pairwise([*self.edges, self.edges[-1] + 1]):
            spans = tuple(self.decisions.decide(k, start, look)) if start in self.policy.points else ()
            self.check(k, start, stop, spans)
            row += spans
            if spans and spans[0].keep in WHOLE:
                self.decided.append(row)
                yield [restore(spans[0], {spans[0]: "read"})]
                return
            if start < self.model.num_branches:
                yield self.piece(start, stop, spans)
        self.decided.append(row)
        yield [UNEMBED, *self.whole()]

    def whole(self) -> list[Step]:
        """Keep outputs that may be reused."""
        slots = [s for s in self.policy.slots if s.keep in WHOLE]
        self.held.update(slots)
        return keep_whole(dict.fromkeys(slots, "keep"))

    def piece(self, start: int, stop: int, spans: tuple[Span, ...]) -> list[Step]:
        """The steps of the branches start..stop-1, made at their first use."""
        inside = [s for s in self.policy.slots if s.keep not in WHOLE and start <= s.start < s.stop <= stop]
        produced = [s for s in inside if passes(spans, s)]
        self.held.update(produced)
        if (start, spans) not in self.made:
            state = dict.fromkeys((slot for span in spans for slot in span.slots()), "read")
            state |= dict.fromkeys(produced, "keep")
            self.made[start, spans] = compile_row(self.model, spans, state, start, stop)
        return self.made[start, spans]

    def check(self, k: int, start: int, stop: int, spans: tuple[Span, ...]) -> None:
        """Raise InputError unless the policy may reuse what it says."""
        who, end = type(self.policy).__name__, start
        for span in spans:
            fits = isinstance(span, Span) and end <= span.start < span.stop <= stop
            if not fits and not (isinstance(span, Span) and span.keep in WHOLE and start == 0):
                expected = f"spans within the branches {start}..{stop}"
                raise InputError(f"{who}, evaluation {k}: decided {span!r}, expected {expected}")
            missing = [s for s in span.slots() if s not in self.held]
            if missing:
                raise InputError(f"{who}, evaluation {k}: decided to reuse {missing[0]}, which is not kept")
            end = span.stop

    def taken(self) -> Plan:
        return Plan(self.plan.branches, tuple(self.decided), self.plan.notes, looked=tuple(self.looked))


def make_script(model: Denoiser, plan: Plan) -> Script:
    """The script of a plan. Raises ValueError where the plan, InputError where its policy does not fit the denoiser."""
    policy = plan.policy
    if policy is None:
        return Script(model, plan)
    check_policy(model, policy)
    return (DecidedScript if policy.slots else Script)(model, plan)


def check_policy(model: Denoiser, policy: Policy) -> None:
    """Raise InputError unless every slot lies between two of the points."""
    edges = sorted({0, *policy.points, model.num_branches})
    who = type(policy).__name__
    if edges[0] < 0 or edges[-1] > model.num_branches:
        raise InputError(f"{who}: points {list(policy.points)} leave 0..{model.num_branches}")
    for slot in policy.slots:
        if slot.keep == GUIDANCE:  # the batch is halved before anything of the evaluation can be seen
            raise InputError(f"{who}: guidance is reused by a plan alone, not as decided during sampling")
        if slot.keep not in (BRANCH, *WHOLE) and any(slot.start < edge < slot.stop for edge in edges):
            raise InputError(f"{who}: {slot} is cut by a point in {edges}")
