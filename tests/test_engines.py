"""A cell may name an engine: a library that runs our denoiser by its own code, here a tiny one from a plugin."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fake_engine import by_engine, write_engine
from tiny_suite import ROOT, cached, ditbench, write_plugin, write_suite

from bench import engines
from bench.judge.gate.decision import Unable
from bench.judge.gate.duel import Duel
from bench.store.stored_cell import read_stored

HOLD = '{ name = "hold", interval = 2 }'


def arguments(folder: Path) -> list[Path | str]:
    return ["--plugin", write_plugin(folder), "--plugin", write_engine(folder)]


def refusal(folder: Path, cells: str) -> str:
    """The one line on stderr of a suite that is refused."""
    done = ditbench("run", write_suite(folder, cells), "--out", folder / "out", *arguments(folder))
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of everything that an engine can be, good and bad."""
    folder = tmp_path_factory.mktemp("engines")
    faults = [f'{{ name = "hold", interval = 3, fault = "{fault}" }}' for fault in ("nothing", "leak")]
    blocks = [cached('{ name = "half" }'), by_engine("echo"), by_engine("echo", f"[{HOLD}, {', '.join(faults)}]"),
              *map(by_engine, ("off-by-a-percent", "absent", "untested"))]  # fmt: skip
    done = ditbench("run", write_suite(folder, "".join(blocks)), "--out", folder / "out", *arguments(folder))
    assert done.returncode == 1, done.stderr
    return folder / "out"


def cells(run: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((run / "cells" / "tiny").glob("*.json"))}


def test_every_cell_says_what_became_of_it(run):
    statuses = {slug: cell["status"] for slug, cell in cells(run).items()}
    assert statuses == {
        "ddim-3": "ok", "ddim-4": "ok", "ddim-4+half": "ok", "ddim-4@echo": "ok", "ddim-4@echo+hold": "ok",
        "ddim-4@echo+hold-interval-3-fault-nothing": "failed", "ddim-4@echo+hold-interval-3-fault-leak": "failed",
        "ddim-4@off-by-a-percent": "failed", "ddim-4@absent": "unsupported", "ddim-4@untested": "unsupported",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("ddim-4@echo+hold-interval-3-fault-nothing", "hold of echo: reused nothing, all 32 branches ran"),
        (
            "ddim-4@echo+hold-interval-3-fault-leak",
            "hold of echo: leaks from one trajectory into the next: 16 branches ran",
        ),
        ("ddim-4@off-by-a-percent", "not our network: uncached outputs differ by 1.0e-02 of the largest"),
        ("ddim-4@absent", "engine 'absent': no-such-package is not installed (tested: no-such-package==1.0)"),
        ("ddim-4@untested", "is not tested, numpy==0.1 is"),
    ],
)
def test_what_is_wrong_with_an_engine_is_a_cells_reason(run, slug, reason):
    assert reason in cells(run)[slug]["reason"]


def test_the_speed_up_is_given_over_both_uncached_runs(run):
    cell = cells(run)["ddim-4@echo+hold"]
    timing = cell["timing"]
    own, ours = timing["own_ms"]["median"], timing["baseline_ms"]["median"]
    assert own != ours
    assert timing["speedup_own"].keys() == timing["speedup"].keys() == {"median", "low", "high"}
    assert {"method", "baseline", "baseline_again", "own_baseline"} == set(timing["rounds"][0]["order"])
    assert timing["roofline"] is None
    uncached = cells(run)["ddim-4@echo"]["timing"]
    assert uncached["speedup"] is not None, "over ours"
    assert "speedup_own" not in uncached


def test_what_was_computed_is_counted(run):
    cell = cells(run)["ddim-4@echo+hold"]
    assert cell["plan"]["branches_computed"] == 0.5
    assert cell["work"]["macs_ratio"] < 0.6
    assert cell["work"]["cache_bytes"] is None
    assert cell["engine"] == "echo"
    assert cell["cache"] == {"name": "hold", "params": {"interval": 2, "fault": ""}}
    assert cell["library"]["difference"] <= 1e-5
    assert "engine" not in cells(run)["ddim-4"]


def test_an_uncached_engine_gives_our_samples(run):
    assert cells(run)["ddim-4@echo"]["quality"]["latent_error"] < 1e-6
    assert cells(run)["ddim-4@echo+hold"]["quality"]["latent_error"] > 5e-5


def test_tables_and_report_name_the_engine(run):
    rows = {row["slug"]: row for row in csv.DictReader((run / "results.csv").open())}
    assert {row["engine"] for row in rows.values()} == {"ours", "echo", "off-by-a-percent", "absent", "untested"}
    assert rows["ddim-4@echo+hold"]["method"] == "DDIM-4 + Hold [echo]"
    assert float(rows["ddim-4@echo+hold"]["speedup_own"]) > 0
    assert float(rows["ddim-4@echo+hold"]["engine_difference"]) <= 1e-5
    page = (run / "report.html").read_text()
    assert "DDIM-4 + Hold [echo]" in page
    assert "Over its library uncached" in page
    assert "failed: hold of echo: reused nothing, all 32 branches ran" in page
    assert "<td>16 of 32</td>" in page, "what was really computed"


def test_results_follow_from_their_raw_data(run):
    done = ditbench("check-results", run)
    problems = [line for line in done.stdout.splitlines() if "@echo" in line]
    assert not problems, problems


