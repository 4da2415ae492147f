"""`ditbench check-results`: honest cells pass, every kind of wrong one is named in one line."""

import json

import numpy as np
import pytest
from cell_factory import GROUPS, cell, not_ok, write

from bench.cli import main
from bench.measure.timing.cell_rounds import summary
from bench.schema.checksum import sealed
from bench.statistics.jackknife import jackknife, jackknife_groups


def honest(steps=50, **method):
    """A synthetic cell whose intervals and errors do follow from its raw values."""
    made = cell(steps=steps, **method)
    cached = made["cache"] is not None
    rng = np.random.default_rng(steps)
    names = ["method", "baseline", "baseline_again"] if cached else ["method", "baseline_again"]
    rounds = [
        {n: int(1e8 * (1 + rng.random())) for n in names} | {"order": names, "interfered": False} for _ in "12345"
    ]
    times = {"process_ns": dict.fromkeys(names, 0)}
    made["timing"] |= summary([r | times for r in rounds])
    groups = jackknife_groups(2000, count=GROUPS)
    found = jackknife(made["quality"]["fd"], made["quality"]["fd_jackknife"], groups)
    made["quality"] |= {"fd_se": found.standard_error, "fd_corrected": found.corrected, "jackknife_groups": GROUPS}
    made["environment"] |= {"numpy": "2.0"}
    return made | {"key": f"{len(made['slug']) * 1000 + steps:064x}"}


def check(capsys, *directories):
    code = main(["check-results", *map(str, directories)])
    return code, capsys.readouterr().out


def with_value(dotted, value):
    made = honest(cache="fora", interval=2)
    *path, last = dotted.split(".")
    inner = made
    for key in path:
        inner = inner[key]
    inner[last] = value
    return made


def test_honest_results_have_nothing_wrong(tmp_path, capsys):
    failed = not_ok("failed", "expected <class 'int'>", steps=20) | {"key": "f" * 64}
    failed["reason"] = "ValueError: - 3 is no step"
    failed["environment"]["numpy"] = "2.0"
    write(tmp_path, [honest(), honest(cache="fora", interval=2), failed])
    assert check(capsys, tmp_path) == (0, "nothing wrong; 4 files without checksum\n")
    for path in tmp_path.rglob("*.json"):
        path.write_text(json.dumps(sealed(json.loads(path.read_text()))))
    assert check(capsys, tmp_path) == (0, "nothing wrong\n")


WRONG = {
    "schema": (2, "schema is 2"),
    "protocol": ("99", "protocol is '99'"),
    "key": ("../../etc", "key must be a SHA-256"),
    "finished": ("yesterday", "finished must be a UTC time"),
    "environment.cpu": ("", "environment lacks cpu"),
    "environment.os": ("x" * 10_000_000, "characters, expected at most 300"),
    "environment.torch": ("<img src=x>", "environment.torch looks like markup"),
    "method": ("<script>alert(1)</script>", "method looks like markup"),
    "suite": ('=HYPERLINK("http://x")', "spreadsheet's formula"),
    "quality.features": ("../../x", "quality.features has a path separator"),
    "reason": ("two\nlines", "control characters"),
    "timing.warnings": (["background:url(http://x)"], "timing.warnings looks like markup"),
    "timing.latency_ms": ({"median": 1.0, "low": 0.9, "high": 1.1}, "timing.latency_ms.median is 1.0"),
    "timing.speedup": ({"median": 9.0, "low": 8.9, "high": 9.1}, "timing.speedup.median is 9.0"),
    "timing.resolution": (None, "timing.resolution is missing"),
    "timing.rounds": ([], "no interval can be checked"),
    "timing.speedup_ideal": (4.0, "timing.speedup_ideal is 4.0"),
    "timing.latency_ms.low": (-1.0, "low <= median <= high"),
    "work.macs_ratio": (0.1, "work.macs_ratio is 0.1"),
    "plan.nfe": (7, "plan.rows is 50 × 24"),
    "plan.branches_computed": (0.25, "plan.branches_computed is 0.25"),
    "quality.fd_se": (1e-9, "quality.fd_se is 1e-09"),
    "quality.fd_corrected": (0.0, "quality.fd_corrected is 0.0"),
    "quality.fd_jackknife": ([1.0, 2.0], "has 2 values for 32 groups"),
    "quality.samples": (2**53, "quality.samples must lie in"),
    "quality.identical": (2001, "2001 of 2000 samples"),
    "quality.fd": ("2.5", "quality.fd must be a number"),
}


@pytest.mark.parametrize("dotted", WRONG)
def test_what_is_wrong_is_said_in_one_line_each(tmp_path, capsys, dotted):
    value, words = WRONG[dotted]
    write(tmp_path, [with_value(dotted, value)])
    code, out = check(capsys, tmp_path)
    assert code == 1
    assert words in out
    assert all(len(line) <= 400 and line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "[" * 100_000, '"\\ud800"'])
def test_values_that_json_or_python_cannot_hold(tmp_path, capsys, text):
    write(tmp_path, [honest()])
    path = tmp_path / "cells/dit-mnist/ddim-50.json"
    path.write_text(path.read_text().replace("12.3", text, 1))
    assert check(capsys, tmp_path)[0] == 1


def test_two_directories_that_claim_one_cell_and_the_same_directory_twice(tmp_path, capsys):
    write(tmp_path / "a", [honest()])
    write(tmp_path / "b", [honest()])
    code, out = check(capsys, tmp_path / "a", tmp_path / "b")
    assert code == 1
    assert "b/cells/dit-mnist/ddim-50.json: the same cell of the same machine as" in out
    assert check(capsys, tmp_path / "a", tmp_path / "a")[0] == 0
    other = honest()
    other["environment"]["cpu"] = "Another CPU"
    write(tmp_path / "c", [other])
    assert check(capsys, tmp_path / "a", tmp_path / "c")[0] == 0


def test_a_listed_cell_that_is_not_there_and_a_directory_without_results(tmp_path, capsys):
    write(tmp_path, [honest()])
    suite = json.loads((tmp_path / "suite.json").read_text())
    (tmp_path / "suite.json").write_text(json.dumps(suite | {"cells": [["dit-mnist", "ddim-50"], ["m", "gone"]]}))
    assert "lists m/gone" in check(capsys, tmp_path)[1]
    assert main(["check-results", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize("lost", [0, -5, "long"])
def test_a_round_without_a_time_leaves_nothing_to_check_by(tmp_path, capsys, lost):
    made = honest(cache="fora", interval=2)
    made["timing"]["rounds"][2]["method"] = lost
    write(tmp_path, [made])
    code, said = check(capsys, tmp_path)
    assert code == 1
    assert "timing.rounds lack positive times of method: no interval can be checked" in said
