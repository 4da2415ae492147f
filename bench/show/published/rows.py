"""Numbers that others published, as data: results/published/, one TOML file a source (docs/published.md)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from bench.host.places import REPOSITORY
from bench.host.toml_file import read_toml
from bench.show.published.checks import check_row, check_source
from bench.store.stored_cell import StoredCell

DIRECTORY = REPOSITORY / "results" / "published"
# One run's standard deviation over seeds, 50,000 samples: the largest that SmoothCache's table states (5 trials each).
KNOWN_SIGMA = {"fid": 0.05, "sfid": 0.06, "is": 1.6}


@dataclass(frozen=True)
class Source:
    """Where numbers come from. `second_hand`: read in somebody's summary, not in the publication itself."""

    tag: str
    citation: str
    url: str = ""
    second_hand: bool = False
    errata: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """One row of a published table. Metrics and units are as in results.csv; what was not stated is None or empty.

    `sampler` and `cache` are tables like a suite's, `cell` is the slug of a cell with exactly these settings; a method
    that we do not have is named in `cache_elsewhere`, and then nothing of ours matches.
    """

    source: Source
    method: str  # as published
    model: str | None = None
    model_elsewhere: str = ""  # a model that we do not have
    resolution: int | None = None  # pixels
    sampler: dict[str, Any] | None = None
    cache: dict[str, Any] | None = None
    cache_elsewhere: str = ""
    cell: str = ""
    guidance_scale: float | None = None
    samples: int | None = None
    evaluator: str = "unknown"
    metrics: dict[str, float] = field(default_factory=dict)
    sigma: dict[str, float] = field(default_factory=dict)  # stated standard deviations over trials
    latency_s: float | None = None
    latency_sigma_s: float | None = None
    batch: int | None = None
    hardware: str = ""
    speedup: float | None = None  # of latency, as stated
    flops_speedup: float | None = None  # of the work alone
    macs_t: float | None = None  # 10^12 of the convention's unit
    convention: str = ""
    table: str = ""
    note: str = ""
    second_hand: bool = False
    errata: tuple[str, ...] = ()


KEYS = tuple(f.name for f in fields(Published) if f.name != "source")


@cache
def load(directory: Path = DIRECTORY) -> tuple[Published, ...]:
    """Every published row, in the order of the files' names; empty where the directory is absent."""
    return tuple(row for path in sorted(directory.glob("*.toml")) for row in read(path))


def read(path: Path) -> list[Published]:
    """The rows of one file. Raises InputError that names the file, the row and the key."""
    content = read_toml(path)
    check_source(content, path)
    stated = {key: content[key] for key in ("tag", "citation", "url", "second_hand") if key in content}
    source = Source(**stated, errata=tuple(content.get("errata", ())))
    defaults = content.get("defaults", {})
    return [_row(source, defaults | row, f"{path.name}: row {n}") for n, row in enumerate(content["rows"], start=1)]


def _row(source: Source, values: dict[str, Any], where: str) -> Published:
    check_row(values, KEYS, where)
    return Published(source, **{**values, "errata": tuple(values.get("errata", ()))})


def is_setting_of(row: Published, cell: StoredCell) -> bool:
    """Whether a stored cell has the row's model, methods with every parameter, and guidance.

    A slug names everything that differs from a method's defaults, so equal slugs are equal settings.
    """
    return (row.model, row.cell, row.guidance_scale) == (*cell.name, cell.settings.guidance_scale) and bool(row.cell)
