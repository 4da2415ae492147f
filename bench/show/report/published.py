"""Published numbers beside a group's own cells: matched by setting, in a table of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.show.published import rows as published
from bench.show.published.checks import METRICS, UNITS
from bench.show.published.columns import remarks_of, rows_of, source_of
from bench.show.published.rows import KNOWN_SIGMA, Published, Source
from bench.show.report.format import MISSING, distance_name, figure, signed
from bench.show.report.group import Group
from bench.store.stored_cell import StoredCell

NAMES = {"fid": "FID", "sfid": "sFID", "is": "IS", "precision": "Precision", "recall": "Recall"}
OURS = {"fid": "fd", "sfid": "sfd"}  # the other metrics have the same key


@dataclass(frozen=True)
class Line:
    """A published row as the page shows it; `why` says why no difference is drawn, empty where one is."""

    method: str
    origin: Source
    source: str
    citation: str
    second_hand: bool
    ours: str  # the cell of the same setting
    metrics: str
    differences: str
    why: str
    speed: str
    our_speed: str
    work: str
    our_work: str
    remarks: str


Shown = tuple[list["Line"], list["Line"]]


def lines(group: Group, cells: Sequence[StoredCell] | None = None) -> Shown:
    """The model's published rows: those of a cell's setting, in the order of the cells, and the others.

    With `cells`, some of the group's, only rows of their methods.
    """
    rows = [row for row in published.load() if row.model == group.model]
    pairs = [(row, cell) for cell in group.cells for row in rows if published.is_setting_of(row, cell)]
    matched = {id(row) for row, _ in pairs}
    others = [row for row in rows if id(row) not in matched]
    if cells is not None:
        slugs = {cell.slug for cell in cells}
        methods = {method_of(cell.sampler.name, cell.cache.name if cell.cache else None) for cell in cells}
        pairs = [(row, cell) for row, cell in pairs if cell.slug in slugs]
        others = [row for row in others if not row.cache_elsewhere and published_method(row) in methods]
    return [line_of(*pair) for pair in pairs], [line_of(row, None) for row in others]


def method_of(sampler: str | None, cache: str | None) -> tuple[str | None, str | None]:
    """The cache method whatever its sampler, else the sampler."""
    return (cache, None) if cache else (None, sampler)


def published_method(row: Published) -> tuple[str | None, str | None]:
    return method_of((row.sampler or {}).get("name"), (row.cache or {}).get("name"))


def sources(shown: Iterable[Shown]) -> list[Source]:
    """Where the rows on a page come from."""
    return list(dict.fromkeys(line.origin for own, others in shown for line in (*own, *others)))


def line_of(row: Published, cell: StoredCell | None) -> Line:
    why = "" if cell is None else reason_against(row, cell)
    return Line(
        method=row.method,
        origin=row.source,
        source=source_of(row),
        citation=_citation(row.source),
        second_hand=row.second_hand or row.source.second_hand,
        ours="" if cell is None else cell.method,
        metrics=", ".join(_metric(row, name) for name in METRICS if name in row.metrics) or MISSING,
        differences=MISSING if cell is None or why else differences(row, cell),
        why=why,
        speed=_speed(row),
        our_speed=MISSING if cell is None else _our_speed(cell),
        work=_work(row),
        our_work=MISSING if cell is None else _our_work(row, cell),
        remarks=remarks_of(row),
    )


def _citation(source: Source) -> str:
    return " ".join(part for part in (source.citation, source.url) if part)


_SHORT: dict[str, Callable[[Published], str]] = {
    "Published FID": lambda row: f"{row.metrics['fid']:g}" if "fid" in row.metrics else "",
    "Published latency, s": lambda row: "" if row.latency_s is None else f"{row.latency_s:g}",
    "Published speed-up": lambda row: "" if row.speedup is None else f"{row.speedup:g}×",
}


def short_columns(cells: Sequence[StoredCell]) -> dict[str, list[str]]:
    """Heading and one text a cell, every number with its source's tag; only the columns that have something."""
    columns = {heading: [_tagged(cell, text) for cell in cells] for heading, text in _SHORT.items()}
    return {heading: texts for heading, texts in columns.items() if set(texts) - {MISSING}}


