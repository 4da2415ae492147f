"""The plot that holds measured speed-ups against what MACs promise: who is on it, where, and what is said below it."""

import re

import cell_factory as factory
import pytest

from bench.judge.ranking import ranked
from bench.show.report.first_screen import first_screen
from bench.show.report.group import groups_of
from bench.show.report.page import write_report
from bench.show.report.promise_plot import KEY, PromisePlot, kept, note
from bench.show.report.tables import page_rows
from bench.store.results import read_results


def group_of(folder, cells):
    results = read_results(factory.write(folder, cells))
    (group,) = groups_of(results, ranked(results.cells))
    return group


def cached(promised, measured, interval, roofline=None):
    """A cell of FORA whose MACs promise so much and that is measured so many times as fast."""
    cell = factory.cell(cache="fora", interval=interval)
    cell["timing"] |= {"speedup_ideal": promised, "roofline": {"speedup": roofline} if roofline else None}
    cell["timing"]["speedup"] = {"median": measured, "low": 0.9 * measured, "high": 1.1 * measured}
    return cell


@pytest.fixture
def cells():
    return [factory.cell(), cached(2.0, 1.8, 2, roofline=1.9), cached(4.0, 2.0, 4)]


def test_settings_with_a_promise_and_a_time_are_on_it(tmp_path, cells):
    group = group_of(tmp_path, [*cells, cached(None, 3.0, 3)])
    assert [(one.promised, one.measured[1], one.roofline) for one in kept(group)] == [(2.0, 1.8, 1.9), (4.0, 2.0, None)]


def test_what_keeps_its_promise_lies_on_the_line_and_what_does_not_below(tmp_path):
    group = group_of(tmp_path, [factory.cell(), cached(2.0, 2.0, 2), cached(4.0, 2.0, 4)])
    plot = PromisePlot(group, kept(group))
    one, other = (plot.place(setting.cell) for setting in kept(group))
    line = re.search(r'd="M([\d. L]+)" class="zero"', str(plot.svg()))[1]
    (x0, y0), (x1, y1) = (map(float, point.split()) for point in line.split("L"))
    height = lambda x: y0 + (y1 - y0) * (x - x0) / (x1 - x0)  # noqa: E731
    assert one[1] == pytest.approx(height(one[0]), abs=0.05)
    assert other[1] > height(other[0]) + 20  # larger is lower
    assert one[1] == pytest.approx(other[1])  # both were measured at twice the speed


def test_it_says_how_much_of_the_promise_was_kept(tmp_path, cells):
    said = note(kept(group_of(tmp_path, cells)))
    assert said.startswith("Measured speed-ups are 50 % to 90 % of what MACs promise")


@pytest.mark.parametrize("images", [True, False])
def test_it_is_the_last_plot_of_the_first_screen_or_the_only_one(tmp_path, cells, images):
    cells = cells if images else [cell | {"quality": None} for cell in cells]
    plots = first_screen(group_of(tmp_path, cells), tmp_path).plots
    assert [plot.key for plot in plots] == (["fd", KEY] if images else [KEY])
    page = write_report(tmp_path).read_text("utf-8")
    assert f'data-picture="{KEY}"' in page


def test_one_cache_setting_is_no_plot(tmp_path, cells):
    assert KEY not in [plot.key for plot in first_screen(group_of(tmp_path, cells[:2]), tmp_path).plots]


def test_where_nothing_is_judged_and_all_is_well_there_is_no_column_of_verdicts(tmp_path, cells):
    unjudged = [cell | {"quality": None} for cell in cells]
    failed = factory.not_ok("oom", "no memory", steps=20)
    for name, members, shown in (("ok", unjudged, False), ("failed", [*unjudged, failed], True)):
        columns, _ = page_rows(group_of(tmp_path / name, members))
        assert ("Verdict" in [column.heading for column in columns]) == shown
