"""One run that is killed again and again, gone on with each time, and then held against one that was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.benchmarks.marked_processes import MARK, marked, seconds_until, workers
from bench.benchmarks.same_results import cells, deterministic, differences
from bench.host.places import REPOSITORY

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
VICTIMS = ("driver", "worker", "group", "both")
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")  # Ray's own: they seek their killed cluster for a minute
SOON, LATER, LIMIT = 30.0, 150.0, 400.0  # seconds: to be gone after a kill; Ray's agents; for a whole run
AGAIN = ["--retry", "failed,oom"]  # the process of a cell that is killed looks like one that ran out of memory


@dataclass(frozen=True)
class Kill:
    """Which process gets which signal, how many seconds after the start of the command."""

    victim: str
    sent: signal.Signals
    after: float

    @classmethod
    def drawn(cls, draw: random.Random, seconds: float) -> Kill:
        return cls(draw.choice(VICTIMS), draw.choice(SIGNALS), draw.uniform(0.0, seconds))

    def deliver(self, run: subprocess.Popen[bytes], mark: str, draw: random.Random) -> bool:
        """Returns whether the driver is among the victims; a worker is one that is there, else the driver is meant."""
        there = workers(mark) if self.victim in ("worker", "both") else []
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            if there:
                os.kill(draw.choice(there), self.sent)
        with contextlib.suppress(ProcessLookupError):
            if self.victim == "group":
                os.killpg(run.pid, self.sent)
            elif self.victim != "worker" or not there:
                run.send_signal(self.sent)
        return self.victim != "worker" or not there

    def __str__(self) -> str:
        return f"{self.sent.name} {self.victim}"


class Chain:
    """A run's directory. `words` are its command without where to; `place` as `--on` takes it."""

    def __init__(self, out: Path, words: list[str], place: str) -> None:
        self.out, self.place, self.mark = out, place, uuid.uuid4().hex
        self.words = [sys.executable, "-m", "bench", *words, "--out", str(out), "--on", place, *AGAIN]
        self.kept: dict[str, Any] = {}  # what was finished after a kill, which must never be made again
        self.rounds: dict[Path, list[Any]] = {}
        self.killed: set[str] = set()  # cells that were recorded as failed since their own process was killed
        self.faults: list[str] = []

    def start(self) -> subprocess.Popen[bytes]:
        settings = os.environ | {MARK: self.mark, "OMP_NUM_THREADS": "1", "PYTHONPATH": python_path()}
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:  # of this attempt
            return subprocess.Popen(self.words, env=settings, stdout=log, stderr=log, start_new_session=True)

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".log")

    def end_of(self, run: subprocess.Popen[bytes], limit: float) -> int:
        """Its exit code; one that does not end in time is a fault, and is ended."""
        try:
            return run.wait(limit)
        except subprocess.TimeoutExpired:
            self.expect(False, f"it had not ended after {limit:g} s")
            run.kill()
            return run.wait()

    def strike(self, kill: Kill, draw: random.Random) -> str | None:
        """Start the command and kill; what is left, in words. None where the command ended before."""
        run = self.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(kill.after)
            self.expect(run.returncode in (0, 1), f"exit code {run.returncode}")
            return None
        whole = kill.deliver(run, self.mark, draw)
        code = self.end_of(run, SOON if whole else LIMIT)
        waited = seconds_until(lambda: not self.left(AGENTS), SOON)
        self.expect(waited is not None, f"{kill}: left running: {self.left(AGENTS)}")
        _, traceback, said = self.log.read_text(errors="replace").partition("Traceback")
        self.expect(not traceback, f"{kill}: a traceback: {said[-600:]}")
        self.remember()
        shards = sum(".safetensors" in name for name in self.kept)
        made = f"{len(cells(self.out))} cells and {shards} shards there, nothing left after {waited or -1:.1f} s"
        return f"{kill} after {kill.after:.1f} s: exit code {code}, {made}"

    def left(self, but: tuple[str, ...] = ()) -> list[str]:
        """Command lines of the run's processes that are still there."""
        lines = [" ".join(process.words)[:120] for process in marked(self.mark).values()]
        return [line for line in lines if not line.startswith(but or ("\0",))]

    def finish(self, alone: dict[str, Any]) -> None:
        """Run to the end, and find what is wrong with the results."""
        codes: list[int] = []
        while not codes or (codes[-1] == 1 and len(codes) < 3):
            codes.append(self.end_of(self.start(), LIMIT))
        self.expect(codes[-1] == 0, f"exit codes {codes} at the end")
        self.expect(seconds_until(lambda: not self.left(), LATER) is not None, f"left running: {self.left()}")
        self.remember()
        other = differences(alone, deterministic(self.out))
        self.expect(not other, f"not as without kills: {other[:5]}")
        rest = [str(path) for path in self.out.rglob("*") if path.suffix in (".tmp", ".lock") or path.name == "workers"]
        self.expect(not rest, f"left over: {rest[:5]}")
        check = [sys.executable, "-m", "bench", "check-results", str(self.out)]
        done = subprocess.run(check, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        self.expect(done.returncode == 0, f"check-results: {done.stdout[-200:]}")

    def remember(self) -> None:
        """What is finished now; and whether all that was finished before is the same file, or the same rounds."""
        found: dict[str, Any] = {str(path): mark_of(path) for path in self.out.rglob("*.safetensors")}
        stored = cells(self.out)
        found |= {name: cell["finished"] for name, cell in stored.items() if cell["status"] == "ok"}
        killed = {name for name, cell in stored.items() if cell["status"] != "ok"}  # its own process was the victim
        again = [name for name, seen in self.kept.items() if found.get(name) != seen and name not in killed]
        self.expect(not again, f"made twice or gone: {again[:5]}")
        self.kept, self.killed = found, self.killed | killed
        for path in self.out.glob("sessions/*.json"):
            rounds, before = json.loads(path.read_bytes())["rounds"], self.rounds.get(path, [])
            self.expect(rounds[: len(before)] == before, f"rounds timed twice: {path.name}")
            self.rounds[path] = rounds

    def expect(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(f"{self.place} {self.out.name}: {fault}")


def mark_of(path: Path) -> list[int]:
    """Which writing of a file this is."""
    seen = path.stat()
    return [seen.st_ino, seen.st_mtime_ns]


def python_path() -> str:
    return os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
