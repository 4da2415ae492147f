"""Intervals of ratios from rounds of several processes hold what is true, in simulations where that is known."""

import math

import numpy as np
import pytest

from bench.statistics.paired_times import Spread, between_processes, chained, paired_ratio, pooled_median

ROUNDS = 5


def session(rng, settings, between, noise="normal", processes=2, within=0.01):
    """Log levels [S], times [P R, S] and the process of each round; a pace that wanders is common to a round."""
    draw = {
        "normal": lambda shape: rng.normal(0, within, shape),
        "skewed": lambda shape: within * (rng.exponential(1, shape) - math.log(2)),
        "heavy": lambda shape: within * rng.standard_t(2, shape),
    }[noise]
    levels, rows = rng.uniform(0, 2, settings), []
    for _ in range(processes):
        pace = np.cumsum(rng.normal(0, 0.02, ROUNDS)) + rng.normal(0, 0.05)
        rows.append(levels + rng.normal(0, between, settings) + pace[:, None] + draw((ROUNDS, settings)))
    return levels, np.exp(np.concatenate(rows)), [p for p in range(processes) for _ in range(ROUNDS)]


def coverage(settings, between, noise, repeats=120):
    """The share of pairs whose interval holds their true ratio, and the median half-width of the intervals."""
    rng = np.random.default_rng([settings, round(1000 * between), *noise.encode()])
    held, widths = [], []
    for _ in range(repeats):
        levels, times, processes = session(rng, settings, between, noise)
        spread = between_processes(times, processes)
        for _ in range(5):
            a, b = rng.choice(settings, 2, replace=False)
            found = paired_ratio(times[:, a], times[:, b], processes, spread)
            held.append(found["low"] <= math.exp(levels[a] - levels[b]) <= found["high"])
            widths.append(math.log(found["high"] / found["low"]) / 2)
    return np.mean(held), np.median(widths)


@pytest.mark.parametrize("noise", ["normal", "skewed", "heavy"])
@pytest.mark.parametrize(("settings", "between"), [(5, 0.0), (5, 0.01), (14, 0.0), (14, 0.005), (14, 0.02)])
def test_intervals_hold_the_true_ratio_with_two_processes(settings, between, noise):
    share, width = coverage(settings, between, noise)
    assert share > 0.9, "600 pairs of one session each: 95 % give 0.93 to 0.97 where pairs were independent"
    assert width < 0.03 + 4 * between, "and are no wider than the noise"


def test_rounds_alone_would_hold_far_too_little():
    rng, held = np.random.default_rng(3), []
    for _ in range(200):
        levels, times, processes = session(rng, 14, 0.02)
        found = paired_ratio(times[:, 0], times[:, 1], processes, Spread(0.0, 13))
        held.append(math.log(found["low"]) <= levels[0] - levels[1] <= math.log(found["high"]))
    assert np.mean(held) < 0.75, "what is pooled over settings is what makes the interval honest"


def test_the_spread_is_what_processes_differ_by():
    rng = np.random.default_rng(5)
    found = [between_processes(*session(rng, 40, 0.03)[1:]) for _ in range(40)]
    assert np.mean([spread.variance for spread in found]) == pytest.approx(0.03**2, rel=0.15)
    assert {spread.freedom for spread in found} == {39}
    none = [between_processes(*session(rng, 40, 0.0)[1:]) for _ in range(40)]
    assert np.mean([spread.variance for spread in none]) < 1e-5


def test_pace_changes_nothing_and_a_missing_setting_does_not_count():
    _, times, processes = session(np.random.default_rng(1), 6, 0.01)
    pace = np.exp(np.random.default_rng(2).normal(0, 1, (len(times), 1)))
    spread = between_processes(times, processes)
    again = between_processes(times * pace, processes)
    assert again.variance == pytest.approx(spread.variance)
    gaps = np.column_stack([times, np.where(np.arange(len(times)) < 3, np.nan, 1.0)])
    assert between_processes(gaps, processes) == spread
    assert paired_ratio(times[:, 0], times[:, 1], processes, spread)["high"] == pytest.approx(
        paired_ratio(*(times * pace)[:, :2].T, processes, again)["high"]
    )


def test_a_single_process_claims_nothing_about_others():
    times = np.array([[1.0, 2.0], [1.1, 2.3], [0.9, 1.7]])
    assert between_processes(times, [0, 0, 0]) is None
    found = paired_ratio(times[:, 1], times[:, 0], [0, 0, 0], None)
    assert found["median"] == pytest.approx(2.0)


def test_no_process_is_left_out_of_the_interval():
    above, below, processes = [2.0, 2.0, 3.0, 3.0], [1.0] * 4, [0, 0, 1, 1]
    found = paired_ratio(above, below, processes, Spread(0.0, 20))
    assert (found["low"], found["high"]) == (pytest.approx(2), pytest.approx(3))
    assert found["median"] == pytest.approx(math.sqrt(6))


def test_steady_times_are_exact():
    found = paired_ratio([3.0] * 4, [2.0] * 4, [0, 0, 1, 1], Spread(0.0, 3))
    assert found["low"] == found["median"] == found["high"] == pytest.approx(1.5)
    with pytest.raises(ValueError, match="as many processes as rounds"):
        paired_ratio([1.0], [1.0], [0, 1], None)
    with pytest.raises(ValueError, match="positive"):
        paired_ratio([1.0, 0.0], [1.0, 1.0], [0, 1], None)


def test_chained_ratios_add_their_errors_in_squares():
    first = {"median": 2.0, "low": 2.0 / math.exp(0.03), "high": 2.0 * math.exp(0.03)}
    second = {"median": 3.0, "low": 3.0 / math.exp(0.04), "high": 3.0 * math.exp(0.04)}
    found = chained(first, second)
    assert found["median"] == pytest.approx(6)
    assert math.log(found["high"] / 6) == pytest.approx(0.05) == math.log(6 / found["low"])


def test_a_latency_interval_reaches_over_both_processes():
    values, processes = [10.0, 10.1, 10.2, 12.0, 12.1, 12.2, 12.3], [0] * 3 + [1] * 4
    found = pooled_median(values, processes)
    assert found["low"] <= 10.2
    assert found["high"] >= 12.0
    assert found["median"] == 12.0
    assert pooled_median(values, processes) == found, "the same values give the same interval"
