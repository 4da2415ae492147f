"""The files by which a driver and a worker talk, and how each knows that the other lives."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from bench.host.files import make_folder, write_json
from bench.store.directory import WORKERS

SILENCE = 120.0  # seconds without a sign of life: longer than a network file system is away, as a rule
BEAT = 1.0  # seconds between signs of life
FACTS, STOP, DRIVER = "facts.json", "stop", "driver"  # in the run's folder
HELLO, REFUSED, ALIVE, BYE, LOG = "hello.json", "refused.json", "alive", "bye", "log"  # in a worker's


class Letters:
    """A worker's folder."""

    def __init__(self, run: Path, number: int | str) -> None:
        self.folder = run / str(number)
        make_folder(self.folder)

    def order(self, number: int) -> Path:
        return self.folder / f"{number}.order.json"

    def messages(self, number: int) -> Path:
        return self.folder / f"{number}.messages"

    def answer(self, number: int) -> Path:
        return self.folder / f"{number}.answer.json"

    def open_orders(self) -> list[int]:
        """Numbers of the orders without an answer, the oldest first."""
        numbers = sorted(int(path.name.split(".")[0]) for path in self.folder.glob("*.order.json"))
        return [number for number in numbers if not present(self.answer(number))]

    def said_bye(self) -> bool:
        """Whether the worker has said that it ends."""
        return bool(present(self.folder / BYE))

    def last_line(self) -> str:
        """Of what the worker printed."""
        try:
            lines = (self.folder / LOG).read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing"


class Beat:
    """Signs of one's own life, by the time of a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.last = path, -BEAT

    def give(self) -> None:
        if time.monotonic() - self.last >= BEAT:
            self.last = time.monotonic()
            with contextlib.suppress(OSError):  # the file system may be away for a while
                self.path.touch()


class Pulse:
    """Somebody else's signs of life. Clocks of machines differ: what counts is whether the file's time changes."""

    def __init__(self, path: Path) -> None:
        self.path, self.seen, self.heard = path, -1, time.monotonic()

    def is_there(self) -> bool:
        with contextlib.suppress(OSError):
            changed = self.path.stat().st_mtime_ns
            if changed != self.seen:
                self.seen, self.heard = changed, time.monotonic()
        return time.monotonic() - self.heard < SILENCE


def host() -> str:
    """A machine, or a container on it, in which process ids mean the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether a process of this host is there and not over."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def open_run(directory: str, name: str, facts: dict[str, Any]) -> Path:
    """The folder of a new run. Raises OutputError."""
    folder = Path(directory) / WORKERS / name
    write_json(folder / FACTS, {**facts, "host": host(), "pid": os.getpid()})
    return folder


def present(path: Path) -> bool | None:
    """Whether a letter is there; None where its file system is away."""
    try:
        return path.exists()
    except OSError:
        return None


def read(path: Path) -> Any:
    """What a letter says; None where it is not there. Letters are written whole or not at all."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