def test_cells_of_ours_keep_their_names_and_keys():
    from bench.suite.cells import Cell, Settings
    from bench.suite.part import Part
    from bench.suite.protocol import Protocol

    cell = Cell("dit-mnist", Part("ddim", {"steps": 20}), Part("fora", {"interval": 3}), Protocol())
    assert cell.slug == "ddim-20+fora-interval-3"
    assert cell.title == "DDIM-20 + FORA (interval=3)"
    assert "engine" not in cell.identity(Settings())
    assert "engine" not in cell.summary()


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (by_engine("ecko"), "[[cells]] 2: unknown engine 'ecko'; did you mean 'echo'?"),
        (by_engine("echo", '{ name = "holt" }'), "did you mean 'hold'?"),
        (by_engine("echo", '{ name = "hold", intervall = 2 }'), "did you mean 'interval'?"),
        (by_engine("echo", '{ name = "hold", interval = 0 }'), "'interval' must lie in [1, inf], got 0"),
        (by_engine("echo", '{ name = "fora" }'), "unknown cache method of echo 'fora'"),
    ],
)
def test_wrong_names_and_values_are_one_line(block, line, tmp_path):
    assert line in refusal(tmp_path, block)


def test_the_extra_installs_the_versions_that_are_tested():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    tested = {f"{package}=={version}" for engine in engines.REGISTERED.shipped.values()
              for package, version in engine.packages.items()}  # fmt: skip
    assert set(extras["engines"]) == tested


def test_the_page_names_every_engine_with_its_versions_and_parameters():
    page = (ROOT / "docs" / "engines.md").read_text("utf-8")
    for engine in engines.REGISTERED.shipped.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{engine.name}` |")]
        assert all(f"{package} {version}" in row for package, version in engine.packages.items())
        for cache in engine.caches:
            assert f"`{cache.name}` ({', '.join(f'`{key}`' for key in cache.parameters)})" in row


def test_the_list_names_engines_and_what_is_installed(tmp_path):
    done = ditbench("list", "engines", "--json", *arguments(tmp_path))
    listed = {row["name"]: row for row in json.loads(done.stdout)["engines"]}
    assert {"diffusers", "cache-dit", "echo", "absent"} <= listed.keys()
    assert listed["absent"]["packages"] == {"no-such-package": {"tested": "1.0", "installed": None}}
    assert listed["echo"]["caches"]["hold"]["interval"]["default"] == 2


def test_a_librarys_cell_fights_no_duel_of_commits(run):
    cell = read_stored(run / "cells" / "tiny" / "ddim-4@echo.json")
    with pytest.raises(Unable, match="echo runs it"):
        object.__new__(Duel).begin(cell)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("", "does not define branches, evaluate, network"),
        ("packages = 3", "'packages' must map"),
        ("packages = {'numpy': 2}", "'packages' must map"),
        ("caches = None", "'caches' must be a tuple"),
        ("caches = (int,)", "'caches' must be a tuple"),
    ],
)
def test_an_incomplete_engine_is_one_line(tmp_path: Path, body: str, word: str) -> None:
    lacking = "" if not body else "    network = evaluate = branches = None\n"
    source = (
        f"from bench.engines import Engine\nclass Mine(Engine):\n    name = 'mine'\n    {body or 'pass'}\n{lacking}"
    )
    (tmp_path / "mine.py").write_text(source)
    done = ditbench("list", "engines", "--plugin", tmp_path / "mine.py")
    assert word in done.stderr
    assert (done.stderr.count("\n"), "Traceback" in done.stderr) == (1, False)
    assert "mine " not in done.stdout


def test_the_engine_on_the_page_runs(tmp_path):
    """And is held to all that others are: our network, every trajectory like the first, half of the branches reused."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "engines.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "mine.py").write_text(example)
    suite = write_suite(tmp_path, by_engine("copied") + by_engine("copied", '{ name = "hold" }'))
    done = ditbench("run", suite, "--out", tmp_path / "out", *arguments(tmp_path), "--plugin", tmp_path / "mine.py")
    assert done.returncode == 0, done.stderr
    rows = {row["slug"]: row for row in csv.DictReader((tmp_path / "out" / "results.csv").open())}
    assert [float(rows[f"ddim-4@copied{cache}"]["branches_computed"]) for cache in ("", "+hold")] == [1, 0.5]


SILENT = {  # settings that cache nothing and say nothing, then the same with the names that a DiT's modules have
    "diffusers": ['{ name = "taylorseer", interval = 2, warmup = 1, modules = ["default", "both"] }'],
    "smoothcache": [
        '{ name = "smoothcache", helper = "diffusers", schedule = { attn = [1, 0, 0, 1], mlp = [1, 0, 0, 1] } }',
        '{ name = "smoothcache", schedule = { attn1 = [1, 0, 0, 1], ff = [1, 0, 0, 1] } }',
    ],
}  # fmt: skip


@pytest.mark.parametrize("engine", SILENT)
def test_a_real_library_that_caches_nothing_is_a_failed_row(engine, tmp_path):
    if lacking := engines.find(engine).lacks():
        pytest.skip(lacking)
    blocks = "".join([by_engine(engine), *(by_engine(engine, cache) for cache in SILENT[engine])])
    suite = write_suite(tmp_path, blocks)
    done = ditbench("run", suite, "--out", tmp_path / "out", "--plugin", write_plugin(tmp_path))
    assert done.returncode == 1, done.stderr
    rows = [row for row in csv.DictReader((tmp_path / "out" / "results.csv").open()) if row["engine"] == engine]
    uncached, silent, cached = sorted(rows, key=lambda row: (row["cache"] != "none", row["status"] == "ok"))
    assert (uncached["status"], silent["status"], cached["status"]) == ("ok", "failed", "ok")
    assert f"{silent['cache']} of {engine}: reused nothing, all 32 branches ran" in silent["reason"]
    assert not silent["speedup"]
    assert 0 < float(cached["branches_computed"]) < 1
    assert "reused nothing, all 32 branches ran" in (tmp_path / "out" / "report.html").read_text()
