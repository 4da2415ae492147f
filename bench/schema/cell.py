"""What a cell's JSON must look like before its numbers are believed (schema 1, docs/results-schema.md)."""

import json
import math
from functools import cache
from pathlib import Path
from sys import intern
from typing import Any

from bench.host.patience import patiently
from bench.schema import checksum, metrics
from bench.schema.plan_marks import MARKS
from bench.schema.timing import timing_problem
from bench.schema.upgrade import upgraded
from models.errors import InputError
from models.text_file import parsed, regular_bytes

SCHEMA = 1
# `quality.weights_sha256` of the Inception network that FID is defined with: torch-fidelity's pt_inception-2015-12-05.
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
STATUSES = ("ok", "failed", "timeout", "oom", "unsupported")
MEASURED = ("plan", "work", "timing", "memory", "quality", "training")  # objects that only an ok cell has
Cell = dict[str, Any]

MAX_EXACT_INTEGER = 2**53  # larger integers are not the same number to every JSON reader (RFC 8259, Sec. 6)

_NUMBER = (int, float)
# dotted path -> (types, required in an ok cell); everything may be null unless it is required
FIELDS: dict[str, tuple[tuple[type, ...], bool]] = {
    "key": ((str,), True),
    "model": ((str,), True),
    "slug": ((str,), True),
    "engine": ((str,), False),
    "method": ((str,), True),
    "family": ((str,), False),
    "setting": ((str,), False),
    "protocol": ((str,), True),
    "code": ((dict,), False),
    "code.method": ((str,), False),
    "code.protocol": ((str,), False),
    "sampler": ((dict,), True),
    "sampler.name": ((str,), True),
    "sampler.steps": ((int,), False),
    "sampler.params": ((dict,), False),
    "cache": ((dict,), False),
    "cache.params": ((dict,), False),
    "plan.nfe": ((int,), False),
    "plan.branches": ((int,), False),
    "plan.rows": ((list,), False),
    "work.macs_conventions": ((dict,), False),
    "settings": ((dict,), False),
    "settings.guidance_scale": (_NUMBER, False),
    "settings.device": ((str,), False),
    "settings.dtype": ((str,), False),
    "settings.batch": ((int,), False),
    "settings.threads": ((int,), False),
    "settings.weights": ((str,), False),
    "environment": ((dict,), False),
    "environment.torch": ((str,), False),
    "environment.cpu": ((str,), False),
    "environment.gpu": ((str,), False),
    "quality.fd_ranges": ((list,), False),
    "timing.telemetry": ((dict,), False),
    "library": ((dict,), False),
    "library.versions": ((dict,), False),
    "library.difference": (_NUMBER, False),
    "library.cause": ((str,), False),
    "training": ((dict,), False),
    "training.seconds": (_NUMBER, False),
    "quality.samples": ((int,), False),
    "quality.seed": ((int,), False),
    "quality.reference_samples": ((int,), False),
    "quality.identical": ((int,), False),
    "quality.weights_sha256": ((str,), False),
    "quality.autoencoder": ((str,), False),
    "quality.features": ((str,), False),
    "quality.omitted": ((dict,), False),
    "quality.fingerprint": ((str,), False),
    "quality.reference": ((str,), False),
    "quality.sampled_by": ((list,), False),
    "fingerprint": ((dict,), False),
    "fingerprint.latents": ((list,), False),
    "fingerprint.tokens": ((list,), False),
    "timing.batch": ((int,), False),
    "timing.session": ((str,), False),
    "timing.threads": ((int,), False),
    "timing.rounds": ((list,), False),
    "timing.batches": ((list,), False),
    "timing.largest": ((dict,), False),
    "timing.warnings": ((list,), False),
    "timing.interfered_rounds": ((int,), False),
    "timing.throttled_rounds": ((int,), False),
    "timing.ceilings": ((dict,), False),
    "timing.ceilings.gemm_before": (_NUMBER, False),
    "timing.ceilings.gemm_after": (_NUMBER, False),
    "settings.image_size": ((int,), False),
    "checksum": ((str,), False),
    "suite": ((str,), False),
    "reason": ((str,), False),
    "seconds": (_NUMBER, False),
    "finished": ((str,), False),
}
# Counts and sizes of which there is at least one.
POSITIVE = (
    "timing.batch", "timing.threads", "work.macs", "work.macs_baseline", "settings.image_size", "settings.batch",
    "settings.threads", "quality.samples", "quality.reference_samples", "plan.nfe", "plan.branches",
)  # fmt: skip
TEXTS = (
    "model", "slug", "method", "family", "setting", "suite", "reason", "sampler.name", "cache.name", "quality.features",
    "quality.reference", "environment.cpu", "environment.gpu", "environment.torch",
)  # fmt: skip
NUMBERS = {
    "work": ("macs", "macs_baseline", "macs_ratio", "cache_bytes"),
    "memory": ("peak_mb", "weights_mb", "cache_mb", "cache_measured_mb"),
    "plan": ("branches_computed",),
}  # fmt: skip


