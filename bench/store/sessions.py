"""Timing sessions: DIR/sessions/<model>-<hash>.json holds every round of settings that were timed side by side.

A cell's own file says its times and names its session; here is what any two settings of one session, or of two that
share a reference, can be compared by.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.host.files import set_aside, write_bytes
from bench.host.notice import say
from bench.schema.cell import read_json
from bench.schema.checksum import sealed
from bench.statistics.medians import Interval
from bench.statistics.paired_times import Spread, between_processes, chained, paired_ratio
from models.errors import InputError

SCHEMA = 1
FOLDER = "sessions"
PROCESSES = 2  # at least: latency can differ between processes whose rounds agree
MEMBERS: dict[str, type] = {"settings": dict, "processes": list, "rounds": list, "removed": dict, "repeated": list,
                            "session": str, "protocol": str, "model": str, "batch": int}  # fmt: skip


@dataclass(frozen=True)
class TimedProcess:
    """What one process of a session said of itself; None, empty or 0 where it broke off before it knew.

    `ceilings` are the machine's rates (bench/measure/timing/machine_rates.py), `others` the strangers on the GPU.
    """

    done: bool = False
    ceilings: dict[str, Any] | None = None
    warmup_rounds: int | None = None
    warmup_stable: bool = False
    cores: list[int] | None = None
    decode_ms: list[float] | None = None
    energy_j: dict[str, float | None] | None = None
    others: int = 0

    @classmethod
    def read(cls, stored: dict[str, Any]) -> TimedProcess:
        return cls(**{key: value for key, value in stored.items() if key in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Session:
    """`content` is what the file holds (docs/results-schema.md), which this module alone reads."""

    path: Path
    content: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.content["session"])

    @property
    def model(self) -> str:
        return str(self.content["model"])

    @property
    def batch(self) -> int:
        """Images a call."""
        return int(self.content["batch"])

    @property
    def members(self) -> dict[str, str]:
        """Slug -> key of every cell that the session was opened for."""
        return self.content["settings"]

    @property
    def settings(self) -> dict[str, str]:
        """Slug -> key of those that were not taken out."""
        return {slug: key for slug, key in self.members.items() if slug not in self.removed}

    @property
    def removed(self) -> dict[str, dict[str, str]]:
        """`status` and `reason` by slug of those that were taken out."""
        return self.content["removed"]

    @property
    def repeated(self) -> frozenset[str]:
        """Slugs that run twice a round, and were not taken out."""
        return frozenset(self.content["repeated"]) & self.settings.keys()

    @property
    def reference(self) -> str | None:
        return self.content.get("reference")

    @property
    def rounds(self) -> list[dict[str, Any]]:
        return self.content["rounds"]

    @property
    def processes(self) -> list[int]:
        """The process of every round."""
        return [r["process"] for r in self.rounds]

    @property
    def timed_processes(self) -> list[TimedProcess]:
        """One a process, in the order in which they began."""
        return [TimedProcess.read(stored) for stored in self.content["processes"]]

    @property
    def processes_done(self) -> int:
        """How many have done their share."""
        return sum(process.done for process in self.timed_processes)

    @property
    def is_finished(self) -> bool:
        return self.processes_done >= PROCESSES

    def times(self) -> NDArray[np.float64]:
        """Wall times [rounds, settings] in ns, NaN where a setting did not run in a round."""
        names = list(self.settings)
        rows = [[r["wall_ns"].get(name, math.nan) for name in names] for r in self.rounds]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))

    def spread(self) -> Spread | None:
        """What differs between this session's processes."""
        return between_processes(self.times(), self.processes) if self.rounds else None

    def ratio(self, above: str, below: str, spread: Spread | None = None) -> Interval:
        """Ratio of two settings' times with its 95 % interval. Raises KeyError for one that was not timed here.

        `spread` is this session's, for those who ask for many ratios; None: it is worked out.
        """
        if missing := {above, below} - set(self.settings):
            raise KeyError(f"{', '.join(sorted(missing))}: not in session {self.id}")
        both = [r for r in self.rounds if above in r["wall_ns"] and below in r["wall_ns"]]
        first, second = ([r["wall_ns"][name] for r in both] for name in (above, below))
        return paired_ratio(first, second, [r["process"] for r in both], spread or self.spread())

    def resolution(self) -> float:
        """Half the width of the log 95 % interval of settings that ran twice a round; the widest, 0 where none did."""
        differences, spread = [0.0], self.spread()
        for name in self.repeated:
            both = [r for r in self.rounds if {name, second_run(name)} <= r["wall_ns"].keys()]
            if len(both) > 1:
                times = [[r["wall_ns"][key] for r in both] for key in (second_run(name), name)]
                ratio = paired_ratio(times[0], times[1], [r["process"] for r in both], spread)
                differences.append(math.log(ratio["high"] / ratio["low"]) / 2)
        return max(differences)

    def write(self) -> None:
        """Whole or not at all; raises OutputError."""
        write_bytes(self.path, (json.dumps(sealed(self.content), allow_nan=False) + "\n").encode())

    def begin_process(self, facts: dict[str, Any]) -> int:
        """Add a process; `facts` may grow until the next write. Returns its number."""
        self.content["processes"].append(facts)
        return len(self.content["processes"]) - 1

    def add_round(self, process: int, record: dict[str, Any]) -> None:
        """Keep a round (bench/measure/timing/rounds.py) in memory; `write` brings it to the file."""
        self.rounds.append({"process": process, **record})

    def remove(self, slug: str, status: str, reason: str) -> None:
        """Take a setting out. Its rounds so far stay in the file; nothing is claimed from them."""
        self.removed.setdefault(slug, {"status": status, "reason": reason})
        self.write()

    def narrow(self, wanted: Container[str]) -> None:
        """Of a session that is not finished, let all other settings go, as if it had been opened without them."""
        for slug in [slug for slug in self.members if slug not in wanted]:
            del self.members[slug]
        self.write()


