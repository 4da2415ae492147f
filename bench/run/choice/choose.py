"""Screen, time, answer: the whole of `ditbench choose`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

import numpy as np

from bench.measure.samples.exact_solution import SEEDS
from bench.measure.samples.instruments import check_instruments
from bench.measure.task import Task
from bench.run.choice import sweeps
from bench.run.choice.decision import Choice, Setting, decide
from bench.run.choice.goal import FD, SPEEDUP, Goal
from bench.run.choice.halving import Array, surely_more
from bench.run.choice.pool import Pool
from bench.run.choice.screening import BATCH, Screening
from bench.run.choice.survivors import TIMED, measured, protocol, settings_of
from bench.suite.cells import Cell, Settings
from bench.suite.protocol import Protocol, Timing
from bench.suite.weights import find_weights, has_quality
from models.errors import InputError

COMPANY = 12  # settings that a session has at least, where there are as many


@dataclass(frozen=True)
class Question:
    """`files` are plugins that are loaded already; `timeout` seconds for one setting's samples of a rung."""

    model: str
    goal: Goal
    settings: Settings
    files: list[str]
    jobs: int
    batch: int = 8
    samples: int = 640
    seed: int = 0
    timeout: float = 300.0
    only: str | None = None


@dataclass(frozen=True)
class Answer:
    """`cells` are the survivors, as they were measured; `seconds` of everything, `processor` seconds of screening."""

    question: Question
    choice: Choice
    settings: list[Setting]
    screening: Screening
    cells: dict[str, Cell]
    untimed: list[str]
    failed: dict[str, str]
    seconds: float
    processor: float

    @property
    def reference(self) -> Cell:
        return self.cells[self.screening.candidates.reference.slug]


def choose(question: Question) -> Answer:
    """Raises InputError for what cannot be asked of this model."""
    started = time.monotonic()
    if not has_quality(question.settings):
        raise InputError("choose: random weights have no fidelity; give trained ones")
    rules = Protocol(samples=SEEDS, seed=question.seed, sampling_batch=BATCH, timing=Timing(batch=question.batch))
    candidates = sweeps.candidates(question.model, rules, question.only)
    find_weights([candidates.reference], question.settings)
    if question.goal.kind == FD:
        expect_distance(candidates.reference, question.settings)
    task = Task(candidates.reference, None, question.settings, "", tuple(question.files))
    with Pool(task, question.jobs, question.timeout) as pool:
        screening = Screening(candidates, pool, say)
        left = screening.run(question.goal)
    others = [slug for slug in left if slug != candidates.reference.slug]
    timed = shortlist(others, screening.seconds, screening.errors, question.goal)
    company = companions(screening.dropped, screening.seconds, COMPANY - 1 - len(timed))
    timed = [candidates.reference.slug, *timed, *company]
    rules = protocol(rules, question.goal, question.samples)
    cells = {slug: replace(candidates.cells[slug], protocol=rules) for slug in timed}
    reference = cells[candidates.reference.slug]
    say(f"{len(cells)} settings are left to be measured")
    with measured(list(cells.values()), reference, question.settings, question.files, question.jobs) as survivors:
        settings = settings_of(survivors, screening.errors, screening.resolution, question.goal)

        def slower(one: Setting, other: Setting) -> bool:
            return survivors.ratio(one.slug, other.slug).low > 1

        def less_exact(one: Setting, other: Setting) -> bool:
            return surely_more(screening.errors[one.slug], screening.errors[other.slug])

        choice = decide([s for s in settings if s.slug in left], question.goal, slower, less_exact)
    spent = time.monotonic() - started
    untimed = [slug for slug in left if slug not in cells]
    return Answer(question, choice, settings, screening, cells, untimed, survivors.failed, spent, pool.processor)


def expect_distance(reference: Cell, settings: Settings) -> None:
    """Raise InputError where the model's samples have no Fréchet distance."""
    for reason in check_instruments([reference], settings).values():
        raise InputError(f"choose: --fd needs a Fréchet distance: {reason}")


def shortlist(others: list[str], seconds: dict[str, float], errors: dict[str, Array], goal: Goal) -> list[str]:
    """Of too many survivors those that are spread evenly over speeds, or the most exact ones; fast ones first."""
    most = TIMED - 1
    ordered = sorted(others, key=seconds.__getitem__)
    if len(ordered) <= most:
        return ordered
    if goal.kind == SPEEDUP:
        return sorted(ordered, key=lambda slug: float(errors[slug].mean()))[:most]
    return [ordered[i] for i in np.linspace(0, len(ordered) - 1, most).round().astype(int)]


def companions(dropped: dict[str, int], seconds: dict[str, float], count: int) -> list[str]:
    """Of those `dropped`, by the seeds after which, the last ones, fast ones first.

    What differs between processes is learnt from all settings of a session: of few it is known badly.
    """
    return sorted(dropped, key=lambda slug: (-dropped[slug], seconds[slug]))[: max(0, count)]


def say(text: str) -> None:
    print(f"choose: {text}", file=sys.stderr, flush=True)
