"""Speed-up at equal quality and hypervolume: closed forms and properties."""

import math

import numpy as np
import pytest
from cell_factory import cell, suite_of, typed
from hypothesis import given
from hypothesis import strategies as st

from bench.judge import pareto, ranking
from bench.judge.curve import Curve
from bench.judge.hypervolume import dominated_area
from bench.show.table import frame

CURVE = [cell(steps=40, ms=400.0, fd=4.0), cell(steps=10, ms=100.0, fd=8.0)]
SPOTS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12)


def equal(fd, ms, curve=CURVE):
    points = pareto.place(typed([*curve, cell(cache="fora", interval=2, ms=ms, fd=fd)]))
    return ranking.speedup_at_equal_quality(points[-1], points)


def test_speed_up_at_equal_quality_reads_the_latency_off_the_curve():
    ratio = equal(fd=6.0, ms=100.0)  # 6 is half-way from 8 to 4: 200 ms on the log scale
    assert ratio.value == pytest.approx(2.0)
    assert 1 < ratio.low < 2 < ratio.high < 3


@pytest.mark.parametrize("fd", [9.0, 3.0])
def test_off_the_curve_there_is_no_speed_up_at_equal_quality(fd):
    assert equal(fd=fd, ms=100.0) is None


def test_one_uncached_setting_is_a_curve_of_one_place():
    points = pareto.place(typed([*CURVE[:1], cell(cache="fora", interval=2, ms=200.0, fd=4.0)]))
    latencies = [math.exp(point.log_latency) for point in points]
    assert equal(fd=4.0, ms=200.0, curve=CURVE[:1]).value == pytest.approx(latencies[0] / latencies[1])
    assert equal(fd=4.5, ms=200.0, curve=CURVE[:1]) is None


def test_an_interval_that_leaves_the_curve_is_open():
    at_the_good_end = equal(fd=4.001, ms=200.0)
    assert at_the_good_end.high == math.inf
    assert at_the_good_end.low == pytest.approx(2.0, rel=0.05)
    at_the_fast_end = equal(fd=7.999, ms=200.0)
    assert at_the_fast_end.low == -math.inf
    assert 0.5 < at_the_fast_end.high < 0.55


@given(st.floats(4.1, 7.9), st.floats(50.0, 300.0), st.floats(1.01, 2.0))
def test_faster_or_better_never_lowers_it(fd, ms, factor):
    assert equal(fd, ms).value == pytest.approx(factor * equal(fd, ms * factor).value)
    assert equal(max(fd / factor, 4.01), ms).value >= equal(fd, ms).value * (1 - 1e-9)


def test_between_knots_the_curve_is_the_monotone_one():
    """2 + 60/N² at a few step counts: the chord would say a later crossing, and so flatter the setting."""
    steps = [5, 8, 15, 40]
    curve = [cell(steps=n, ms=10.0 * n, fd=2 + 60 / n**2) for n in steps]
    chord = np.exp(np.interp(-2.6, [-2 - 60 / n**2 for n in steps], np.log([10.0 * n for n in steps])))
    assert chord > 1.09 * 100.0  # a distance of 2.6 takes 10 steps
    assert equal(fd=2.6, ms=50.0, curve=curve).value * 50.0 == pytest.approx(100.0, rel=0.015)


def test_a_crossing_at_a_knot_and_off_the_curve():
    curve = Curve(np.array([0.0, 1.0, 2.0]), np.array([3.0, 2.0, 2.5]))
    assert curve.crossing(3.0) == 0
    assert curve.crossing(2.0) == 1
    assert 0 < curve.crossing(2.2) < 1
    assert curve.crossing(1.9) is curve.crossing(3.1) is None


def test_area_of_a_staircase_written_out():
    assert dominated_area([(-0.8, 0.6), (-0.5, 0.1)], 1.0) == pytest.approx(0.8 * 0.4 + 0.5 * 0.5)
    assert dominated_area([(0.0, 0.0), (-1.0, 1.0), (1.0, -5.0)], 1.0) == 0


@given(SPOTS, st.floats(0, 1), st.floats(0, 1))
def test_a_dominated_spot_changes_no_area_and_any_spot_never_lowers_it(spots, dx, dy):
    spots = [(x - 1.0, y) for x, y in spots]
    area = dominated_area(spots, 1.0)
    assert dominated_area([*spots, (dx - 1.0, dy)], 1.0) >= area - 1e-12
    for x, y in spots[:1]:
        assert dominated_area([*spots, (x + dx, y + dy)], 1.0) == pytest.approx(area)
    assert 0 <= area <= 1


def test_hypervolume_of_a_family_up_to_the_reference_s_latency_and_twice_its_distance():
    fora = cell(cache="fora", interval=2, ms=200.0, fd=5.0)
    found = ranking.hypervolumes(typed([*CURVE, fora]), "ddim-40")
    area = math.log(2) * 0.75  # log 2 faster than the reference, and a quarter of its distance above
    assert found["FORA"].value == pytest.approx(area)
    assert found["FORA"].low < area < found["FORA"].high
    assert found["DDIM"].value == pytest.approx(0, abs=1e-9)  # 10 steps lie twice as far off as the reference
    assert ranking.hypervolumes(typed([*CURVE, fora])) == found  # the slowest uncached cell is the reference
    assert ranking.hypervolumes(typed([CURVE[0], fora])).keys() == {"DDIM", "FORA"}
    assert ranking.hypervolumes(typed([fora])) == {}  # no reference
    other = ranking.ranked(typed([*CURVE, fora]), {"dit-mnist": "ddim-10"})["dit-mnist", fora["slug"]]
    assert other["hypervolume"] == 0  # slower than this reference


def test_a_cell_without_replicates_is_in_no_front():
    lost, kept = cell(cache="fora", interval=3, ms=100.0, fd=4.0), cell(cache="fora", interval=2, ms=200.0, fd=5.0)
    del lost["quality"]["fd_jackknife"]
    found = ranking.hypervolumes(typed([*CURVE, kept, lost]))["FORA"]
    assert found == ranking.hypervolumes(typed([*CURVE, kept]))["FORA"]


def test_the_columns_stand_in_the_tidy_table_and_open_ends_are_empty():
    cells = suite_of("dit-mnist")
    table = frame(typed(cells), ranking.ranked(typed(cells))).set_index("slug")
    assert table.loc["ddim-50", "speedup_equal":"speedup_equal_high"].isna().all()
    cached = table[table["speedup_equal"].notna()]
    assert len(cached) > 5
    assert (cached["speedup_equal_low"].fillna(0.0) <= cached["speedup_equal"]).all()
    assert table.groupby("cache")["hypervolume"].nunique()["fora"] == 1
    assert {k: v["pareto"] for k, v in pareto.analyse(typed(cells)).items()} == {
        k: v["pareto"] for k, v in ranking.ranked(typed(cells)).items()
    }
