"""Pareto verdicts and the gap to the fewer-steps curve, on cells whose truth is known."""

import math

import numpy as np
import pytest
from cell_factory import cell, not_ok, suite_of, typed
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.judge import choice, latency, pareto


def points(cells):
    return {p.key[1]: p for p in pareto.place(typed(cells))}


def test_paired_jackknife_equals_the_formula_written_out():
    a, b = cell(fd=5.0), cell(fd=4.0, steps=40)
    found = points([a, b])
    difference = pareto.fd_difference(found["ddim-50"], [(1.0, found["ddim-40"])])
    d = np.array(a["quality"]["fd_jackknife"]) - np.array(b["quality"]["fd_jackknife"])
    half = 2.0395134 * math.sqrt(31 / 32 * ((d - d.mean()) ** 2).sum())  # Student's t, 31 degrees of freedom, 97.5 %
    assert difference.value == pytest.approx(1.0)
    assert difference.high - difference.value == pytest.approx(half, rel=1e-5)
    unpaired = 1.96 * math.hypot(a["quality"]["fd_se"], b["quality"]["fd_se"])
    assert half < unpaired / 2  # what the two share has cancelled


def test_unpaired_errors_where_the_groups_do_not_match_and_no_decision_without_any_error():
    a, b = cell(fd=5.0), cell(fd=4.0, steps=40)
    b["quality"]["fd_jackknife"] = b["quality"]["fd_jackknife"][:8]
    found = points([a, b])
    difference = pareto.fd_difference(found["ddim-50"], [(1.0, found["ddim-40"])])
    assert difference.high - difference.value == pytest.approx(
        1.959964 * math.hypot(a["quality"]["fd_se"], b["quality"]["fd_se"])
    )
    b["quality"]["fd_se"] = None
    found = points([a, b])
    assert pareto.fd_difference(found["ddim-50"], [(1.0, found["ddim-40"])]).sign == 0


def test_the_curve_is_linear_in_log_latency():
    cells = [
        cell(steps=40, ms=400.0, fd=4.0),
        cell(steps=10, ms=100.0, fd=8.0),
        cell(cache="fora", interval=2, ms=200.0, fd=7.0),
    ]
    found = points(cells)
    gap = pareto.gap_to_curve(found["ddim-50+fora-interval-2"], list(found.values()))
    assert gap.value == pytest.approx(7.0 - 6.0)  # 200 ms is half-way from 100 to 400 on the log scale
    assert gap.sign == 1


def test_latency_errors_widen_the_gap_through_the_slope():
    cells = [
        cell(steps=40, ms=400.0, fd=4.0),
        cell(steps=10, ms=100.0, fd=8.0),
        cell(cache="fora", interval=2, ms=200.0, fd=7.0),
    ]
    narrow = points(cells)
    cells[-1]["timing"]["latency_ms"] = {"median": 200.0, "low": 120.0, "high": 330.0}
    wide = points(cells)
    key = "ddim-50+fora-interval-2"
    before = pareto.gap_to_curve(narrow[key], list(narrow.values()))
    after = pareto.gap_to_curve(wide[key], list(wide.values()))
    assert after.value == before.value
    assert after.high - after.low > 2 * (before.high - before.low)
    assert after.sign == 0


def test_off_the_fast_end_there_is_no_gap_and_off_the_slow_end_the_slowest_cell_counts():
    curve = [cell(steps=40, ms=400.0, fd=4.0), cell(steps=10, ms=100.0, fd=8.0)]
    fast = points([*curve, cell(cache="fora", interval=5, ms=50.0, fd=9.0)])
    assert pareto.gap_to_curve(fast["ddim-50+fora-interval-5"], list(fast.values())) is None
    slow = points([*curve, cell(cache="fora", interval=1, ms=500.0, fd=4.5)])
    assert pareto.gap_to_curve(slow["ddim-50+fora-interval-1"], list(slow.values())).value == pytest.approx(0.5)


def test_another_samplers_curve_is_not_used():
    cells = [cell(sampler="dpm-solver++", steps=s) for s in (20, 10)] + [cell(cache="fora", interval=2)]
    found = pareto.analyse(typed(cells))
    assert "fd_gap" not in found["dit-mnist", "ddim-50+fora-interval-2"]


