"""Test data: a group of settings whose true latencies and distances are known, measured as a run would store it."""

import json
from pathlib import Path

import numpy as np
from cell_factory import cell, typed, write

from bench.store.results import with_sessions
from bench.store.sessions import SCHEMA, Session

GROUPS, ROUNDS = 32, 12
REFERENCE = "ddim-50"
# slug's steps and cache -> true (log latency over the reference's, distance)
TRUTH = {
    (50, None): (0.0, 2.0),  # nothing is as good: worth its time
    (25, None): (-0.7, 2.02),  # within the bound: to use
    (40, None): (-0.3, 2.05),  # slower and no better than 25 steps: replaceable by them
    (10, None): (-1.6, 4.0),  # much faster, much worse: worth its time
    (50, 3): (-1.0, 3.0),  # worth its time
    (50, 2): (-0.69, 3.1),  # slower and worse than the one before
}
WORDS = {"ddim-50": "worth", "ddim-25": "use", "ddim-40": "replaceable", "ddim-10": "worth",
         "ddim-50+fora-interval-3": "worth", "ddim-50+fora-interval-2": "replaceable"}  # fmt: skip


def documents(truth=None, noise=0.02, seed=0, protocol="4"):
    """Cells as JSON: Fréchet distances whose error is mostly common: 0.3, and 0.003 of a pair."""
    rng = np.random.default_rng(seed)
    common, made = rng.normal(scale=0.3 * GROUPS**0.5, size=GROUPS), []
    for (steps, interval), (log, fd) in (truth or TRUTH).items():
        kind = {"cache": "fora", "interval": interval} if interval else {}
        one = cell("dit-mnist", "ddim", steps, fd=fd, ms=1000 * float(np.exp(log)), **kind)
        of_groups = fd + common + rng.normal(scale=noise * GROUPS**0.5 / 10, size=GROUPS)
        plain = float(of_groups.mean())
        one["quality"] |= {"fd": plain, "fd_corrected": plain, "jackknife_groups": GROUPS,
                           "fd_jackknife": ((of_groups.sum() - of_groups) / (GROUPS - 1)).tolist()}  # fmt: skip
        made.append(one | {"protocol": protocol, "key": f"{len(made):064d}"})
        made[-1]["timing"]["session"] = "dit-mnist-0"
    return made


def session(made, truth=None, noise=0.01, between=0.003, seed=1, name="dit-mnist-0"):
    """What two processes timed: rounds of one pace for all settings, noise of each, and a bit that a process keeps."""
    rng = np.random.default_rng(seed)
    logs = np.array([log for log, _ in (truth or TRUTH).values()])
    settings = {one["slug"]: one["key"] for one in made}
    kept, rounds = between * rng.normal(size=(2, len(made))), []
    for r in range(ROUNDS):
        process = 2 * r // ROUNDS
        times = np.exp(20.7 + logs + 0.2 * rng.normal() + kept[process] + noise * rng.normal(size=len(made)))
        rounds.append({"process": process, "wall_ns": dict(zip(settings, map(int, times), strict=True))})
    return {"schema": SCHEMA, "session": name, "protocol": "4", "model": "dit-mnist", "batch": 8, "machine": {},
            "reference": REFERENCE, "repeated": [], "settings": settings, "removed": {}, "rounds": rounds,
            "processes": [{"done": True}, {"done": True}]}  # fmt: skip


def stored_group(made=None, content=None):
    """The cells, typed, with their session."""
    made = documents() if made is None else made
    content = session(made) if content is None else content
    return with_sessions(typed(made), [Session(Path("session.json"), content)])


def write_group(directory, made=None, truth=None):
    """A result directory of the group; returns it."""
    made = documents() if made is None else made
    write(directory, made)
    (directory / "sessions").mkdir()
    (directory / "sessions" / "dit-mnist-0.json").write_text(
        json.dumps(session([one for one in made if one["status"] == "ok"], truth))
    )
    return directory
