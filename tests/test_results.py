"""Reading result directories: the contract's columns, refusal of what cannot be trusted, escaping."""

import csv
import json

import pandas as pd
import pytest
from cell_factory import cell, not_ok, suite_of, typed, write

from bench.schema.cell import read_cell
from bench.show.table import CONTRACT_COLUMNS, frame, write_csv
from bench.store import results
from models.errors import InputError

CONTRACT = [
    "model", "method", "sampler", "steps", "nfe", "cache", "params", "status", "reason", "samples", "latency_ms",
    "latency_ci_low", "latency_ci_high", "speedup", "speedup_ci_low", "speedup_ci_high", "speedup_ideal", "macs_g",
    "macs_ratio", "branches_computed", "peak_memory_mb", "cache_mb", "features", "reference", "fd", "fd_se",
    "fd_corrected", "sfd", "is", "precision", "recall", "kid", "psnr", "latent_error", "training_s", "pareto",
    "protocol", "device", "dtype", "batch",
]  # fmt: skip


def test_the_contracts_columns_come_first_in_its_order():
    table = frame(typed([cell()]))
    assert list(table.columns)[: len(CONTRACT)] == CONTRACT == list(CONTRACT_COLUMNS)


def test_numbers_arrive_and_missing_ones_are_empty_never_zero(tmp_path):
    made = [cell(), cell(cache="l2c", l1=0.03), not_ok("oom", "killed", cache="fora", interval=7)]
    write_csv(frame(typed(made)), tmp_path / "results.csv")
    uncached, cached, broken = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert uncached["cache"] == "none"
    assert uncached["speedup"] == uncached["psnr"] == uncached["training_s"] == ""
    assert float(cached["speedup"]) == made[1]["timing"]["speedup"]["median"]
    assert json.loads(cached["params"]) == {"l1": 0.03}
    assert cached["training_s"] == "321.0"
    assert float(cached["macs_g"]) == made[1]["work"]["macs"] / 1e9
    assert (broken["status"], broken["reason"], broken["steps"]) == ("oom", "killed", "50")
    kept = {"model", "method", "sampler", "steps", "cache", "params", "status", "reason", "protocol", "device", "dtype",
            "sampler_params", "slug", "engine"}  # fmt: skip
    assert {name for name, value in broken.items() if value} == kept


def test_cells_come_in_the_suites_order_and_absent_ones_are_named(tmp_path):
    made = [cell(steps=s) for s in (8, 50, 10)]
    write(tmp_path, made)
    (tmp_path / "cells/dit-mnist/ddim-50.json").unlink()
    found = results.read_results(tmp_path)
    assert [c.slug for c in found.cells] == ["ddim-8", "ddim-10"]
    assert found.missing == [("dit-mnist", "ddim-50")]
    assert found.unreadable == []


def _edit(**changes):
    def apply(made):
        for dotted, value in changes.items():
            *parents, last = dotted.split("__")
            part = made
            for name in parents:
                part = part[name]
            part[last] = value
        return json.dumps(made)

    return apply


DAMAGE = {
    "truncated": lambda made: json.dumps(made)[:300],
    "not an object": lambda made: "[1, 2]",
    "empty": lambda made: "",
    "not a number": lambda made: json.dumps(made).replace(json.dumps(made["quality"]["fd"]), "NaN"),
    "infinite": lambda made: json.dumps(made).replace(json.dumps(made["quality"]["fd"]), "1e999"),
    "number as text": _edit(quality__fd="3.1"),
    "number as truth": _edit(quality__fd=True),
    "another schema": _edit(schema=2),
    "unknown status": _edit(status="fine"),
    "another cell": _edit(slug="ddim-40"),
    "no model": _edit(model=None),
    "interval upside down": _edit(timing__latency_ms={"median": 1.0, "low": 2.0, "high": 3.0}),
    "interval of zero": _edit(timing__speedup={"median": 0.0, "low": 0.0, "high": 0.0}),
    "plan of other marks": _edit(plan__rows=["##x"]),
    "ragged plan": _edit(plan__rows=["##", "#"]),
    "failed with numbers": _edit(status="failed"),
    "nested too deep": lambda made: "[" * 100_000,
    "key twice": lambda made: '{"schema": 1, "schema": 1}',
    "steps as text": _edit(sampler__steps="50"),
    "quality a list": _edit(quality=[]),
    "no key": _edit(key=None),
    "half a sample": _edit(quality__samples=2000.5),
    "batch as text": _edit(timing__batch="8"),
    "guidance as text": _edit(settings__guidance_scale="1.5"),
    "integer beyond 64 bits": _edit(quality__seed=10**30),
    "integer beyond floats": _edit(work__macs=10**400),
    "integer beyond Python's digits": lambda made: json.dumps(made).replace('"seed": 0', f'"seed": {"9" * 5000}'),
    "weights as a list": _edit(quality__weights_sha256=[]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_one_line_that_names_it_and_gives_no_numbers(tmp_path, name):
    write(tmp_path, [cell(), cell(steps=20)])
    path = tmp_path / "cells/dit-mnist/ddim-50.json"
    path.write_text(DAMAGE[name](cell()))
    with pytest.raises(InputError, match=r"ddim-50\.json") as caught:
        read_cell(path)
    assert "\n" not in str(caught.value)
    found = results.read_results(tmp_path)
    assert [c.slug for c in found.cells] == ["ddim-20"]
    assert len(found.unreadable) == 1
    assert found.unreadable[0].startswith("cells/dit-mnist/ddim-50.json: ")


def test_bytes_that_are_not_utf8_are_unreadable(tmp_path):
    write(tmp_path, [cell()])
    (tmp_path / "cells/dit-mnist/ddim-50.json").write_bytes(b"\xff\xfe\x00")
    assert len(results.read_results(tmp_path).unreadable) == 1


@pytest.mark.parametrize("text", ["{", '{"cells": 3}', '{"cells": [1]}', '{"cells": [], "reference": 7}'])
def test_a_damaged_suite_file_is_reported_and_the_cells_still_read(tmp_path, text):
    write(tmp_path, [cell()])
    (tmp_path / "suite.json").write_text(text)
    found = results.read_results(tmp_path)
    assert len(found.cells) == 1
    assert "suite.json" in found.unreadable[0]


@pytest.mark.parametrize("place", ["nowhere", ""])
def test_a_directory_without_results_is_bad_input(tmp_path, place):
    with pytest.raises(InputError, match="expected"):
        results.read_results(tmp_path / place)


def test_every_fixture_cell_round_trips_through_the_csv(tmp_path):
    made = suite_of("dit-mnist")
    table = frame(typed(made))
    write_csv(table, tmp_path / "results.csv")
    again = pd.read_csv(tmp_path / "results.csv")
    assert len(again) == len(made)
    assert again["fd"].tolist() == pytest.approx(table["fd"].tolist(), nan_ok=True, rel=0, abs=0)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_defused_and_negative_numbers_are_not(tmp_path, text):
    made = cell(cache="fora", interval=2) | {"method": text}
    made["quality"]["kid"] = -0.001
    write_csv(frame(typed([made])), tmp_path / "results.csv")
    row = next(csv.DictReader((tmp_path / "results.csv").open(newline="")))
    assert row["method"] == f"'{text.strip()}"
    assert float(row["kid"]) == -0.001
