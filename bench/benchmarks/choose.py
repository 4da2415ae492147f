"""Whether `ditbench choose` finds what an exhaustive run finds: repeats drawn from one table of all settings.

`nice python -m bench.benchmarks.choose [OUT] [--table FILE]` writes results/benchmarks/choose.json: some twenty minutes
on two idle cores. Every setting is sampled with 512 seeds and timed in one session; the table is kept in FILE (npz),
and taken from there where it is. A repeat draws 48 seeds, with the rough times of their batches, screens and halves as
`choose` does, draws as many of the session's rounds as its own session would have, and decides.

A repeat agrees where, by the whole table, its choice meets the goal, and the exhaustive run knows none that meets it
with a margin to spare and is better by more than a margin: 2 % of time, 5 % of error. Counted as well is how often the
exhaustive choice itself is the repeat's, or is named among those that it could not tell apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.host.environment import cores, environment
from bench.host.files import write_json, write_through
from bench.measure.task import Task
from bench.measure.timing.session import MIN_ROUNDS
from bench.quality.metrics.ode_error import ode_error
from bench.quality.metrics.paired import latent_error
from bench.run.choice import sweeps
from bench.run.choice.choose import COMPANY, companions, shortlist
from bench.run.choice.decision import Choice, Setting, decide
from bench.run.choice.exact import Exact, Pooled
from bench.run.choice.goal import ERROR, SPEEDUP, Goal
from bench.run.choice.halving import Array, beaten, surely_more
from bench.run.choice.pool import Pool
from bench.run.choice.sampling import Request
from bench.run.choice.screening import BATCH, RUNGS
from bench.run.choice.survivors import ROUNDS, SECONDS, measured, protocol
from bench.statistics.interval import Interval
from bench.statistics.paired_times import between_processes, paired_ratio
from bench.store.sessions import PROCESSES
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol, Timing

MODEL, ONLY = "dit-mnist", "cache=none|fora|deepcache|taylorseer|l2c"
SEEDS, REPEATS = 512, 100
ERRORS = (0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.25)
SPEEDUPS = (1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10)
GOALS = [Goal(ERROR, bound) for bound in ERRORS] + [Goal(SPEEDUP, bound) for bound in SPEEDUPS]
TIME_MARGIN, ERROR_MARGIN = 0.02, 0.05
WARMUP = 2  # rounds that a process spends on it, at least
OUT = Path("results/benchmarks/choose.json")
ARRAYS = ("errors", "rough", "times", "processes")  # of a table
Say = Callable[[str], object]


@dataclass(frozen=True)
class Table:
    """Of all settings: errors [S,seeds], rough seconds [S,batches], times [rounds,S] and each round's process."""

    slugs: list[str]
    errors: Array
    rough: Array
    times: Array
    processes: Array
    resolution: float

    def draw(self, rng: np.random.Generator) -> Table:
        """Other seeds, with their batches."""
        batches = rng.choice(self.rough.shape[1], RUNGS[-1] // BATCH, replace=False)
        seeds = (batches[:, None] * BATCH + np.arange(BATCH)).ravel()
        return replace(self, errors=self.errors[:, seeds], rough=self.rough[:, batches])

    def timed(self, members: Sequence[int], rng: np.random.Generator) -> Table:
        """Other rounds of the same processes, as many as a session of these settings has."""
        share = SECONDS * len(members) / PROCESSES  # of a process
        count = int(share / (np.median(self.times, axis=0)[list(members)].sum() / 1e9)) - WARMUP
        count = min(max(MIN_ROUNDS, count), -(-ROUNDS // PROCESSES))
        processes = [np.flatnonzero(self.processes == p) for p in np.unique(self.processes)]
        rounds = np.concatenate([rng.choice(rows, count) for rows in processes])
        return replace(self, times=self.times[rounds], processes=self.processes[rounds])


def screened(table: Table, goal: Goal) -> tuple[list[int], list[int]]:
    """What is left after successive halving, the reference first; and what is timed beside it for company."""
    left, dropped = np.arange(len(table.slugs)), {}
    for seeds in RUNGS:
        seconds = table.rough[left, : seeds // BATCH].min(axis=1)
        lost = beaten(table.errors[left, :seeds], seconds, 0, goal, table.resolution)
        dropped |= dict.fromkeys((table.slugs[i] for i in left[lost]), seeds)
        left = left[~lost]
    rough = {table.slugs[i]: float(table.rough[i].min()) for i in left[1:]}
    errors = {table.slugs[i]: table.errors[i] for i in left[1:]}
    listed = [0, *(table.slugs.index(slug) for slug in shortlist(list(rough), rough, errors, goal))]
    seconds = {slug: float(table.rough[i].min()) for i, slug in enumerate(table.slugs)}
    return listed, [table.slugs.index(slug) for slug in companions(dropped, seconds, COMPANY - len(listed))]


def decided(table: Table, members: Sequence[int], company: Sequence[int], goal: Goal) -> Choice:
    """The choice among `members`, whose session they are with some more."""
    together = [*members, *company]
    times, processes = table.times[:, together], table.processes.astype(int).tolist()
    spread = between_processes(times, processes)
    column = {table.slugs[i]: k for k, i in enumerate(together)}

    def ratio(above: str, below: str) -> Interval:
        if above == below:
            return Interval(1.0, 1.0, 1.0)
        interval = paired_ratio(times[:, column[above]].tolist(), times[:, column[below]].tolist(), processes, spread)
        return Interval(interval["median"], interval["low"], interval["high"])

    settings = []
    for i in members:
        slug, exact = table.slugs[i], ode_error(table.errors[i], table.resolution)
        error = Interval(exact["ode_error"], exact["ode_error_low"], exact["ode_error_high"])
        settings.append(Setting(slug, slug, ratio(table.slugs[0], slug), error))
    return decide(
        settings,
        goal,
        lambda one, other: ratio(one.slug, other.slug).low > 1,
        lambda one, other: surely_more(*(table.errors[table.slugs.index(s.slug)] for s in (one, other))),
    )


def study(table: Table, goal: Goal, repeats: int, seed: int = 0) -> dict[str, Any]:
    """How often repeats agree with the exhaustive run."""
    whole, rival = (decided(table, range(len(table.slugs)), [], g).chosen for g in (goal, tightened(goal)))
    rng = np.random.default_rng([seed, GOALS.index(goal) if goal in GOALS else len(GOALS)])
    same = within = named = 0
    sizes, choices = [], []
    for _ in range(repeats):
        drawn = table.draw(rng)
        members, company = screened(drawn, goal)
        choice = decided(drawn.timed([*members, *company], rng), members, company, goal)
        sizes.append(len(members) + len(company))
        choices.append("none" if choice.chosen is None else choice.chosen.slug)
        same += choices[-1] == ("none" if whole is None else whole.slug)
        within += agrees(table, choice.chosen, rival, goal)
        options = {s.slug for s in (*choice.untold, *([choice.chosen] if choice.chosen else []))}
        named += whole is None or whole.slug in options
    return {
        "goal": goal.option,
        "exhaustive": "none" if whole is None else whole.slug,
        "repeats": repeats,
        "same": same,
        "within_margin": within,
        "chosen_or_named": named,
        "timed_mean": float(np.mean(sizes)),
        "chosen": {slug: choices.count(slug) for slug in sorted(set(choices), key=choices.count, reverse=True)},
    }


def tightened(goal: Goal) -> Goal:
    """What is asked with a margin to spare."""
    spare = 1 + TIME_MARGIN if goal.kind == SPEEDUP else 1 - ERROR_MARGIN
    return replace(goal, bound=goal.bound * spare)


def agrees(table: Table, chosen: Setting | None, rival: Setting | None, goal: Goal) -> bool:
    """Whether a choice meets the goal and the exhaustive `rival`, which meets it with a margin to spare, is no better.

    Both by the whole table; better by more than a margin.
    """
    if chosen is None:
        return rival is None
    medians, errors = np.median(table.times, axis=0), table.errors.mean(axis=1)
    one = table.slugs.index(chosen.slug)
    other = one if rival is None else table.slugs.index(rival.slug)
    if goal.kind == SPEEDUP:
        meets = medians[0] / medians[one] >= goal.bound * (1 - TIME_MARGIN)
        return bool(meets and errors[one] <= errors[other] * (1 + ERROR_MARGIN))
    return bool(errors[one] <= goal.bound and medians[one] <= medians[other] * (1 + TIME_MARGIN))


def measure(say: Say) -> Table:
    """The table of dit-mnist on this machine."""
    rules = Protocol(samples=SEEDS, sampling_batch=BATCH, timing=Timing(batch=BATCH))
    candidates = sweeps.candidates(MODEL, rules, ONLY)
    task = Task(candidates.reference, None, Settings(), "", ())
    starts = range(0, SEEDS, BATCH)
    errors: dict[str, dict[int, Array]] = {}
    rough: dict[str, dict[int, float]] = {}
    with Pool(task, cores(), 600.0) as pool:
        say("exact solution")
        resolution = Exact(candidates.reference, Pooled(pool)).resolution
        solver = Cell(MODEL, Part("dpm-solver++", {"steps": 200, "order": 3}), None, rules)
        exact = Pooled(pool)(solver).read(range(SEEDS))
        requests = [Request(cell, range(s, s + BATCH)) for cell in candidates.cells.values() for s in starts]
        for done, (request, answer) in enumerate(pool.run(requests)):
            if done % 200 == 0:
                say(f"{done} of {len(requests)} batches")
            if answer.latents is not None:
                start, slug = request.seeds.start, request.cell.slug
                values = latent_error(torch.from_numpy(answer.latents), exact[start : start + BATCH])
                errors.setdefault(slug, {})[start] = values
                rough.setdefault(slug, {})[start] = answer.seconds
    slugs = [slug for slug in candidates.cells if len(errors.get(slug, {})) == len(starts)]
    say(f"timing {len(slugs)} settings")
    cells = [candidates.cells[slug] for slug in slugs]
    kept = protocol(rules, GOALS[0], 0)
    kept = replace(kept, timing=replace(kept.timing, seconds=30.0))
    cells = [Cell(cell.model, cell.sampler, cell.cache, kept) for cell in cells]
    with measured(cells, cells[0], Settings(), [], cores()) as survivors:
        session = survivors.sessions[slugs[0]]
        names = list(session.settings)
        times, processes = session.times()[:, [names.index(slug) for slug in slugs]], session.processes
    return Table(
        slugs,
        np.array([np.concatenate([errors[slug][s] for s in starts]) for slug in slugs]),
        np.array([[rough[slug][s] for s in starts] for slug in slugs]),
        times,
        np.array(processes),
        resolution,
    )


def save(table: Table, path: Path) -> None:
    arrays: dict[str, Any] = {name: getattr(table, name) for name in ARRAYS}
    about = json.dumps({"slugs": table.slugs, "resolution": table.resolution})
    write_through(path, lambda file: np.savez(file, about=np.array(about), **arrays))


def load(path: Path) -> Table:
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        arrays = {name: stored[name] for name in ARRAYS}
    return Table(about["slugs"], resolution=about["resolution"], **arrays)


def summary(table: Table, repeats: int) -> dict[str, Any]:
    goals = [study(table, goal, repeats) for goal in GOALS]
    return {
        "study": "choose",
        "model": MODEL,
        "settings": len(table.slugs),
        "seeds": table.errors.shape[1],
        "rounds": len(table.times),
        "time_margin": TIME_MARGIN,
        "error_margin": ERROR_MARGIN,
        "resolution": table.resolution,
        "within_margin": float(np.mean([goal["within_margin"] / repeats for goal in goals])),
        "chosen_or_named": float(np.mean([goal["chosen_or_named"] / repeats for goal in goals])),
        "goals": goals,
        "environment": environment(),
    }


def main(arguments: list[str]) -> None:
    words = list(arguments)
    kept = Path(words.pop(words.index("--table") + 1)) if "--table" in words else None
    paths = [word for word in words if not word.startswith("-")]
    if kept is not None and kept.is_file():
        table = load(kept)
    else:
        table = measure(lambda text: print(text, file=sys.stderr, flush=True))
        if kept is not None:
            save(table, kept)
    write_json(Path(paths[0]) if paths else OUT, summary(table, REPEATS))


if __name__ == "__main__":
    main(sys.argv[1:])
