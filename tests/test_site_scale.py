"""What keeps the site fast with thousands of cells: work that grows with the cells, not with pairs of them or pages."""

import re
from collections import Counter

import cell_factory as factory
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.benchmarks import synthetic_store
from bench.judge import pareto
from bench.judge.standing import Standing
from bench.show.report import heatmaps, page, tables
from bench.show.report.phrases import some
from bench.show.site import parts, write_site


def points_of(counts, rng):
    """Points with that many replicates each, some without any error known."""
    return [
        pareto.Point(("m", str(i)), ("ddim",), bool(i % 2), rng.normal(), abs(rng.normal()) / 2,
                     3 + 0.3 * rng.normal(size=1 + count), float(i % 3) / 9)
        for i, count in enumerate(counts)
    ]  # fmt: skip


@given(st.lists(st.sampled_from([0, 2, 16, 32]), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_signs_at_once_are_those_of_the_differences_one_by_one(counts, seed):
    point, *others = points_of([16, *counts], np.random.default_rng(seed))
    one_by_one = [pareto.fd_difference(point, [(1.0, other)]).sign for other in others]
    at_once = Standing([point, *others])
    assert at_once.distance(slice(0, 1))[0, 1:].tolist() == one_by_one
    latencies = [pareto.latency_difference(point, other).sign for other in others]
    assert at_once.latency(slice(0, 1))[0, 1:].tolist() == latencies


def settings(count):
    """Cells of one pool: some of the sampler alone, the others cached."""
    uncached = [factory.cell(steps=n, fd=2 + 30 / n) for n in (50, 20, 10)]
    cached = [factory.cell(cache="fora", interval=2, setting=i, fd=3 + i / 50, ms=200 + i) for i in range(count)]
    return [*uncached, *cached]


def counted(call, counts):
    def counting(*args):
        counts[call.__name__] += 1
        return call(*args)

    return counting


def test_differences_are_taken_against_the_curve_not_between_all_pairs(monkeypatch):
    calls = Counter()
    monkeypatch.setattr(pareto, "paired_difference", counted(pareto.paired_difference, calls))
    pareto.analyse(factory.typed(settings(60)))
    assert 60 <= calls["paired_difference"] <= 2 * 60


@pytest.fixture
def calls(monkeypatch):
    """How often what is costly was made."""
    counts = Counter()
    for module, call in ((tables, tables.page_rows), (parts, parts.chart), (heatmaps, heatmaps.draw)):
        monkeypatch.setattr(module, call.__name__, counted(call, counts))
    return counts


def test_every_table_chart_and_plan_is_made_once_whatever_pages_show_it(tmp_path, calls):
    cells = factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist")
    write_site([factory.write(tmp_path / "run", cells)], tmp_path / "out")
    plans = sum(cell["status"] == "ok" and cell["cache"] is not None for cell in cells)
    assert calls == {"page_rows": 2, "chart": 2, "draw": plans}


def test_pages_grow_with_their_rows(tmp_path):
    sizes = []
    for count in (40, 80):
        out = tmp_path / f"out-{count}"
        write_site([factory.write(tmp_path / str(count), settings(count))], out)
        sizes.append(sum(path.stat().st_size for path in out.rglob("*.html")))
    assert sizes[1] < 2 * sizes[0]
    assert (sizes[1] - sizes[0]) / 40 < 14_000  # bytes of a cell on all its pages together


def test_a_synthetic_cell_is_another_setting_of_the_same_model():
    cell = factory.typed([factory.cell(cache="fora", interval=3)])[0]
    made = synthetic_store.varied(cell, 7, np.random.default_rng(0))
    assert (made.model, made.slug) == (cell.model, f"{cell.slug}+setting-7")
    assert made.cache.params == {"interval": 3, "setting": 7}
    ratio = made.timing.latency_ms.median / cell.timing.latency_ms.median
    assert ratio == pytest.approx(made.timing.latency_ms.high / cell.timing.latency_ms.high)
    assert ratio != 1
    assert made.quality.numbers["fd"] != cell.quality.numbers["fd"]
    assert len(made.quality.replicates["fd"]) == len(cell.quality.replicates["fd"])
    assert "setting" not in cell.cache.params, "what it was made from stays as it is"


def test_a_long_report_shows_what_matters_and_has_a_dot_for_every_other(tmp_path, monkeypatch):
    whole = page.write_report(factory.write(tmp_path / "whole", settings(60))).read_text()
    assert 'class="dots' not in whole
    assert "Download results.csv" in whole
    monkeypatch.setattr(page, "ROOM", 20)
    short = page.write_report(factory.write(tmp_path / "short", settings(60))).read_text()
    assert short.count('<tr id="row-') == 20
    assert "Of 63 settings 20 are here" in short
    first = short[short.index('data-plot="fd"') : short.index('data-plot="is"')]
    assert first.count('class="point ') == 20
    assert sum(dots.count("h0") for dots in re.findall(r'<path d="([^"]*)" class="dots', first)) == 43
    for slug in ("ddim-50", "ddim-20", "ddim-10"):  # fewer steps, the reference among them
        assert f'data-key="{slug.upper()}"' in short
    assert (tmp_path / "short" / "results.csv").read_text().count("\n") == 64
    assert len(short) < len(whole)


def test_names_beyond_fifty_are_counted():
    names = [f"m{i}" for i in range(60)]
    assert some(names[:50]) == names[:50]
    assert some(names) == [*names[:50], "10 more"]
