"""Family, setting and warnings are stored, not read out of a title or a sentence."""

import copy
import csv

import cell_factory as factory
import pytest

from bench.schema.cell import read_cell
from bench.schema.upgrade import setting_of, split_title
from bench.schema.warnings import NUMBERS, OTHER, Warned
from bench.show.report.page import write_report
from bench.show.site import write_site
from bench.show.warning_text import SAYINGS, warning_text
from bench.store.stored_cell import stored
from bench.suite.cells import Cell
from bench.suite.file import load
from bench.suite.part import Part
from models.errors import InputError

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
        ({"code": "gpu-shared", "processes": 2}, "2 other processes on the GPU"),
        ({"code": "gpu-shared", "processes": 1}, "1 other process on the GPU"),
        ({"code": "gpu-throttled", "rounds": 3, "of": 20},
         "the GPU's clock changed or was throttled in 3 of 20 rounds"),
        ({"code": "rounds-disturbed", "rounds": 4, "of": 20}, "another process interfered in 4 of 20 rounds"),
        ({"code": "warm-up-unsettled", "rounds": 2}, "times were still changing after 2 rounds of warm-up"),
        ({"code": "gemm-rate-changed", "percent": -23.4},
         "the GEMM rate changed by -23 % while the cell was timed"),
    ],
)  # fmt: skip
def test_a_warning_is_a_code_with_numbers_and_reads_as_it_always_did(warning, text):
    cell = factory.cell()
    older = copy.deepcopy(cell)
    cell["timing"] |= {"flags": [warning], "warnings": ["what stands beside codes is not read"]}
    older["timing"]["warnings"] = [text]
    (now,), (before,) = (stored(made).timing.warnings for made in (cell, older))
    assert warning_text(now) == warning_text(before) == text
    assert now.code == before.code


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ("gpu-shared", "timing.flags must be a list"),
        (["gpu-shared"], "must hold objects with a code of: gpu-shared"),
        ([{"code": "<b>"}], "must hold objects with a code of: gpu-shared"),
        ([{"code": "gpu-throttled", "of": 20}], "gpu-throttled must have numbers rounds"),
        ([{"code": "gpu-shared", "processes": "<b>"}], "gpu-shared must have numbers processes"),
    ],
)
def test_a_flag_that_cannot_be_worded_is_a_damaged_file(tmp_path, flags, why):
    cell = factory.cell()
    cell["timing"]["flags"] = flags
    (path,) = factory.write(tmp_path, [cell]).glob("cells/*/*.json")
    with pytest.raises(InputError, match=why):
        read_cell(path)


def test_what_a_warning_of_many_cells_names_is_worded_for_every_code():
    assert SAYINGS.keys() == NUMBERS.keys() | {OTHER}
    for code, names in NUMBERS.items():
        assert warning_text(Warned(code, dict.fromkeys(names, 3)))
