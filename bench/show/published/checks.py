"""What a published table may say: types, ranges and addresses, checked before anything is made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import InputError, expect_one_of

METRICS = ("fid", "sfid", "is", "precision", "recall")
SHARES = ("precision", "recall")  # metrics in [0, 1]
EVALUATORS = ("adm", "unknown")
UNITS = {"l2c": "MACs", "toca": "FLOPs", "smoothcache": "MACs"}  # of the conventions that papers use
SOURCE_KEYS = ("schema", "tag", "citation", "url", "second_hand", "errata", "defaults", "rows")
POSITIVE = ("latency_s", "latency_sigma_s", "speedup", "flops_speedup", "macs_t")
COUNTS = ("resolution", "samples", "batch")
TABLES = ("sampler", "cache", "metrics", "sigma")
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys((*POSITIVE, "guidance_scale"), (int, float)),
    **dict.fromkeys(COUNTS, (int,)),
    **dict.fromkeys(TABLES, (dict,)),
    "second_hand": (bool,),
}  # every other key is a string; errata are a list of them
ADDRESS = re.compile(r"https?://[!-~]+")


def check_source(content: Mapping[str, Any], path: Path) -> None:
    """Raise InputError unless a file has what every source must have, in the types that it must have."""
    for key in content:
        expect_one_of(f"key in {path.name}", key, SOURCE_KEYS)
    if type(content.get("schema")) is not int or content["schema"] != 1:
        raise InputError(f"{path}: 'schema' must be 1, got {content.get('schema')!r}")
    for key in ("tag", "citation"):
        if not isinstance(content.get(key), str) or not content[key]:
            raise InputError(f"{path}: '{key}' must be a text, got {content.get(key)!r}")
    _check_type("second_hand", content.get("second_hand", False), str(path))
    check_errata(content.get("errata", []), str(path))
    url = content.get("url", "")
    if not isinstance(url, str) or (url and not ADDRESS.fullmatch(url)):
        raise InputError(f"{path}: 'url' must be an address that begins with https://, got {url!r}")
    if not isinstance(content.get("defaults", {}), dict):
        raise InputError(f"{path}: 'defaults' must be a table, got {content['defaults']!r}")
    rows = content.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: expected [[rows]], tables under 'rows', got {rows!r}")


def check_errata(errata: Any, where: str) -> None:
    """Raise InputError unless they are a list of texts."""
    if not isinstance(errata, list) or not all(isinstance(one, str) for one in errata):
        raise InputError(f"{where}: 'errata' must be a list of texts, got {errata!r}")


def check_row(values: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    """Raise InputError unless a row's keys are known and its values mean something.

    That settings are ones of ours is for the tests: the report knows no methods.
    """
    for key, value in values.items():
        expect_one_of(f"key in {where}", key, keys)
        if key == "errata":
            check_errata(value, where)
        else:
            _check_type(key, value, where)
    if not values.get("method"):
        raise InputError(f"{where}: 'method' is missing")
    _check_ranges(values, where)
    _check_metrics(values, where)
    _check_methods(values, where)


def _check_type(key: str, value: Any, where: str) -> None:
    types = TYPES.get(key, (str,))
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise InputError(f"{where}: '{key}' has the wrong type: {value!r}")


def _check_ranges(values: Mapping[str, Any], where: str) -> None:
    for key in (*POSITIVE, *COUNTS):
        if key in values and not 0 < values[key] < math.inf:
            raise InputError(f"{where}: '{key}' must be above 0, got {values[key]!r}")
    if not 0 <= values.get("guidance_scale", 0) < math.inf:
        raise InputError(f"{where}: 'guidance_scale' must be at least 0, got {values['guidance_scale']!r}")


def _check_metrics(values: Mapping[str, Any], where: str) -> None:
    for key in ("metrics", "sigma"):
        for name, value in values.get(key, {}).items():
            expect_one_of(f"metric in {where}", name, METRICS)
            high = 1 if name in SHARES else math.inf
            if type(value) not in (int, float) or not 0 <= value <= high or value == math.inf:
                raise InputError(f"{where}: '{name}' in '{key}' must be a number in [0, {high:g}], got {value!r}")
    expect_one_of(f"evaluator in {where}", values.get("evaluator", "unknown"), EVALUATORS)
    if "macs_t" in values:
        expect_one_of(f"convention in {where}", values.get("convention", ""), UNITS)


def _check_methods(values: Mapping[str, Any], where: str) -> None:
    for key in ("sampler", "cache"):
        if key in values and not isinstance(values[key].get("name"), str):
            raise InputError(f"{where}: '{key}' must be a table like {{ name = \"…\" }}, got {values[key]!r}")
    if values.get("cell") and ("model" not in values or "sampler" not in values or values.get("cache_elsewhere")):
        raise InputError(f"{where}: 'cell' needs a model and methods of ours")
