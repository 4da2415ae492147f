"""One timing session to its end, one child process after another; a setting that hangs or kills one is taken out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure.task import Job, LargestOrder, SessionOrder
from bench.run.executor import Executor, Running
from bench.run.records import drop_empty_log
from bench.run.worker import log_path
from bench.store.sessions import read_session

Watch = Callable[[str, float], None]  # phase, fraction of the session
Timings = dict[str, dict[str, Any]]


class SessionRun:
    """Runs jobs that time, one at a time, while nothing else of the run is at work."""

    def __init__(self, executor: Executor, watch: Watch) -> None:
        self.executor, self.watch = executor, watch
        self.current: str | None = None  # the setting at work

    def timings(self, order: SessionOrder) -> Timings:
        """The timing of every cell in order.work, or its status and reason. Raises OutputError."""
        while True:
            result = self.child(order)
            if result["status"] == "ok" and result["timings"] is not None:
                return result["timings"]
            if result["status"] == "ok":
                continue  # one process more
            if self.current is None:
                why = {name: result[name] for name in ("status", "reason")}
                return {slug: dict(why) for slug in order.work}
            read_session(Path(order.path)).remove(self.current, result["status"], result["reason"])

    def largest(self, order: LargestOrder) -> dict[str, Any]:
        """The largest batch of one cell, or why it was not found."""
        result = self.child(order)
        return result["largest"] if result["status"] == "ok" else {"batch": 0, "reason": result["reason"]}

    def child(self, job: Job) -> dict[str, Any]:
        """The result of one process. Whatever ends this call, the process does not outlive it."""
        self.current = None
        child = self.executor.start(job)
        try:
            while child.result is None:
                self.listen(child)
            return child.result
        finally:
            child.kill()
            drop_empty_log(log_path(job))

    def listen(self, child: Running) -> None:
        """Wait for the next message, the end, or until nothing was heard of a setting for too long."""
        self.executor.wait([child], timeout=1.0)
        for kind, *rest in child.messages():
            if kind == "setting":
                self.current = rest[0]
            elif kind == "phase":
                self.watch(*rest)
        child.hold_to_limit()