def test_front_dominated_and_undecided():
    a = cell(steps=50, ms=450.0, fd=3.0)
    b = cell(steps=20, ms=180.0, fd=5.0)
    worse_and_slower = cell(cache="fora", interval=2, ms=451.0, fd=6.0)
    close = cell(sampler="dpm-solver++", steps=20, ms=181.0, fd=5.0)
    found = pareto.analyse(typed([a, b, worse_and_slower, close]))
    verdicts = {slug: v["pareto"] for (_, slug), v in found.items()}
    assert verdicts == {
        "ddim-50": "front", "ddim-20": "undecided", "dpm-solverpp-20": "undecided",
        "ddim-50+fora-interval-2": "dominated",
    }  # fmt: skip
    assert found["dit-mnist", "ddim-50+fora-interval-2"]["by"] == ["ddim-20", "dpm-solverpp-20"]


def test_below_the_fewer_steps_curve_is_dominated_even_where_no_single_cell_dominates():
    cells = [
        cell(steps=40, ms=400.0, fd=4.0),
        cell(steps=10, ms=100.0, fd=8.0),
        cell(cache="fora", interval=2, ms=200.0, fd=7.5),
    ]
    found = pareto.analyse(typed(cells))["dit-mnist", "ddim-50+fora-interval-2"]
    assert (found["pareto"], found["by"], found["vs_fewer_steps"]) == ("dominated", [], "worse")


def test_a_cached_cell_faster_than_every_uncached_one_is_unmatched_and_never_on_the_front():
    curve = [cell(steps=50, ms=450.0, fd=3.0), cell(steps=8, ms=128.0, fd=3.5)]
    fast, slower = cell(cache="fora", interval=5, ms=101.0, fd=3.7), cell(cache="fora", interval=6, ms=110.0, fd=5.0)
    found = pareto.analyse(typed([*curve, fast, slower]))
    assert found["dit-mnist", fast["slug"]]["pareto"] == "unmatched"
    assert found["dit-mnist", slower["slug"]]["pareto"] == "dominated"  # by the other cached cell
    fewest = cell(sampler="dpm-solver++", steps=6, ms=99.0, fd=2.9)
    found = pareto.analyse(typed([*curve, fewest, fast]))["dit-mnist", fast["slug"]]
    assert (found["pareto"], found["by"]) == ("dominated", [fewest["slug"]])  # what the grid did not show
    worse = cell(sampler="dpm-solver++", steps=6, ms=99.0, fd=9.0)
    assert pareto.analyse(typed([*curve, worse, fast]))["dit-mnist", fast["slug"]]["pareto"] == "front"


def chained(**kwargs):
    """An uncached cell timed beside the suite's reference DDIM-50 (450 ms when the machine is at its usual pace)."""
    made = cell(**kwargs)
    ratio = 450.0 / made["timing"]["latency_ms"]["median"]
    made["timing"]["reference_ms"] = {"median": 450.0, "low": 445.0, "high": 455.0}
    made["timing"]["speedup_reference"] = {"median": ratio, "low": 0.99 * ratio, "high": 1.01 * ratio}
    return made


def slowed(made, factor):
    """The cell as a machine at 1/factor of its pace would have timed it: ratios stay."""
    for name in ("latency_ms", "baseline_ms", "reference_ms"):
        if interval := made["timing"].get(name):
            made["timing"][name] = {k: factor * v for k, v in interval.items()}
    return made


def test_the_machine_s_pace_cancels_in_latencies_that_are_chained_to_the_reference():
    made = lambda: [cell(steps=50, ms=450.0), chained(steps=20, ms=180.0),  # noqa: E731
                    cell(steps=20, cache="fora", interval=2, ms=100.0)]  # fmt: skip
    steady, moving = made(), [slowed(c, factor) for c, factor in zip(made(), (1.0, 1.0, 1.3), strict=True)]
    assert moving[2]["timing"]["latency_ms"]["median"] == pytest.approx(130.0)
    for before, after in zip(latency.latencies(typed(steady)), latency.latencies(typed(moving)), strict=True):
        assert before.paired
        assert after.paired
        assert after.log == pytest.approx(before.log)
        assert after.error == pytest.approx(before.error)
    found = pareto.analyse(typed(moving))["dit-mnist", "ddim-20+fora-interval-2"]
    assert found["latency_paired_ms"] == pytest.approx(100.0)
    assert found["latency_paired_low"] < 100.0 < found["latency_paired_high"]


