"""A stored result: read and validated once, then one frozen object that everything after measuring works on."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.engines import OURS
from bench.schema import checksum
from bench.schema.cell import read_cell
from bench.schema.clipping import clipped
from bench.schema.timing import CALLS, INTERVALS, is_number
from bench.schema.upgrade import setting_of
from bench.schema.warnings import warnings_of
from bench.statistics.paired_times import Spread
from bench.store.parts import (
    CacheMethod,
    Ceilings,
    Code,
    Environment,
    Library,
    MedianInterval,
    Memory,
    Probe,
    Quality,
    Rounds,
    RunSettings,
    Sampler,
    StoredPlan,
    Table,
    Timing,
    Training,
    Work,
    names_of,
    part,
)
from bench.store.sessions import Session

NUMBERS = (int, float)  # of JSON; True and False are none
FACTS = frozenset(names_of(Quality))
Name = tuple[str, str]  # model, slug: what a cell is called within a run


@dataclass(frozen=True, slots=True)
class StoredCell:
    """One cell as its file says it. A cell that is not ok has its reason, and parts without any number.

    `method` is its name for people, `family` that of its cache method, else its sampler's, `setting` what tells it from
    others of its family. `session` holds the rounds that it was timed in, beside others, where these are at hand.
    `document` is the JSON that all this was read from, for what copies or walks the whole of it: four times as large
    as the rest, and so kept only where it was asked for (bench/store/results.py).
    """

    key: str
    model: str
    slug: str
    method: str
    family: str
    setting: str
    status: str
    protocol: str
    sampler: Sampler
    cache: CacheMethod | None
    engine: str = OURS  # whose code sampled it: a library's name, or ours
    reason: str | None = None
    suite: str | None = None
    seconds: float | None = None
    finished: str | None = None
    code: Code = field(default_factory=Code)
    plan: StoredPlan = field(default_factory=StoredPlan)
    work: Work = field(default_factory=Work)
    timing: Timing = field(default_factory=Timing)
    memory: Memory = field(default_factory=Memory)
    quality: Quality = field(default_factory=Quality)
    training: Training = field(default_factory=Training)
    probe: Probe = field(default_factory=Probe)
    settings: RunSettings = field(default_factory=RunSettings)
    library: Library = field(default_factory=Library)
    environment: Environment = field(default_factory=Environment)
    is_timed: bool = False  # whether there are times; a run samples and judges its cells first, and times them then
    is_sealed: bool = field(default=False, compare=False)  # whether its file has a checksum
    session: Session | None = field(default=None, repr=False, compare=False)
    kept: Table | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> Name:
        """(model, slug)."""
        return self.model, self.slug

    @property
    def is_ok(self) -> bool:
        """Whether there are numbers."""
        return self.status == "ok"

    @property
    def document(self) -> Table:
        """Raises ValueError where it was not kept."""
        if self.kept is None:
            raise ValueError(f"{self.model}/{self.slug}: read without its document")
        return self.kept

    @property
    def is_cached(self) -> bool:
        """Whether a cache method was at work."""
        return self.cache is not None

    @property
    def has_baseline(self) -> bool:
        """Whether it was timed beside its sampler, uncached, by our own code; else it is that, or fewer steps of it."""
        return self.is_cached or self.engine != OURS


def read_stored(path: Path, whole: bool = True) -> StoredCell:
    """The cell in a file; not `whole`: without its document, long texts cut. Raises InputError that names the file."""
    document = read_cell(path)
    return stored(document) if whole else stored(clipped(document), keep=False)


def stored(document: Mapping[str, Any], keep: bool = True) -> StoredCell:
    """The typed cell of a document that fits the schema (bench/schema/cell.py)."""
    family, setting = setting_of(document)
    cache = document.get("cache")
    return part(
        StoredCell,
        document,
        session=None,
        family=family,
        setting=setting,
        sampler=part(Sampler, document["sampler"]),
        cache=None if cache is None else part(CacheMethod, cache),
        code=part(Code, document.get("code")),
        plan=part(StoredPlan, document.get("plan")),
        work=part(Work, document.get("work")),
        timing=timing_of(document.get("timing")),
        memory=part(Memory, document.get("memory")),
        quality=quality_of(document.get("quality")),
        training=part(Training, document.get("training")),
        probe=part(Probe, document.get("fingerprint")),
        library=part(Library, document.get("library")),
        settings=part(RunSettings, table := document.get("settings") or {}, stated=table),
        environment=part(Environment, table := document.get("environment") or {}, stated=table),
        is_timed=bool(document.get("timing")),
        is_sealed=checksum.is_sealed(document),
        kept=document if keep else None,
    )


def completed(cell: StoredCell, timing: Mapping[str, Any]) -> dict[str, Any]:
    """Its document with the times, which come last; how long preparing took, known before, then stands among them."""
    document = dict(cell.document)
    prepared = document.pop("prepare_s", None)
    return {**document, "timing": {**timing, "prepare_s": prepared}}


def altered(cell: StoredCell, values: Mapping[str, Any]) -> StoredCell:
    """A copy of it with other values at dotted places of its document, as `timing.latency_ms.median`."""
    document = copy.deepcopy(checksum.without(cell.document))
    for place, value in values.items():
        *path, last = place.split(".")
        table: Any = document
        for key in path:
            table = table[int(key) if isinstance(table, list) else key]
        table[int(last) if isinstance(table, list) else last] = value
    return stored(document)


def timing_of(table: Table | None) -> Timing:
    """Times at one batch and, in the headline's, at the others."""
    table = table or {}
    intervals = {name: part(MedianInterval, table[name]) for name in INTERVALS if table.get(name)}
    return part(
        Timing,
        table,
        **intervals,
        rounds=rounds_of(table.get("rounds") or ()),
        speedup_roofline=(table.get("roofline") or {}).get("speedup"),
        between_processes=part(Spread, spread) if (spread := table.get("between_processes")) else None,
        ceilings=part(Ceilings, table.get("ceilings")),
        warnings=warnings_of(table),
        batches=[timing_of(entry) for entry in table.get("batches") or ()],
        largest=timing_of(table["largest"]) if table.get("largest") else None,
    )


def rounds_of(entries: Sequence[Any]) -> Rounds:
    """Raw times of rounds; what is no positive number is no time."""
    tables = [entry if isinstance(entry, dict) else {} for entry in entries]
    there = set().union(*tables)
    return Rounds(
        ns={name: array("d", [time_of(table.get(name)) for table in tables]) for name in CALLS if name in there},
        interfered=bytes(bool(table.get("interfered")) for table in tables),
        processes=array("q", map(process_of, tables)),
    )


def time_of(value: Any) -> float:
    return value if type(value) in NUMBERS and value > 0 else 0.0


def process_of(table: Table) -> int:
    """Which process of the session made a round; results before there were sessions have one."""
    number = table.get("process")
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def quality_of(table: Table | None) -> Quality:
    """Every number of the quality that is no fact about the samples is a metric's."""
    table = table or {}
    return part(
        Quality,
        table,
        numbers={name: value for name, value in table.items() if is_number(value) and name not in FACTS},
        replicates=_lists(table, "_jackknife"),
        seeds=_lists(table, "_seeds"),
    )


def _lists(table: Table, end: str) -> dict[str, Any]:
    """What is stored under METRIC + `end`, by metric."""
    return {name.removesuffix(end): compact(table[name]) for name in table if name.endswith(end) and table[name]}


def compact(values: Any) -> Any:
    """A list of floats in a quarter of the memory; anything else as it is."""
    return array("d", values) if isinstance(values, list) and set(map(type, values)) == {float} else values