def second_run(name: str) -> str:
    """What a round's second time of a repeated setting is called."""
    return f"{name} again"


def session_ratio(first: Session, above: str, second: Session, below: str) -> Interval:
    """Ratio of a setting of one session to one of another, chained by the reference that both were timed beside.

    Raises KeyError where a setting is missing, ValueError where the sessions have no reference in common.
    """
    if first.id == second.id:
        return first.ratio(above, below)
    if first.reference is None or first.settings.get(first.reference) != second.settings.get(first.reference):
        raise ValueError(f"sessions {first.id} and {second.id} share no reference")
    return chained(first.ratio(above, first.reference), second.ratio(first.reference, below))


def new_session(
    directory: Path,
    settings: dict[str, str],
    *,
    model: str,
    batch: int,
    protocol: str,
    reference: str | None,
    repeated: Sequence[str],
    machine: dict[str, Any],
    number: int = 0,
) -> Session:
    """An empty session of these settings (slug -> key). `number` tells it from others of the same settings."""
    identity = [protocol, model, batch, sorted(settings.items()), machine, number]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    content = {
        "schema": SCHEMA, "session": f"{model}-{digest}", "protocol": protocol, "model": model, "batch": batch,
        "machine": machine, "reference": reference, "repeated": list(repeated), "settings": settings, "removed": {},
        "processes": [], "rounds": [],
    }  # fmt: skip
    return Session(directory / FOLDER / f"{model}-{digest}.json", content)


def read_session(path: Path) -> Session:
    """Raises InputError, in one line that names the file, where it holds no session."""
    content = read_json(path)
    if content.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema is {content.get('schema')!r}; this version reads schema {SCHEMA}")
    for key, kind in MEMBERS.items():
        if not isinstance(content.get(key), kind) or isinstance(content[key], bool):
            raise InputError(f"{path}: {key} must be a {kind.__name__}")
    if problem := _problem(content):
        raise InputError(f"{path}: {problem}")
    if not all(isinstance(r, dict) and _is_round(r, len(content["processes"])) for r in content["rounds"]):
        raise InputError(f"{path}: rounds must hold objects with a process and positive times by setting")
    return Session(path, content)


def read_sessions(directory: Path) -> list[Session]:
    """All sessions of a result directory, in the order of their names. Raises InputError as `read_session`."""
    return [read_session(path) for path in sorted((Path(directory) / FOLDER).glob("*.json"))]


def sound_sessions(directory: Path) -> Iterator[Session]:
    """Those of `read_sessions` that can be trusted; of others the file is set aside, in one line on stderr."""
    for path in sorted((Path(directory) / FOLDER).glob("*.json")):
        try:
            yield read_session(path)
        except InputError as error:
            say(f"{error}; kept as {set_aside(path).name}")


def holding(sessions: Iterable[Session], key: str, batch: int, machine: dict[str, Any]) -> Session | None:
    """The session on this machine that has, or was to have, the times of the cell with this key at this batch."""
    for session in sessions:
        here = session.batch == batch and session.content["machine"] == machine
        if here and key in session.members.values():
            return session
    return None


def _problem(content: dict[str, Any]) -> str | None:
    """The first thing in a session's tables and lists that nothing could be worked out with, or None."""
    if content["batch"] < 1:
        return f"batch must be above 0, found {content['batch']}"
    if not all(isinstance(key, str) for key in content["settings"].values()):
        return "settings must hold a key by slug"
    if not all(isinstance(why, dict) and {"status", "reason"} <= why.keys() for why in content["removed"].values()):
        return "removed must hold a status and a reason by slug"
    if not all(isinstance(slug, str) for slug in content["repeated"]):
        return "repeated must be a list of slugs"
    if not isinstance(content.get("reference"), str | None):
        return "reference must be a slug"
    if not all(isinstance(process, dict) for process in content["processes"]):
        return "processes must be a list of objects"
    tables = [content.get("machine"), *(process.get("ceilings") for process in content["processes"])]
    return None if all(isinstance(table, dict | None) for table in tables) else "machine and ceilings must be objects"


def _is_round(record: dict[str, Any], processes: int) -> bool:
    process, wall = record.get("process"), record.get("wall_ns")
    times = wall.values() if isinstance(wall, dict) else [None]
    numbers = all(isinstance(t, int) and not isinstance(t, bool) and t > 0 for t in times)
    return numbers and type(process) is int and 0 <= process < processes