def test_the_errors_of_a_chain_add_up_and_none_is_below_the_a_a_ratio_s():
    cells = [cell(steps=50, ms=450.0), chained(steps=20, ms=180.0),
             cell(steps=20, cache="fora", interval=2, ms=100.0)]  # fmt: skip
    reference, uncached, cached = latency.latencies(typed(cells))
    one = math.log(1.01 / 0.99) / (2 * 1.959964)
    assert (reference.error, uncached.error) == (0.0, pytest.approx(one))
    assert cached.error == pytest.approx(math.sqrt(2) * one)
    cells[2]["timing"]["resolution"] = {"median": 1.0, "low": 0.9, "high": 1.1}
    assert latency.latencies(typed(cells))[2].error == pytest.approx(
        math.hypot(one, math.log(1.1 / 0.9) / (2 * 1.959964))
    )


def test_without_one_reference_latencies_are_the_cells_own_and_the_drift_counts():
    fewer = cell(sampler="dpm-solver++", steps=8, ms=120.0, fd=9.0)  # timed in a run of its own: on no chain
    better = cell(cache="fora", interval=2, ms=200.0, fd=4.0)
    worse = cell(cache="fora", interval=3, ms=215.0, fd=6.0)
    assert pareto.analyse(typed([fewer, better, worse]))["dit-mnist", worse["slug"]]["pareto"] == "dominated"
    worse["timing"]["baseline_ms"] = {"median": 560.0, "low": 555.0, "high": 565.0}  # the machine was slower then
    assert latency.drift(typed([better, worse])) == pytest.approx(abs(math.log(560 / 450)) / math.sqrt(2))
    found = pareto.analyse(typed([fewer, better, worse]))["dit-mnist", worse["slug"]]
    assert found["pareto"] == "undecided"
    assert "latency_paired_ms" not in found
    assert not any(seen.paired for seen in latency.latencies(typed([cell(steps=50), cell(steps=20, ms=180.0)])))


@pytest.mark.parametrize(
    "change", [("quality", "samples", 256), ("quality", "fingerprint", "0"), ("settings", "dtype", "bfloat16")]
)
def test_cells_measured_differently_are_never_compared(change):
    good, bad = cell(fd=3.0, ms=100.0), cell(steps=40, fd=9.0, ms=400.0)
    part, name, value = change
    bad[part][name] = value
    assert {v["pareto"] for v in pareto.analyse(typed([good, bad])).values()} == {"alone"}


def test_cells_that_are_not_ok_have_no_verdict():
    assert pareto.analyse(typed([not_ok("oom", "killed")])) == {}


def test_best_within_a_latency_lists_what_cannot_be_told_from_it():
    cells = [
        cell(steps=50, ms=450.0, fd=3.0),
        cell(steps=20, ms=180.0, fd=5.0),
        cell(cache="fora", interval=2, ms=150.0, fd=5.01),
    ]
    found = list(points(cells).values())
    best, ties = choice.best_within(found, math.log(200.0))
    assert best.key[1] == "ddim-20"
    assert [p.key[1] for p in ties] == ["ddim-50+fora-interval-2"]
    assert choice.best_within(found, math.log(10.0)) is None


def test_fastest_within_a_floor_names_what_is_sure_and_what_may_be_as_fast():
    cells = [
        cell(steps=50, ms=450.0, fd=3.0),
        cell(steps=20, ms=180.0, fd=3.02),  # 0.3 allowed: beyond doubt
        cell(steps=15, ms=140.0, fd=3.299),  # by its estimate, but the interval straddles
        cell(steps=12, ms=139.8, fd=3.301),  # the other way round, and a little faster
        cell(steps=10, ms=90.0, fd=4.0),
    ]
    found = points(cells)
    fastest = choice.fastest_within(list(found.values()), found["ddim-50"], 0.3)
    assert (fastest.point.key[1], fastest.sure.key[1]) == ("ddim-15", "ddim-20")
    assert [p.key[1] for p in fastest.ties] == ["ddim-12"]
    assert fastest.margin.low < 0.3 < fastest.margin.high
    assert choice.fastest_within([found["ddim-10"]], found["ddim-50"], 0.3) is None
    own = choice.fastest_within([found["ddim-50"]], found["ddim-50"], 0.0)
    assert (own.point, own.sure, own.ties) == (found["ddim-50"], found["ddim-50"], [])


