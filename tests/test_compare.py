"""Comparisons: what counts as a change, what is never compared, and how it is told."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from pathlib import Path

import cell_factory
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.judge.change import BETTER, SAME, UNRESOLVED, WORSE, Change, from_difference, from_logs, judge
from bench.judge.compare import GONE, NEW, STALE, compare
from bench.show import comparison_text as compare_text
from bench.store import code_hash
from bench.store.parts import Code
from bench.store.results import read_results

ROOT = Path(__file__).parents[1]
Z = 1.959964


def directory(tmp_path: Path, name: str, cells: list[dict]) -> Path:
    return cell_factory.write(tmp_path / name, cells)


def verdicts(tmp_path: Path, base: list[dict], new: list[dict], **options: float) -> dict[str, str]:
    both = [read_results(directory(tmp_path, name, cells)) for name, cells in (("base", base), ("new", new))]
    return {row.slug: row.verdict for row in compare(*both, **options)}


def slower(cell: dict, factor: float) -> dict:
    """The cell with its method `factor` times as slow, its baseline as it was."""
    made = copy.deepcopy(cell)
    for end in ("median", "low", "high"):
        made["timing"]["latency_ms"][end] *= factor
        if made["timing"]["speedup"]:
            made["timing"]["speedup"][end] /= factor
    return made


def test_the_same_results_are_the_same(tmp_path):
    cells = cell_factory.suite_of("dit-mnist")
    assert set(verdicts(tmp_path, cells, cells).values()) == {SAME}


def test_cells_of_which_nothing_can_be_compared_are_not_called_the_same(tmp_path):
    """Speed alone, in another dtype: neither latencies nor speed-ups are of one setting."""
    cells = [cell | {"quality": None} for cell in (cell_factory.cell(), cell_factory.cell(cache="fora", interval=3))]
    half = [slower(cell, 0.5) for cell in cells]
    for cell in half:
        cell["settings"]["dtype"] = "bfloat16"
    assert set(verdicts(tmp_path, cells, half).values()) == {UNRESOLVED}
    assert set(verdicts(tmp_path, cells, cells).values()) == {SAME}
    rows = compare(*(read_results(tmp_path / name) for name in ("base", "new")))
    assert not any(row.notes for row in rows)


def test_a_slower_method_is_worse_and_only_it(tmp_path):
    cells = cell_factory.suite_of("dit-mnist")
    changed = [slower(c, 1.15) if c["slug"] == "ddim-50+fora-interval-3" else c for c in cells]
    found = verdicts(tmp_path, cells, changed)
    assert found.pop("ddim-50+fora-interval-3") == WORSE
    assert set(found.values()) == {SAME}
    assert verdicts(tmp_path, changed, cells)["ddim-50+fora-interval-3"] == BETTER


def test_a_small_change_is_no_change_however_certain(tmp_path):
    cells = [cell_factory.cell(), cell_factory.cell(cache="fora", interval=3)]
    changed = [cells[0], slower(cells[1], 1.04)]
    for made in [cells[1], changed[1]]:
        for interval in (made["timing"][n] for n in ("latency_ms", "speedup", "resolution")):
            interval |= {"low": interval["median"] * 0.9995, "high": interval["median"] * 1.0005}
    assert verdicts(tmp_path, cells, changed)["ddim-50+fora-interval-3"] == SAME
    assert verdicts(tmp_path, cells, changed, limit=1.02)["ddim-50+fora-interval-3"] == WORSE


def test_a_coarse_measurement_resolves_nothing(tmp_path):
    base, new = cell_factory.cell(), slower(cell_factory.cell(), 1.15)
    for made in (base, new):
        latency = made["timing"]["latency_ms"]
        latency |= {"low": latency["median"] * 0.7, "high": latency["median"] * 1.4}
    assert verdicts(tmp_path, [base], [new]) == {"ddim-50": UNRESOLVED}


def test_quality_is_paired_where_seeds_are_shared(tmp_path):
    base, new = cell_factory.cell(fd=2.60), cell_factory.cell(fd=2.90)
    assert verdicts(tmp_path, [base], [new]) == {"ddim-50": WORSE}
    new["quality"]["seed"] = 5000  # now both errors count in full
    assert verdicts(tmp_path, [base], [new]) == {"ddim-50": UNRESOLVED}


def test_numbers_of_another_kind_are_not_compared(tmp_path):
    cells = [cell_factory.cell(cache="fora", interval=3)]
    elsewhere = copy.deepcopy(slower(cells[0], 3.0))
    elsewhere["environment"]["cpu"] = "another"
    elsewhere["timing"]["speedup"] = copy.deepcopy(cells[0]["timing"]["speedup"])
    both = [read_results(directory(tmp_path, n, c)) for n, c in (("base", cells), ("new", [elsewhere]))]
    (row,) = compare(*both)
    assert [c.measure for c in row.changes] == ["speed-up", "quality"], "a latency of another machine is no change"
    assert row.notes[0].startswith("speed is of another machine or setting: cpu ")
    assert row.notes[0].endswith("before, another now")
    more = cell_factory.cell(cache="fora", interval=3, samples=5000, fd=9.0)
    (row,) = compare(*(read_results(directory(tmp_path, n, c)) for n, c in (("base", cells), ("new", [more]))))
    assert row.verdict == SAME
    assert row.notes == (f"quality is not compared: samples {cells[0]['quality']['samples']} before, 5000 now",)


def test_new_gone_failed_and_stale_cells_say_so(tmp_path):
    failed = cell_factory.not_ok("failed", "ValueError: no", steps=20)
    base = [cell_factory.cell(steps=s) for s in (50, 40, 20, 10)]
    other = cell_factory.cell(steps=10) | {"protocol": "0"}
    new = [cell_factory.cell(steps=50), failed, cell_factory.cell(steps=30), other]
    found = verdicts(tmp_path, base, new)
    assert found == {"ddim-50": SAME, "ddim-40": GONE, "ddim-20": WORSE, "ddim-30": NEW, "ddim-10": STALE}
    assert verdicts(tmp_path, new, base)["ddim-20"] == BETTER


def test_a_cell_measured_before_its_method_changed_is_stale(tmp_path):
    old = cell_factory.cell(cache="fora", interval=2) | {"code": {"method": "a" * 16, "protocol": "p" * 16}}
    later = cell_factory.cell(cache="fora", interval=3)
    later |= {"code": {"method": "b" * 16, "protocol": "p" * 16}, "finished": "2026-02-01T00:00:00Z"}
    found = verdicts(tmp_path, [old, later], [old, later])
    assert found == {"ddim-50+fora-interval-2": STALE, "ddim-50+fora-interval-3": SAME}


@given(st.lists(st.floats(0.8, 1.25), min_size=1, max_size=30), st.floats(0.001, 0.1))
def test_verdicts_need_size_and_certainty(factors, error):
    changes = judge([from_logs("latency", float(np.log(f)), error) for f in factors], 1.05)
    for change in changes:
        assert change.low <= change.factor <= change.high
        if change.verdict == WORSE:
            assert change.factor > 1.05
            assert change.low > 1
        if change.verdict == SAME:
            assert 1 / 1.05 <= change.low <= change.high <= 1.05


def test_unchanged_cells_rarely_raise_an_alarm():
    """80 unchanged cells, 400 comparisons: an alarm in at most about one of twenty, with no lower limit on size."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        changes = judge([from_logs("latency", x, 0.02) for x in rng.normal(0, 0.02, 80)], 1.0)
        alarms += any(c.verdict in (BETTER, WORSE) for c in changes)
    assert alarms <= 30  # 20 expected; 30 is two and a half standard deviations above


