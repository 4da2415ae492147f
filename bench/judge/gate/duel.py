"""Two checkouts against each other, round by round in one job: the only fair way to ask whether code became slower.

Each checkout has a process of its own; every round runs one trajectory in both, in random order, so that whatever else
the machine does meets both alike. The ratio is taken within a round, of processor time, which a busy machine hardly
changes; the wall clock's counts only where the head certainly waits for longer than the gate allows.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from bench.engines import OURS
from bench.host.places import REPOSITORY
from bench.judge.change import Change, from_logs
from bench.judge.gate.decision import SLOWER, Unable
from bench.statistics.interval import log_error
from bench.statistics.medians import ratio_interval
from bench.store.parts import CacheMethod, Sampler
from bench.store.stored_cell import StoredCell
from models.errors import InputError

WORKER = Path(__file__).with_name("duel_worker.py")
WARM_UP, MIN_ROUNDS, MAX_ROUNDS = 2, 8, 200  # rounds; the latter two of each look
BASE, HEAD = "base", "head"
Round = Mapping[str, Mapping[str, int]]  # nanoseconds by side and clock


class Side:
    """A process that runs trajectories with the code of one checkout."""

    def __init__(self, name: str, tree: Path) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment = {**os.environ, **threads, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment, cwd=tree,
        )  # fmt: skip

    def ask(self, **order: Any) -> dict[str, Any]:
        """The answer to one order. Raises Unable."""
        stdin, stdout = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
        try:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
            line = stdout.readline()
        except OSError:
            line = ""
        answer = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise Unable(f"{self.name} cannot run it ({answer['error']})")
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Duel:
    """Both sides, alive for as many cells as are asked for."""

    def __init__(self, base: Path, head: Path) -> None:
        self.sides: Mapping[str, Side] = {BASE: Side(BASE, base), HEAD: Side(HEAD, head)}
        self.rng = np.random.default_rng(0)
        self.rounds: list[Round] = []

    def __enter__(self) -> Duel:
        return self

    def __exit__(self, *_: object) -> None:
        for side in self.sides.values():
            side.close()

    def begin(self, cell: StoredCell) -> None:
        """Make both sides ready for one cell's method. Raises Unable."""
        if cell.engine != OURS:
            raise Unable(f"{cell.engine} runs it, of which no commit of ours says the speed")
        for side in self.sides.values():
            side.ask(do="prepare", **order(cell))
        for _ in range(WARM_UP):
            self.round()
        self.rounds = []

    def look(self, seconds: float) -> Change:
        """Head's latency over base's, from all rounds since `begin`: `seconds` more of them. Raises Unable."""
        before, start = len(self.rounds), time.monotonic()
        while (new := len(self.rounds) - before) < MIN_ROUNDS or (
            new < MAX_ROUNDS and time.monotonic() - start < seconds
        ):
            self.rounds.append(self.round())
        processor, wall = (ratio(self.rounds, clock) for clock in ("processor", "wall"))
        return wall if wall.low > SLOWER else processor

    def round(self) -> Round:
        """Nanoseconds of both sides by both clocks, in random order."""
        names = [list(self.sides)[i] for i in self.rng.permutation(2)]
        return {name: self.sides[name].ask(do="run")["ns"] for name in names}


def ratio(rounds: Sequence[Round], clock: str) -> Change:
    """Head over base by one of the clocks."""
    interval = ratio_interval([r[HEAD][clock] for r in rounds], [r[BASE][clock] for r in rounds])
    return from_logs(f"{clock} time", float(np.log(interval["median"])), log_error(interval))


def order(cell: StoredCell) -> dict[str, Any]:
    """What a worker has to know of a cell; parameters that are null stay at their defaults."""
    cache = None if cell.cache is None else stated(cell.cache)
    return {"model": cell.model, "batch": cell.settings.batch, "sampler": stated(cell.sampler), "cache": cache}


def stated(method: Sampler | CacheMethod) -> dict[str, Any]:
    return {"name": method.name, "params": {k: v for k, v in method.params.items() if v is not None}}


@contextlib.contextmanager
def checkout(reference: str) -> Iterator[Path]:
    """A temporary checkout of a commit, branch or tag of this repository. Raises InputError where there is none."""
    root = REPOSITORY
    with tempfile.TemporaryDirectory(prefix="ditbench-base-") as folder:
        tree = Path(folder) / "tree"
        git(root, "worktree", "add", "--detach", "--quiet", str(tree), reference)
        try:
            yield tree
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def git(root: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"--base-ref needs git: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise InputError(f"--base-ref: {said.removeprefix('fatal: ')}")
