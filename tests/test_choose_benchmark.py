"""The benchmark of `ditbench choose`, on a table whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.benchmarks import choose
from bench.run.choice.goal import ERROR, SPEEDUP, Goal

SLUGS = ["reference", "exact", "middle", "fast", "twin"]
MEANS = np.array([0.03, 0.02, 0.04, 0.2, 0.041])
SECONDS = np.array([4.0, 3.9, 2.0, 0.5, 2.0])


def made(noise: float = 0.01) -> choose.Table:
    """256 seeds, 20 rounds of two processes; what a seed or a round does is common to all settings."""
    rng = np.random.default_rng(0)
    seed, pace = rng.normal(0, 0.2, 256), rng.normal(0, 0.2, (20, 1))
    errors = MEANS[:, None] * np.exp(seed + rng.normal(0, 0.1, (5, 256)))
    rough = SECONDS[:, None] * np.exp(rng.normal(0, 0.03, (5, 32)))
    times = 1e9 * SECONDS * np.exp(pace + rng.normal(0, noise, (20, 5)))
    return choose.Table(SLUGS, errors, rough, times, np.repeat([0, 1], 10), 0.001)


@pytest.mark.parametrize(
    ("goal", "best"), [(Goal(ERROR, 0.06), {"middle", "twin"}), (Goal(SPEEDUP, 1.5), {"middle", "twin"})]
)
def test_where_the_best_is_clear_every_repeat_finds_it(goal: Goal, best: set[str]) -> None:
    found = choose.study(made(), goal, repeats=20)
    assert found["exhaustive"] in best
    assert set(found["chosen"]) <= best
    assert found["within_margin"] == found["repeats"] == 20


def test_a_goal_that_a_few_seeds_cannot_decide_is_counted_as_such() -> None:
    table = made()
    bound = float(table.errors[2].mean()) * 1.08  # 48 seeds often do not show that this one is within it
    found = choose.study(table, Goal(ERROR, bound), repeats=20)
    assert found["exhaustive"] == "middle"
    assert found["same"] < 20
    assert found["chosen_or_named"] == 20


def test_a_repeat_draws_whole_batches_and_rounds_of_their_own_process() -> None:
    table = made()
    drawn = table.draw(np.random.default_rng(1))
    assert drawn.errors.shape == (5, 48)
    assert drawn.rough.shape == (5, 6)
    starts = [int(np.flatnonzero((table.errors == drawn.errors[:, [s]]).all(axis=0))[0]) for s in range(0, 48, 8)]
    assert all(start % 8 == 0 for start in starts)
    assert len(set(starts)) == 6
    timed = table.timed([0, 1], np.random.default_rng(1))
    assert timed.times.shape == (2 * choose.MIN_ROUNDS, 5), "settings this slow leave no time for more"
    for process in (0, 1):
        rows = table.times[table.processes == process]
        assert all((row == rows).all(axis=1).any() for row in timed.times[timed.processes == process])


def test_a_choice_within_the_margins_of_the_best_agrees_and_a_worse_one_does_not() -> None:
    table, goal = made(), Goal(ERROR, 0.06)
    listed = {setting.slug: setting for setting in settings(table)}
    assert choose.agrees(table, listed["middle"], listed["twin"], goal)
    assert not choose.agrees(table, listed["exact"], listed["middle"], goal), "twice as slow"
    assert not choose.agrees(table, listed["fast"], listed["middle"], goal), "misses the bound"
    assert not choose.agrees(table, None, listed["middle"], goal)
    assert choose.agrees(table, None, None, goal)


def settings(table: choose.Table) -> list[choose.Setting]:
    return [choose.Setting(slug, slug, choose.Interval(1, 1, 1), choose.Interval(1, 1, 1)) for slug in table.slugs]


def test_a_table_is_kept_as_it_is(tmp_path: Path) -> None:
    table = made()
    choose.save(table, tmp_path / "table.npz")
    found = choose.load(tmp_path / "table.npz")
    assert found.slugs == table.slugs
    assert found.resolution == table.resolution
    for name in choose.ARRAYS:
        assert (getattr(found, name) == getattr(table, name)).all()
