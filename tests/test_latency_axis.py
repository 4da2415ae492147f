"""Latencies of stored cells as one axis: paired in the rounds of a session, chained without, what is shared once."""

import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from cell_factory import cell, typed
from decided_group import REFERENCE, TRUTH, documents, session, stored_group

from bench.judge.latency import PairErrors, chain_axis, error_of, latencies, latency_axis
from bench.judge.latency_axis import paired_axis
from bench.measure.timing.rounds import again
from bench.statistics.session_axis import session_axis
from bench.store.results import with_sessions
from bench.store.sessions import Session, second_run


def test_an_axis_of_a_session_says_what_the_session_says_of_its_pairs():
    cells = stored_group()
    axis = paired_axis(cells)
    low, high = axis.ends(axis.pointwise(0.95))
    rows = Session(Path("s"), session(documents()))
    halves = []
    for a, b in combinations(range(len(cells)), 2):
        pair = rows.ratio(cells[a].slug, cells[b].slug)
        assert axis.gaps[a, b] == pytest.approx(math.log(pair["median"]), abs=0.01)
        halves.append((high[a, b] - low[a, b]) / math.log(pair["high"] / pair["low"]))
    assert 0.8 < np.median(halves) < 1.25


@pytest.mark.parametrize("between", [0.0, 0.01])
def test_intervals_of_a_session_hold_at_least_as_often_as_they_say(between):
    truth, hits = np.array([log for log, _ in TRUTH.values()]), []
    for seed in range(150):
        content = session(documents(), noise=0.02, between=between, seed=seed)
        rows = Session(Path("s"), content)
        axis = session_axis(rows.times(), rows.processes)
        low, high = axis.ends(axis.pointwise(0.95))
        gaps = truth[:, None] - truth
        hits.append(((low <= gaps) & (gaps <= high))[np.triu_indices(len(truth), 1)].mean())
    assert 0.93 < np.mean(hits) < 0.995  # cautious where processes do not differ: medians of 6 rounds


def test_a_setting_alone_in_its_session_has_no_pair():
    assert session_axis(np.full((6, 1), 2.0), [0, 0, 0, 1, 1, 1]) is None


def test_rounds_without_some_setting_are_left_out_and_one_round_says_nothing():
    times = np.exp(np.random.default_rng(0).normal(scale=0.01, size=(8, 3)))
    holed = np.concatenate([times, [[1.0, np.nan, 1.0]]])
    whole, with_hole = (session_axis(rows, [0, 0, 0, 0, 1, 1, 1, 1, 1][: len(rows)]) for rows in (times, holed))
    assert np.array_equal(whole.values, with_hole.values)
    assert session_axis(times[:1], [0]) is None
    assert session_axis(times[:2], [0, 1]) is None


def test_no_ratio_is_known_better_than_a_setting_s_to_itself():
    content = session(documents())
    rng = np.random.default_rng(5)
    for r in content["rounds"]:
        r["wall_ns"][again(REFERENCE)] = int(r["wall_ns"][REFERENCE] * np.exp(rng.normal(scale=0.1)))
    without = paired_axis(stored_group(content=content))
    content["repeated"] = [REFERENCE]
    rows, axis = Session(Path("s"), content), paired_axis(stored_group(content=content))
    same = rows.resolution()
    assert same > 0.05
    low, high = axis.ends(axis.pointwise(0.95))
    halves = ((high - low) / 2)[np.triu_indices(len(axis.values), 1)]
    assert np.median(halves) == pytest.approx(same, rel=0.01)
    assert np.array_equal(axis.values, without.values)
    assert (axis.errors >= without.errors).all()
    assert second_run(REFERENCE) == again(REFERENCE)


def split_group():
    """The group's cells in two sessions, the reference in both, the second on a machine twice as slow by then."""
    made, contents = documents(), []
    for number, members in enumerate(((0, 1, 2, 3), (0, 4, 5))):
        truth = {key: known for i, (key, known) in enumerate(TRUTH.items()) if i in members}
        contents.append(session([made[i] for i in members], truth, seed=number, name=f"dit-mnist-{number}"))
    for r in contents[1]["rounds"]:
        r["wall_ns"] = {slug: 2 * ns for slug, ns in r["wall_ns"].items()}
    for one in made[4:]:
        one["timing"]["session"] = "dit-mnist-1"
    return with_sessions(typed(made), [Session(Path(f"{c['session']}.json"), c) for c in contents])


def test_sessions_that_share_a_reference_are_chained_by_it():
    cells = split_group()
    axis = paired_axis(cells)
    truth = np.array([log for log, _ in TRUTH.values()])
    assert axis.gaps == pytest.approx(truth[:, None] - truth, abs=0.03)
    at = [cell.slug for cell in cells].index(REFERENCE)
    for a, b in product(range(1, 4), range(4, 6)):  # of different sessions: both ratios to the reference count
        assert axis.errors[a, b] == pytest.approx(math.hypot(axis.errors[a, at], axis.errors[b, at]))


def test_without_a_reference_in_common_or_with_a_cell_of_no_session_ratios_are_chained():
    cells = split_group()
    assert paired_axis([cells[0], *typed(documents()[1:])]) is None
    for one in cells:
        one.session.content["reference"] = None
    assert paired_axis(cells) is None
    assert latency_axis(cells).values == pytest.approx([cell.log for cell in latencies(cells)])


def test_errors_of_latencies_are_those_of_the_axis():
    for cells in (stored_group(), split_group()):
        found, axis = latencies(cells), paired_axis(cells)
        wider = axis.pointwise(0.95) / 1.959964
        for a, b in combinations(range(len(cells)), 2):
            assert error_of(found[a], [(1.0, found[b])]) == pytest.approx(wider * axis.errors[a, b], rel=1e-6)
        assert PairErrors(found).of(slice(0, 1))[0] == pytest.approx(wider * axis.errors[0], rel=1e-6)
        assert all(latency.paired for latency in found)
    assert math.exp(found[0].log) == pytest.approx(1000, rel=0.02)  # the cells' own medians, ms


def test_a_root_that_two_cached_cells_share_counts_once():
    around = lambda x, share: {"median": x, "low": x / (1 + share), "high": x * (1 + share)}  # noqa: E731
    made = [cell(steps=50), cell(steps=20, ms=400.0), cell(steps=20, cache="fora", interval=2, ms=200.0),
            cell(steps=20, cache="fora", interval=3, ms=150.0)]  # fmt: skip
    made[1]["timing"] |= {"speedup_reference": around(2.5, 0.1), "reference_ms": around(1000.0, 0.01)}
    for one, ratio in zip(made[2:], (2.0, 2.7), strict=True):
        one["timing"] |= {"speedup": around(ratio, 0.02), "resolution": None}
    cells = typed(made)
    found, axis = latencies(cells), chain_axis(cells)
    own = math.log(1.02) / 1.959964
    assert error_of(found[2], [(1.0, found[3])]) == pytest.approx(math.hypot(own, own))
    assert error_of(found[2], [(1.0, found[0])]) == pytest.approx(math.hypot(own, math.log(1.1) / 1.959964))
    for a, b in combinations(range(4), 2):
        assert error_of(found[a], [(1.0, found[b])]) == pytest.approx(axis.errors[a, b])
        assert PairErrors(found).of(slice(a, a + 1))[0, b] == pytest.approx(axis.errors[a, b])
