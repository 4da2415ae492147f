"""Stored results: cells, sessions and suite.json that are damaged, or say what cannot be."""

from __future__ import annotations

import copy
import json
from typing import Any

import cell_factory as factory

from bench.schema import metrics
from bench.schema.cell import FIELDS, NUMBERS, POSITIVE
from bench.schema.timing import INTERVALS
from bench.schema.timing import NUMBERS as TIMING_NUMBERS
from malformed.case import Case, Content, as_json, device, named, nested, pipe, sparse

CELL = factory.cell(steps=20) | {"slug": "bad"}
GOOD = factory.cell()
WRONG: dict[type, Any] = {str: 3, int: "x", float: "x", dict: [1], list: {"a": 1}}

OBJECT = '{"a":'

UNREADABLE: dict[str, tuple[Content, str]] = {
    "empty": ("", "not a readable JSON file"),
    "null": ("null", "expected a JSON object"),
    "a number": ("3", "expected a JSON object"),
    "a list": ("[]", "expected a JSON object"),
    "cut off": (as_json(CELL)[:700], "not a readable JSON file"),
    "two objects": (as_json(CELL) * 2, "not a readable JSON file"),
    "zeros": (b"\0" * 4096, "not a readable JSON file"),
    "binary": (bytes(range(256)), "not a readable JSON file"),
    "UTF-16": (as_json(CELL).encode("utf-16"), "not a readable JSON file"),
    "a comment": ("// x\n" + as_json(CELL), "not a readable JSON file"),
    "10,000 nested lists": (nested(10_000), "nested"),
    "900 nested lists": (as_json(CELL)[:-1] + f', "x": {nested(900)}}}', "nested"),
    "300 nested objects": (as_json(CELL)[:-1] + f', "x": {nested(300, OBJECT, "}")}}}', "nested"),
    "100,000 unclosed lists": ("[" * 100_000, "not a readable JSON file"),
    "an integer of 5,000 digits": (as_json(CELL).replace("12.3", "9" * 5000), "not a readable JSON file"),
    "an integer beyond 2^53": (as_json(CELL).replace("12.3", "9007199254740993"), "beyond 2^53"),
    "NaN": (as_json(CELL).replace("12.3", "NaN"), "not a finite number"),
    "infinity": (as_json(CELL).replace("12.3", "-Infinity"), "not a finite number"),
    "beyond a double": (as_json(CELL).replace("12.3", "1e999"), "not a finite number"),
    "a key twice": (as_json(CELL)[:-1] + ', "key": "x"}', "twice"),
    "a folder": (lambda path: path.mkdir(), "bad.json"),
    "a pipe": (pipe, "not a regular file"),
    "an endless file": (device, "not a regular file"),
    "a gigabyte of zeros": (sparse(2**30), "bytes"),
    "a link to itself": (lambda path: path.symlink_to(path), "bad.json"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "bad.json"),
}  # fmt: skip

VALUES: dict[str, Any] = {  # dotted place -> what cannot stand there
    "schema": 2, "status": "fine", "timing.batch": 0, "timing.threads": -1, "work.macs": 0, "work.macs_baseline": -5,
    "settings.image_size": -3, "settings.batch": 0, "settings.threads": 0, "quality.samples": 0, "plan.nfe": 0,
    "quality.reference_samples": -1, "plan.branches": 0, "plan.rows": ["##", "#"], "quality.sampled_by": [3],
    "quality.fd_jackknife": ["x"], "timing.rounds": "x", "timing.batches": [3], "timing.largest": [1], "slug": "other",
    "model": "../x", "method": "DDIM \ud800", "timing.latency_ms": {"median": 1}, "timing.flags": [{"code": "x"}],
    "timing.warnings": [3], "timing.roofline": 3, "quality.fd": True, "cache": {"params": {}}, "sampler": None,
    "protocol": None, "key": None, "plan": 3, "work": "x", "quality": [1], "memory": True, "environment": "x",
    "settings": [], "quality.omitted": ["x"], "sampler.params": 3, "quality.is_jackknife": {"a": 1},
    "timing.speedup": {"low": 3, "median": 2, "high": 1}, "timing.resolution": {"low": -1, "median": 1, "high": 2},
    "work.macs_conventions": [], "plan.rows ": None,
}  # fmt: skip
CONTENTS: dict[str, Any] = {  # what a schema admits and check-results does not
    "a page's markup": {"method": "<script>alert(1)</script>"},
    "a formula": {"method": "=1+1"},
    "a path for a name": {"suite": "../x"},
    "no date": {"finished": "yesterday"},
    "no key": {"key": "x"},
    "another protocol": {"protocol": "99"},
    "no environment": {"environment": {}},
    "a control character": {"method": "a\x1b[2J"},
    "no rows of the plan": {"plan": {"nfe": 3, "branches": 24, "rows": []}},
    "a rows' count that is another": {"plan": {"nfe": 3, "branches": 24, "rows": ["#" * 24]}},
    "a failure without a reason": {"status": "failed", "reason": None, "work": None, "timing": None, "memory": None,
                                   "quality": None, "training": None, "plan": None},
}  # fmt: skip
SESSION = {
    "schema": 1, "session": "dit-mnist-0", "protocol": "4", "model": "dit-mnist", "batch": 8, "machine": {},
    "reference": None, "repeated": [], "settings": {"ddim-50": "0" * 64}, "removed": {}, "processes": [{"done": True}],
    "rounds": [{"process": 0, "wall_ns": {"ddim-50": 5}}],
}  # fmt: skip
SESSION_VALUES: dict[str, Any] = {
    "schema": 7, "session": 3, "protocol": None, "model": [], "batch": "8", "settings": [1], "removed": 3, "rounds": {},
    "processes": "x", "repeated": 3, "rounds ": [3], "rounds  ": [{"process": 1, "wall_ns": {"a": 5}}],
    "rounds   ": [{"process": 0, "wall_ns": {"a": -5}}], "rounds    ": [{"process": 0, "wall_ns": 3}],
    "rounds     ": [{"process": 0, "wall_ns": {"a": "x"}}], "rounds      ": [{"process": True, "wall_ns": {"a": 1}}],
    "batch ": True, "batch  ": 0, "settings ": {"ddim-50": 3}, "removed ": {"ddim-50": "x"}, "processes ": [3],
    "repeated ": [[1]], "reference": 3, "processes  ": [{"ceilings": 3}], "machine": 3,
}  # fmt: skip
SUITE_VALUES: dict[str, Any] = {
    "suite": 5, "title": ["x"], "description": {}, "sha256": 3, "protocol": [1], "settings": 3, "verdict": "x",
    "reference": ["ddim-50"], "cells": 7, "plugins": {"a": 1}, "cells ": [["../x"]], "cells  ": [[1, "a"]],
    "cells   ": ["x"], "plugins ": [3], "plugins  ": [{"file": 3}], "reference ": {"dit-mnist": 3},
    "verdict ": {"axis": "fdd"}, "verdict  ": {"quality": -1}, "verdict   ": {"bound": "x"},
        "verdict    ": {"qualty": 0},
    "verdict     ": {"latency": 2},
}  # fmt: skip


