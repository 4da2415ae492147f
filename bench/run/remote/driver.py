"""A worker's driver, as the worker sees it: whether anybody still waits for answers."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.host import offspring
from bench.run.remote.letters import DRIVER, STOP, Pulse, host, is_running, present

LOOK = 0.2  # seconds between two looks while this process is busy


class Driver:
    """`told` are the run's facts. Must be made when the worker starts, while who started it is still there."""

    def __init__(self, run: Path, told: dict[str, Any]) -> None:
        self.stop, self.pulse, self.parent = run / STOP, Pulse(run / DRIVER), os.getppid()
        self.pid = told["pid"] if told["host"] == host() else None

    def waits(self) -> bool:
        """Whether the run goes on, and this worker is still wanted."""
        if present(self.stop) or os.getppid() != self.parent or not self.pulse.is_there():
            return False
        return self.pid is None or is_running(self.pid)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Within it this process ends as soon as nobody waits, whatever it is at: importing torch takes its time."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK):
                if not self.waits():
                    offspring.end_all()
                    os._exit(0)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
