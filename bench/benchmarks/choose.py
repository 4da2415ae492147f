"""Whether `ditbench choose` finds what an exhaustive run finds: repeats drawn from one table of all settings.

`nice python -m bench.benchmarks.choose [OUT] [--table FILE]` writes results/benchmarks/choose.json: some twenty minutes
on two cores. Every setting is sampled with 256 seeds and timed in one session; the table is kept in FILE (npz), and
taken from there where it is. A repeat draws 48 seeds, with the rough times of their batches, screens and halves as
`choose` does, draws the session's rounds anew, and decides. It agrees where its choice is that of the exhaustive run,
or costs at most 2 % more time and 5 % more error than it; also counted is how often the exhaustive choice is the
repeat's or is named among those that it could not tell apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.host.environment import cores, environment
from bench.host.files import write_json, write_through
from bench.measure.task import Task
from bench.quality.metrics.ode_error import ode_error
from bench.quality.metrics.paired import latent_error
from bench.run.choice import sweeps
from bench.run.choice.choose import shortlist
from bench.run.choice.decision import Choice, Setting, decide
from bench.run.choice.exact import Exact, Pooled
from bench.run.choice.goal import ERROR, SPEEDUP, Goal
from bench.run.choice.halving import Array, beaten, surely_more
from bench.run.choice.pool import Pool
from bench.run.choice.sampling import Request
from bench.run.choice.screening import BATCH, RUNGS
from bench.run.choice.survivors import measured, protocol
from bench.statistics.interval import Interval
from bench.statistics.paired_times import between_processes, paired_ratio
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol, Timing

MODEL, ONLY = "dit-mnist", "cache=none|fora|deepcache|taylorseer|l2c"
SEEDS, REPEATS = 256, 100
GOALS = [Goal(ERROR, bound) for bound in (0.04, 0.05, 0.07, 0.1, 0.15)] + [Goal(SPEEDUP, x) for x in (2, 3, 5, 8)]
TIME_MARGIN, ERROR_MARGIN = 0.02, 0.05
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
        """Other seeds, with their batches, and other rounds of the same processes."""
        batches = rng.choice(self.rough.shape[1], RUNGS[-1] // BATCH, replace=False)
        seeds = (batches[:, None] * BATCH + np.arange(BATCH)).ravel()
        rounds = np.concatenate([rng.choice(rows, len(rows)) for rows in self.rounds()])
        return Table(self.slugs, self.errors[:, seeds], self.rough[:, batches], self.times[rounds],
                     self.processes[rounds], self.resolution)  # fmt: skip

    def rounds(self) -> list[Any]:
        return [np.flatnonzero(self.processes == p) for p in np.unique(self.processes)]


def screened(table: Table, goal: Goal) -> list[int]:
    """What is left after successive halving, the reference first."""
    left = np.arange(len(table.slugs))
    for seeds in RUNGS:
        seconds = table.rough[left, : seeds // BATCH].min(axis=1)
        lost = beaten(table.errors[left, :seeds], seconds, 0, goal, table.resolution)
        left = left[~lost]
    rough = {table.slugs[i]: float(table.rough[i].min()) for i in left[1:]}
    errors = {table.slugs[i]: table.errors[i] for i in left[1:]}
    return [0, *(table.slugs.index(slug) for slug in shortlist(list(rough), rough, errors, goal))]


def decided(table: Table, members: Sequence[int], goal: Goal) -> Choice:
    """The choice among these settings, whose session they are."""
    times, processes = table.times[:, list(members)], table.processes.astype(int).tolist()
    spread = between_processes(times, processes)
    column = {table.slugs[i]: k for k, i in enumerate(members)}

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
    whole = decided(table, range(len(table.slugs)), goal).chosen
    rng = np.random.default_rng([seed, GOALS.index(goal) if goal in GOALS else len(GOALS)])
    same = within = named = 0
    sizes, choices = [], []
    for _ in range(repeats):
        drawn = table.draw(rng)
        members = screened(drawn, goal)
        choice = decided(drawn, members, goal)
        sizes.append(len(members))
        choices.append("none" if choice.chosen is None else choice.chosen.slug)
        same += choices[-1] == ("none" if whole is None else whole.slug)
        within += agrees(table, choice.chosen, whole, goal)
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


def agrees(table: Table, chosen: Setting | None, whole: Setting | None, goal: Goal) -> bool:
    """Whether a choice is as good as the exhaustive one by the whole table, within the margins."""
    if chosen is None or whole is None:
        return chosen is whole
    medians, errors = np.median(table.times, axis=0), table.errors.mean(axis=1)
    one, other = table.slugs.index(chosen.slug), table.slugs.index(whole.slug)
    if goal.kind == SPEEDUP:
        fast = medians[0] / medians[one] >= goal.bound * (1 - TIME_MARGIN)
        return bool(fast and errors[one] <= errors[other] * (1 + ERROR_MARGIN))
    exact = errors[one] <= goal.bound * (1 + ERROR_MARGIN)
    return bool(exact and medians[one] <= medians[other] * (1 + TIME_MARGIN))


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
    return {
        "study": "choose",
        "model": MODEL,
        "settings": len(table.slugs),
        "seeds": table.errors.shape[1],
        "rounds": len(table.times),
        "time_margin": TIME_MARGIN,
        "error_margin": ERROR_MARGIN,
        "resolution": table.resolution,
        "goals": [study(table, goal, repeats) for goal in GOALS],
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