def changed(document: dict[str, Any], dotted: str, value: Any) -> str:
    """The document with another value at a dotted place; spaces at its end only tell places apart."""
    made = copy.deepcopy(document)
    *path, last = dotted.strip().split(".")
    table = made
    for key in path:
        table[key] = dict(table.get(key) or {})
        table = table[key]
    table[last] = value
    return as_json(made)


def reader(name: str, file: str, content: Content, *says: str) -> Case:
    """`check-results` of a run with a good cell and this file."""
    good = {"run/cells/dit-mnist/ddim-50.json": as_json(GOOD)}
    return Case(name, ["check-results", "{here}/run"], [file, *says], good | {f"run/{file}": content}, code=1)


def cells() -> list[Case]:
    file = "cells/dit-mnist/bad.json"
    made = [reader(name, file, content, says) for name, (content, says) in UNREADABLE.items()]
    wrong = {dotted: WRONG[types[0]] for dotted, (types, _) in FIELDS.items()}
    wrong |= {f"{part}.{name}": "x" for part, names in NUMBERS.items() for name in names}
    wrong |= {f"quality.{name}": [1] for name in metrics.numbers()} | {f"timing.{name}": "x" for name in TIMING_NUMBERS}
    wrong |= {f"timing.{name}": 3 for name in INTERVALS} | {f"quality.{name}": 3 for name in metrics.lists()}
    made += [
        reader(
            f"{dotted} of a wrong type",
            file,
            changed(CELL, dotted, v),
            "does not fit" if dotted == "checksum" else "must",
        )
        for dotted, v in wrong.items()
    ]
    made += [reader(f"{dotted} = -1", file, changed(CELL, dotted, -1), "must be above 0") for dotted in POSITIVE]
    made += [reader(f"{d} = {str(v)[:30]!a}", file, changed(CELL, d, v)) for d, v in VALUES.items() if d == d.strip()]
    return made + [reader(name, file, as_json(CELL | values)) for name, values in CONTENTS.items()]


def others() -> list[Case]:
    """Sessions and suite.json."""
    file = "sessions/dit-mnist-0.json"
    made = [reader(f"a session: {name}", file, content, says if says != "bad.json" else "dit-mnist-0.json")
            for name, (content,
                says) in UNREADABLE.items() if "12.3" not in json.dumps(says) and callable(content)]  # fmt: skip
    made += [
        reader(f"a session: {k!a} = {str(v)[:40]}", file, changed(SESSION, k, v)) for k, v in SESSION_VALUES.items()
    ]
    whole = {"suite": "x", "cells": [["dit-mnist", "ddim-50"]]}
    made += [reader(f"suite.json: {name}", "suite.json", content, says if says != "bad.json" else "suite.json")
             for name, (content,
                 says) in UNREADABLE.items() if callable(content) and "nowhere" not in name]  # fmt: skip
    return made + [
        reader(f"suite.json: {k!a} = {v}", "suite.json", changed(whole, k, v)) for k, v in SUITE_VALUES.items()
    ]


CASES = named("results", [*cells(), *others()])