def test_student_interval_of_a_difference():
    change = from_difference("quality", base=2.0, difference=0.2, standard_error=0.1, freedom=31)
    assert change.factor == pytest.approx(1.1)
    assert change.high == pytest.approx(1.1 + 2.0395 * 0.05, abs=1e-4)  # t(31) quantile from tables


def test_json_text_and_markdown_of_one_comparison(tmp_path, capsys):
    hostile = "<script>alert(1)</script>|`x`\n=1+1"
    cells = [cell_factory.cell(), cell_factory.cell(cache="fora", interval=3) | {"method": hostile}]
    base = directory(tmp_path, "base", cells)
    new = directory(tmp_path, "new", [cells[0], slower(cells[1], 1.3)])
    assert main(["compare", str(base), str(new), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"] == {"same": 1, "worse": 1}
    assert main(["compare", str(base), str(new)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("worse      dit-mnist/ddim-50+fora-interval-3")
    assert lines[-1] == "1 worse, 1 same"
    page = tmp_path / "page.html"
    assert main(["compare", str(base), str(new), "--markdown", "--html", str(page)]) == 0
    markdown = capsys.readouterr().out
    assert "&lt;script&gt;" in markdown
    assert "<script" not in markdown + page.read_text()
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert all(line.replace("\\|", "").count("|") == 8 for line in table)


def test_bad_input_is_one_line(tmp_path, capsys):
    base = directory(tmp_path, "base", [cell_factory.cell()])
    assert main(["compare", str(base), str(tmp_path / "absent")]) == 2
    assert main(["compare", str(base), str(base), "--factor", "0.5"]) == 2
    assert [line.startswith("ditbench: ") for line in capsys.readouterr().err.splitlines()] == [True, True]


def test_a_cell_that_cannot_be_read_is_named(tmp_path, capsys):
    base, new = (directory(tmp_path, name, [cell_factory.cell()]) for name in ("base", "new"))
    (new / "cells/dit-mnist/broken.json").write_text("{")
    assert main(["compare", str(base), str(new)]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith(f"ditbench: left out: {new}: cells/dit-mnist/broken.json: not a readable JSON file")
    assert printed.err.count("\n") == 1
    assert "broken" not in printed.out


def test_summary_orders_by_importance():
    change = Change("latency", 1.0, 0.99, 1.01, 0.5)
    assert compare_text.factor(change) == "1.000× [0.990, 1.010] unresolved"
    assert compare_text.summary([]) == "no cells"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that writes a module of this text, and gives the code hash of its function `f`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str, root: str = "f") -> str:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        rooms = tuple(file.stem for file in tmp_path.glob("hashed_*.py"))
        return code_hash.digest([(name, root)], rooms)

    yield write
    for name in [name for name in sys.modules if name.startswith("hashed_")]:
        del sys.modules[name]
    for cached in (code_hash.tree, code_hash.definitions, code_hash.imported):
        cached.cache_clear()


def test_code_hashes_see_meaning_not_layout(written):
    plain = written("hashed_a", "def f(x):\n    return x + 1\n")
    other_words = '"""Doc."""\n\nimport math\n\n\ndef f(x: float) -> float:  # why\n    """Doc."""\n    return x + 1\n'
    assert written("hashed_b", other_words) == plain
    assert written("hashed_c", "def f(x):\n    return x + 2\n") != plain


def test_code_hashes_survive_a_move_and_a_renamed_file(written):
    whole = written("hashed_a", "STEP = 2\n\n\ndef g(x):\n    return x * STEP\n\n\ndef f(x):\n    return g(x)\n")
    written("hashed_helpers", "STEP = 2\n\n\ndef g(x):\n    return x * STEP\n", root="g")
    moved = "from hashed_helpers import g as scaled\n\n\ndef f(x):\n    return scaled(x)\n"
    assert written("hashed_b", moved) == whole
    assert written("hashed_c", "from hashed_helpers import g\n\n\ndef f(x):\n    return g(x)\n") == whole
    renamed = "from hashed_helpers import g\n\n\ndef double(x):\n    return g(x)\n"
    assert written("hashed_e", renamed, root="double") == whole
    written("hashed_other", "STEP = 3\n\n\ndef g(x):\n    return x * STEP\n", root="g")
    assert written("hashed_d", "from hashed_other import g\n\n\ndef f(x):\n    return g(x)\n") != whole


def test_a_refusals_words_are_no_change_of_code(written):
    text = "def f(x):\n    if x < 0:\n        raise ValueError({!r})\n    return x\n"
    assert written("hashed_a", text.format("negative")) == written("hashed_b", text.format("must not be negative"))


def test_a_methods_code_is_its_class_and_what_that_uses():
    import methods

    hashes = code_hash.Hashes(("methods",))
    cls = methods.find("l2c")
    hashes.of((cls.__module__, cls.__name__))
    names = {name for _, name in hashes.known}
    assert {"L2C", "Plan", "CacheMethod", "Routed", "read_router"} <= names
    assert "Fora" not in names
    assert code_hash.method_code(("fora",)) != code_hash.method_code(("ddim",))


def test_code_that_calls_itself_has_a_hash(written):
    mutual = "def f(x):\n    return g(x - 1) if x else 0\n\n\ndef g(x):\n    return f(x)\n"
    assert written("hashed_a", mutual) == written("hashed_b", mutual) != written("hashed_c", mutual.replace("1", "2"))


@pytest.mark.parametrize("run", ["small-full", "regression"])
def test_committed_results_are_of_this_very_code(run):
    """Else every comparison with them is stale, and the gate closed: stamp them in the commit that changes a hash."""
    for cell in read_results(ROOT / "results" / run).cells:
        parts = (cell.sampler.name, cell.cache.name) if cell.cache else (cell.sampler.name,)
        assert cell.code == Code(code_hash.method_code(parts), code_hash.protocol_code()), cell.name