def _tagged(cell: StoredCell, text: Callable[[Published], str]) -> str:
    return "; ".join(f"{text(row)} ({row.source.tag})" for row in rows_of(cell) if text(row)) or MISSING


def notes(cells: Sequence[StoredCell]) -> list[str]:
    """A line for every source in `short_columns`: what it is, on what it was measured, its known errata."""
    rows: dict[Source, list[Published]] = {}
    for cell in cells:
        for row in rows_of(cell):
            if any(text(row) for text in _SHORT.values()):
                rows.setdefault(row.source, []).append(row)
    return [_note(source, listed) for source, listed in sorted(rows.items(), key=lambda item: item[0].tag)]


def _note(source: Source, rows: Sequence[Published]) -> str:
    second = " Read second-hand." if source.second_hand else ""
    hardware = ", ".join(dict.fromkeys(row.hardware for row in rows if row.hardware))
    remarks = dict.fromkeys(f"{row.method}: {remarks_of(row)}." for row in rows if remarks_of(row))
    parts = [f"{source.tag}: {_citation(source)}.{second}", f"Hardware: {hardware}." if hardware else "", *remarks]
    return " ".join(part for part in parts if part)


def reason_against(row: Published, cell: StoredCell) -> str:
    """Why a published metric must not be subtracted from ours; empty where it may be."""
    features = cell.quality.features
    if features is None:
        return "no quality was measured here"
    if distance_name(cell) != "FID" or features != "adm":
        return f"ours is in the features '{features}', which is not the published FID"
    ours = cell.quality.samples
    if row.samples != ours:
        stated = "an unstated number of" if row.samples is None else f"{row.samples:,}"
        return f"published from {stated} samples, ours from {ours:,}"
    return ""


def differences(row: Published, cell: StoredCell) -> str:
    """Ours minus published, and in units of one run's spread over seeds: as stated, else the known one."""
    texts = []
    for name, value in row.metrics.items():
        ours = cell.quality.value(OURS.get(name, name))
        if ours is None:
            continue
        sigma, origin = row.sigma.get(name), "stated"
        if sigma is None:
            sigma, origin = KNOWN_SIGMA.get(name), "known"
        units = f" ({signed((ours - value) / sigma, 2)} σ, {origin})" if sigma else ""
        texts.append(f"{NAMES[name]} {signed(ours - value)}{units}")
    return ", ".join(texts) or MISSING


def _metric(row: Published, name: str) -> str:
    spread = f" ± {row.sigma[name]:g}" if name in row.sigma else ""
    return f"{NAMES[name]} {row.metrics[name]:g}{spread}"


def _speed(row: Published) -> str:
    parts = []
    if row.latency_s is not None:
        batch = "batch not stated" if row.batch is None else f"batch {row.batch}"
        parts.append(f"{row.latency_s:g} s ({row.hardware or 'hardware not stated'}, {batch})")
    if row.speedup is not None:
        parts.append(f"{row.speedup:g}×")
    return ", ".join(parts) or MISSING


def _our_speed(cell: StoredCell) -> str:
    latency, speedup = cell.timing.latency_ms, cell.timing.speedup
    parts = [] if latency is None else [f"{figure(latency.median / 1e3)} s (batch {cell.timing.batch})"]
    return ", ".join([*parts, *([] if speedup is None else [f"{speedup.median:.2f}×"])]) or MISSING


def _work(row: Published) -> str:
    parts = [] if row.macs_t is None else [f"{row.macs_t:g} T{UNITS[row.convention]} ({row.convention})"]
    return ", ".join([*parts, *([] if row.flops_speedup is None else [f"÷ {row.flops_speedup:g}"])]) or MISSING


def _our_work(row: Published, cell: StoredCell) -> str:
    """Our plan's work in the unit that the row is in."""
    count = cell.work.macs_conventions.get(row.convention)
    if row.macs_t is None or not isinstance(count, (int, float)):
        return MISSING
    return f"{count / 1e12:.2f} T{UNITS[row.convention]}"
