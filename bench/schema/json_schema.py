"""The rules of bench/schema/cell.py as a JSON Schema, for programs that write or read results without this code.

`python -m bench.schema.json_schema` writes docs/schema/cell-1.json. What a JSON Schema cannot say (low <= median,
equal lengths of a plan's rows, 2^53) stays with `read_cell`: whatever it accepts, the schema accepts.
"""

from __future__ import annotations

from typing import Any

from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.schema import metrics
from bench.schema.cell import FIELDS, MEASURED, NUMBERS, SCHEMA, STATUSES
from bench.schema.plan_marks import MARKS
from bench.schema.timing import INTERVALS
from bench.schema.timing import NUMBERS as TIMING_NUMBERS

FILE = REPOSITORY / "docs" / "schema" / f"cell-{SCHEMA}.json"
_TYPES = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
Schema = dict[str, Any]


def cell_schema() -> Schema:
    """The schema (draft 2020-12) of a cell's file."""
    made: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ditbench cell, schema {SCHEMA}",
        "type": "object",
        "properties": {"schema": {"const": SCHEMA}, "status": {"enum": list(STATUSES)}},
        "required": ["schema", "status"],
    }
    for part in (*MEASURED, "environment", "settings"):
        _place(made, part, {"type": ["object", "null"]})
    for dotted, (types, required) in FIELDS.items():
        names = sorted({_TYPES[t] for t in types} - ({"integer"} if float in types else set()))
        _place(made, dotted, {"type": names if required else [*names, "null"]}, required)
    everywhere = {"quality": metrics.numbers(), "timing": (*TIMING_NUMBERS, "roofline.speedup")}
    for part, numbers in (NUMBERS | everywhere).items():
        for name in numbers:
            _place(made, f"{part}.{name}", {"type": ["number", "null"]})
    _place(made, "timing.flags", {"type": ["array", "null"], "items": {"type": "object", "required": ["code"]}})
    for name in metrics.lists():
        _place(made, f"quality.{name}", {"type": ["array", "null"], "items": {"type": "number"}})
    for name in INTERVALS:
        _place(made, f"timing.{name}", interval())
    _place(made, "cache.name", {"type": "string"}, required=True)
    rows = {"type": "string", "pattern": f"^[{''.join(MARKS)}]*$"}
    made["properties"]["plan"]["properties"]["rows"]["items"] = rows
    return made | {"if": {"properties": {"status": {"not": {"const": "ok"}}}}, "then": _no_numbers()}


def interval() -> Schema:
    """Null, or positive `low`, `median` and `high`."""
    end = {"type": "number", "exclusiveMinimum": 0}
    names = ("low", "median", "high")
    return {"type": ["object", "null"], "properties": dict.fromkeys(names, end), "required": list(names)}


def _no_numbers() -> Schema:
    return {"properties": {name: {"type": "null"} for name in MEASURED if name != "plan"}}


def _place(schema: Schema, dotted: str, rule: Schema, required: bool = False) -> None:
    """Put `rule` at a dotted path; the objects on the way may be null unless a rule of their own forbids it."""
    *path, last = dotted.split(".")
    for key in path:
        schema = schema.setdefault("properties", {}).setdefault(key, {"type": ["object", "null"]})
    schema.setdefault("properties", {}).setdefault(last, {}).update(rule)
    if required:
        schema["required"] = [*schema.get("required", []), last]


if __name__ == "__main__":
    write_json(FILE, cell_schema())