def test_what_is_slower_than_a_doubtful_best_may_still_be_the_fastest():
    """A +0.05 ± 0.41 and fast; B +0.12 ± 0.10 and slower: with 0.1 allowed A may miss the bound and B not."""
    cells = [cell(steps=s, ms=ms, fd=fd) for s, ms, fd in ((50, 450.0, 3.0), (10, 90.0, 3.05), (20, 180.0, 3.12))]
    for made, half in zip(cells[1:], (0.41, 0.10), strict=True):
        fd, signs = made["quality"]["fd"], np.where(np.arange(32) % 2, 1.0, -1.0)
        error = half / 2.0395134 / 31**0.5  # of replicates: (G - 1)/G Σ (θ_g - mean)² = 31 error²
        made["quality"]["fd_jackknife"] = (
            fd + np.array(cells[0]["quality"]["fd_jackknife"]) - 3.0 + error * signs
        ).tolist()
    found = points(cells)
    assert choice.above(found["ddim-10"], found["ddim-50"]).high == pytest.approx(0.46, abs=0.01)
    fastest = choice.fastest_within(list(found.values()), found["ddim-50"], 0.1)
    assert (fastest.point.key[1], fastest.sure.key[1]) == ("ddim-10", "ddim-50")
    assert [p.key[1] for p in fastest.ties] == ["ddim-20"]


def test_the_fastest_within_a_bound_is_among_those_named():
    """Simulated with known truth: 3 settings near the bound; {best, sure} and ties hold the fastest in 95 %."""
    rng, truth, hits = np.random.default_rng(5), {40: 0.05, 20: 0.09, 10: 0.11}, []
    for _ in range(200):
        cells = [cell(steps=s, ms=9.0 * s, fd=3.0 + truth.get(s, 0.0)) for s in (50, *truth)]
        for made in cells[1:]:
            noise = rng.normal(scale=0.05 * 32**0.5, size=32)  # of groups: a mean known to 0.05
            base = np.array(cells[0]["quality"]["fd_jackknife"]) - 3.0 + made["quality"]["fd"]
            made["quality"]["fd"] += float(noise.mean())
            made["quality"]["fd_jackknife"] = (base + (noise.sum() - noise) / 31).tolist()
        found = points(cells)
        fastest = choice.fastest_within(list(found.values()), found["ddim-50"], 0.1)
        named = {p.key[1] for p in (fastest.point, fastest.sure, *fastest.ties)}
        hits.append("ddim-20" in named)
    assert np.mean(hits) >= 0.95


def test_the_best_within_a_latency_is_chosen_without_bias():
    """Plain values say ddim-20, whose bias is smaller; corrected ones say ddim-25."""
    a, b = cell(steps=20, ms=180.0, fd=5.0), cell(steps=25, ms=190.0, fd=5.1)
    b["quality"]["fd_jackknife"] = [v + 0.02 for v in b["quality"]["fd_jackknife"]]  # 31 · 0.02 less without bias
    best, _ = choice.best_within(list(points([a, b]).values()), math.log(200.0))
    assert best.key[1] == "ddim-25"


def test_as_fast_as_an_uncached_cell_within_error_is_not_unmatched():
    curve = [cell(steps=50, ms=450.0, fd=3.0), cell(steps=8, ms=100.5, fd=3.5)]
    near = pareto.analyse(typed([*curve, cell(cache="fora", interval=5, ms=100.0, fd=3.7)]))
    assert near["dit-mnist", "ddim-50+fora-interval-5"]["pareto"] == "undecided"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 100), st.floats(1, 1000), st.booleans()), min_size=1, max_size=8))
def test_verdicts_are_consistent(places):
    cells = [cell(sampler=f"s{i}", cache="fora" if cached else None, fd=fd, ms=ms)
             for i, (fd, ms, cached) in enumerate(places)]  # fmt: skip
    found = {p.key: p for p in pareto.place(typed(cells))}
    for key, verdict in pareto.analyse(typed(cells)).items():
        me = found[key]
        truly = [p for p in found.values() if p.fd[0] < me.fd[0] and p.log_latency < me.log_latency]
        if verdict["pareto"] == "dominated":
            assert truly  # whoever dominates for certain also does by the estimates
        if verdict["pareto"] in ("front", "unmatched"):
            assert not truly
        if verdict["pareto"] == "front" and me.cached:
            assert any(p.log_latency <= me.log_latency for p in found.values() if not p.cached)


def test_the_synthetic_suite_has_every_kind_of_verdict():
    verdicts = {v["pareto"] for v in pareto.analyse(typed(suite_of("dit-mnist"))).values()}
    assert verdicts >= {"front", "dominated"}
