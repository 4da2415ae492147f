"""The committed JSON Schema says what the code checks; older schemas are read through their steps."""

import json
from pathlib import Path

import jsonschema
import pytest
from cell_factory import cell, not_ok, suite_of, write

from bench.schema import cell as cell_schema
from bench.schema import json_schema, upgrade

ROOT = Path(__file__).parents[1]
VALIDATOR = jsonschema.Draft202012Validator(json_schema.cell_schema())


def test_the_committed_file_is_what_the_code_makes():
    assert json.loads(json_schema.FILE.read_text("utf-8")) == json_schema.cell_schema(), (
        "python -m bench.schema.json_schema"
    )
    jsonschema.Draft202012Validator.check_schema(json_schema.cell_schema())


@pytest.mark.parametrize("run", ["small-full", "regression"])
def test_committed_results_fit(run):
    paths = sorted((ROOT / "results" / run).glob("cells/*/*.json"))
    assert paths
    for path in paths:
        assert [error.message for error in VALIDATOR.iter_errors(json.loads(path.read_text("utf-8")))] == [], path


def test_synthetic_cells_fit():
    for made in suite_of("dit-mnist"):
        assert [error.message for error in VALIDATOR.iter_errors(made)] == [], made["slug"]


WRONG = {
    "schema": 2, "status": "fine", "model": None, "sampler": None, "cache": {"name": 3}, "plan": [], "settings": 3,
    "quality": {"fd": "2.5"}, "timing": {"latency_ms": {"low": 0, "median": 1, "high": 2}}, "work": {"macs": []},
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_what_the_code_refuses_the_schema_refuses_too(tmp_path, key):
    damaged = cell() | {key: WRONG[key]}
    assert not VALIDATOR.is_valid(damaged)
    path = write(tmp_path, [cell()]) / "cells/dit-mnist/ddim-50.json"
    path.write_text(json.dumps(damaged))
    with pytest.raises(cell_schema.InputError):
        cell_schema.read_cell(path)


def test_a_failed_cell_with_numbers_fits_neither():
    assert not VALIDATOR.is_valid(not_ok("failed", "why") | {"quality": {"fd": 1.0}})


def test_an_older_schema_is_read_through_its_steps_in_order(tmp_path, monkeypatch):
    def rename(old):
        return {("method" if key == "title" else key): value for key, value in old.items()}

    monkeypatch.setitem(upgrade.STEPS, -1, lambda old: old | {"title": old["label"]})
    monkeypatch.setitem(upgrade.STEPS, 0, rename)
    old = {k: v for k, v in cell().items() if k != "method"} | {"schema": -1, "label": "DDIM-50"}
    path = write(tmp_path, [cell()]) / "cells/dit-mnist/ddim-50.json"
    path.write_text(json.dumps(old))
    assert cell_schema.read_cell(path)["method"] == "DDIM-50"
    path.write_text(json.dumps(old | {"schema": -2}))
    with pytest.raises(cell_schema.InputError, match="schema is -2"):
        cell_schema.read_cell(path)