def read_cell(path: Path) -> Cell:
    """The validated cell in `path`. Raises InputError, in one line that names the file, if it cannot be trusted."""
    cell = upgraded(read_json(path), SCHEMA)
    problem = _problem(cell)
    if problem:
        raise InputError(f"{path}: {problem}")
    if (plan := cell.get("plan")) and plan.get("rows"):
        plan["rows"] = [intern(row) for row in plan["rows"]]
    if (cell["model"], cell["slug"]) != (path.parent.name, path.stem):
        raise InputError(f"{path}: holds the cell {cell['model']}/{cell['slug']}; a cell's file is named after it")
    return cell


def read_json(path: Path) -> Cell:
    """A JSON object that fits its checksum, where it has one. Raises InputError in one line that names the file.

    NaN, infinities, integers beyond 2^53 and repeated keys are refused.
    """
    try:
        text = patiently(lambda: regular_bytes(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    value = parsed(lambda: _strict(text.decode()), path, "readable JSON")
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(value).__name__}")
    if problem := checksum.problem_of(value):
        raise InputError(f"{path}: {problem}")
    return value


def _strict(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_exact, object_pairs_hook=_unique)


def look_up(cell: Cell, dotted: str) -> Any:
    """The value at a dotted path, or None where any part of the path is absent or null."""
    value: Any = cell
    for key in _keys(dotted):
        value = value.get(key) if isinstance(value, dict) else None
    return value


@cache
def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split("."))


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _exact(text: str) -> int:
    value = int(text)
    if abs(value) > MAX_EXACT_INTEGER:
        raise ValueError(f"an integer of {len(text.lstrip('-'))} digits is beyond 2^53")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = {intern(key): value for key, value in pairs}  # thousands of cells have the same keys: one text for all
    if len(table) != len(pairs):
        raise ValueError("a key is there twice")
    return table


def _problem(cell: Cell) -> str | None:
    """The first thing wrong with a cell, or None."""
    if cell.get("schema") != SCHEMA or isinstance(cell.get("schema"), bool):
        return f"schema is {cell.get('schema')!r}; this version reads schema {SCHEMA}"
    if cell.get("status") not in STATUSES:
        return f"status is {cell.get('status')!r}; expected one of: {', '.join(STATUSES)}"
    problem = _field_problem(cell) or _number_problem(cell) or _range_problem(cell)
    if problem or cell["status"] == "ok":
        return problem or _plan_problem(cell.get("plan"))
    numbers = [name for name in MEASURED if cell.get(name) is not None and name != "plan"]
    return f"status is {cell['status']} but it has {' and '.join(numbers)}" if numbers else None


def _field_problem(cell: Cell) -> str | None:
    for part in (*MEASURED, "settings", "environment"):
        if not isinstance(cell.get(part), dict | None):
            return f"{part} must be an object"
    for dotted, (types, required) in FIELDS.items():
        value = look_up(cell, dotted)
        if (required and value is None) or (value is not None and not _is(value, types)):
            return f"{dotted} must be {' or '.join(t.__name__ for t in types)}, found {_shown(value)}"
    if cell.get("cache") is not None and not isinstance(look_up(cell, "cache.name"), str):
        return "cache.name must be str"
    return None


def _number_problem(cell: Cell) -> str | None:
    for part, names in (NUMBERS | {"quality": metrics.numbers()}).items():
        table = cell.get(part) or {}
        for name in names:
            value = table.get(name)
            if value is not None and not _is(value, _NUMBER):
                return f"{part}.{name} must be a number, found {_shown(value)}"
    for name in metrics.lists():
        values = (cell.get("quality") or {}).get(name)
        if values is not None and not _is(values, (list,)):
            return f"quality.{name} must be list, found {_shown(values)}"
        if not set(_NUMBER).issuperset(map(type, values or ())):
            return f"quality.{name} must hold numbers only"
    return timing_problem(cell.get("timing") or {})


def _range_problem(cell: Cell) -> str | None:
    """Numbers that count something and cannot be what they are, and texts that no page can hold."""
    for dotted in POSITIVE:
        value = look_up(cell, dotted)
        if value is not None and value <= 0:
            return f"{dotted} must be above 0, found {_shown(value)}"
    commits = look_up(cell, "quality.sampled_by") or ()
    if not all(isinstance(commit, str) for commit in commits):
        return "quality.sampled_by must hold strings only"
    names = [value for dotted in TEXTS if isinstance(value := look_up(cell, dotted), str)]
    if any(not _is_text(name) for name in [*names, *commits]):
        return "a name holds half of a character (a lone surrogate)"
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plan_problem(plan: Cell | None) -> str | None:
    rows = (plan or {}).get("rows") or []
    widths = {len(row) if isinstance(row, str) else -1 for row in rows}
    if len(widths) > 1 or -1 in widths or set("".join(rows)) - set(MARKS):
        return f"plan.rows must be strings of equal length made of {' '.join(MARKS)}"
    return None


def _is(value: Any, types: tuple[type, ...]) -> bool:
    """Whether JSON's parser, which makes no subclasses, made one of `types` of it; True is no integer."""
    return type(value) in types


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:60]
