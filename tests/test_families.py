"""Family, setting and warnings are stored, not read out of a title or a sentence."""

import copy
import csv

import cell_factory as factory
import pytest

from bench.schema.upgrade import setting_of, split_title
from bench.show.report.page import write_report
from bench.show.site import write_site
from bench.show.warning_text import warning_text
from bench.store.stored_cell import stored
from bench.suite.cells import Cell, Part
from bench.suite.file import load

PLUGIN = "DeepCache (non-uniform)"


def named(title: str, **fields):
    """A DeepCache cell, and one of a plugin whose title has a bracket."""
    mine = factory.cell(steps=20, cache="mine", fd=6.5, ms=150.0, interval=3)
    return mine | {"method": f"DDIM-20 + {title} (interval=3)"} | fields


@pytest.mark.parametrize("fields", [{}, {"family": PLUGIN, "setting": "interval=3"}], ids=["older", "stored"])
def test_a_plugin_with_a_bracket_in_its_title_is_its_own_family_everywhere(tmp_path, fields):
    theirs = factory.cell(steps=20, cache="deepcache", interval=3, depth=1)
    cells = [factory.cell(steps=50), factory.cell(steps=20), factory.cell(steps=10), theirs, named(PLUGIN, **fields)]
    run = factory.write(tmp_path / "run", cells)
    page = write_report(run).read_text("utf-8")
    rows = {row["slug"]: row for row in csv.DictReader((run / "results.csv").read_text("utf-8").splitlines())}
    volumes = {slug: rows[slug]["hypervolume"] for slug in (theirs["slug"], cells[-1]["slug"])}
    assert len(set(volumes.values())) == 2, "each family has a hypervolume of its own"
    assert f'data-family="{PLUGIN}"' in page
    assert 'data-family="DeepCache"' in page
    write_site([run], tmp_path / "site")
    methods = {path.stem: path.read_text("utf-8") for path in (tmp_path / "site/method").iterdir()}
    assert PLUGIN in methods["deepcache-non-uniform"]
    assert PLUGIN not in methods["deepcache"].partition("<h2")[2].partition("<script")[0]


@pytest.mark.parametrize(
    ("title", "split"),
    [
        ("FORA (interval=3)", ("FORA", "interval=3")),
        (f"{PLUGIN} (interval=2, depth=1)", (PLUGIN, "interval=2, depth=1")),
        (PLUGIN, (PLUGIN, "")),
        ("L2C (router=/a (b)/c, threshold=0.1)", ("L2C", "router=/a (b)/c, threshold=0.1")),
    ],
)
def test_a_title_of_an_older_result_is_a_name_and_stated_parameters(title, split):
    assert split_title(title) == split


def test_a_new_result_stores_what_an_older_one_is_understood_as():
    """So that a run that goes on after an upgrade has one family, not two."""
    for cell in load("small-full").cells:
        summary = cell.summary()
        older = {name: value for name, value in summary.items() if name not in ("family", "setting")}
        assert setting_of(older) == (summary["family"], summary["setting"])


def test_a_sampler_s_family_is_all_but_its_steps():
    rules = load("smoke").protocol
    cell = Cell("dit-mnist", Part("dpm-solver++", {"steps": 8, "order": 3}), None, rules)
    assert (cell.summary()["family"], cell.summary()["setting"]) == ("DPM-Solver++ (order=3)", "8")


@pytest.mark.parametrize(
    ("warning", "text"),
    [
        ({"code": "other_processes_on_gpu", "count": 2}, "2 other processes on the GPU"),
        ({"code": "gpu_clock_changed", "count": 3, "of": 20},
         "the GPU's clock changed or was throttled in 3 of 20 rounds"),
        ({"code": "another_process_interfered", "count": 4, "of": 20}, "another process interfered in 4 of 20 rounds"),
        ({"code": "times_not_settled", "count": 2}, "times were still changing after 2 rounds of warm-up"),
        ({"code": "gemm_rate_changed", "percent": -23.4},
         "the GEMM rate changed by -23 % while the cell was timed"),
    ],
)  # fmt: skip
def test_a_warning_is_a_code_with_numbers_and_reads_as_it_always_did(warning, text):
    cell = factory.cell()
    older = copy.deepcopy(cell)
    cell["timing"]["warnings"], older["timing"]["warnings"] = [warning], [text]
    (now,), (before,) = (stored(made).timing.warnings for made in (cell, older))
    assert warning_text(now) == warning_text(before) == text
    assert now.code == before.code
