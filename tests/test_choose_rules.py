"""The rules of `ditbench choose`, on numbers with a known truth: what is swept, dropped, chosen and not told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.run.choice import sweeps
from bench.run.choice.decision import Setting, decide
from bench.run.choice.goal import ERROR, FD, SPEEDUP, Goal, read
from bench.run.choice.halving import beaten
from bench.run.choice.suite_text import suite_text
from bench.statistics.interval import Interval
from bench.suite import file as suite
from bench.suite.protocol import Protocol
from methods.method import CacheMethod, Parameter, Sampler

RULES = Protocol(samples=0)


@pytest.fixture(scope="module")
def found() -> sweeps.Candidates:
    return sweeps.candidates("dit-mnist", RULES)


def test_at_least_sixty_settings_of_the_small_model_take_part(found: sweeps.Candidates) -> None:
    assert len(found.cells) >= 60
    assert found.reference.slug == next(iter(found.cells)) == "ddim-50"
    used = {cell.cache.name for cell in found.cells.values() if cell.cache is not None}
    assert {"fora", "deepcache", "taylorseer", "teacache", "l2c"} <= used


def test_a_method_that_needs_a_file_takes_part_where_one_is_shipped(found: sweeps.Candidates) -> None:
    assert "ddim-50+l2c-l1-1e-05" in found.cells
    assert "ddim-20+l2c-l1-0.001" in found.cells
    assert "ddim-20+harmonica-l1-1e-05" in found.cells
    assert any("lazydit-l1" in slug for slug in found.cells)
    assert not any(
        kind in slug for kind in ("l2c", "harmonica", "lazydit") for slug in sweeps.candidates("dit-s-2", RULES).cells
    )


def test_nothing_makes_more_evaluations_than_the_reference(found: sweeps.Candidates) -> None:
    assert "heun-20" in found.cells  # 39 evaluations
    assert "heun-30" not in found.cells  # 59


def test_a_suite_file_of_every_setting_holds_just_these(found: sweeps.Candidates, tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(suite_text(found.cells.values(), found.reference))
    loaded = suite.load(str(path))
    assert {cell.slug for cell in loaded.cells} == set(found.cells)
    assert loaded.references["dit-mnist"].slug == found.reference.slug
    assert loaded.protocol == RULES


def method(base: type, **parameters: Parameter) -> Any:
    return type("Declared", (base,), {"name": "declared", "parameters": parameters, "__doc__": "Declares."})


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (method(Sampler, steps=Parameter(int, 20, 8, 30)), {"steps": [30, 20, 15, 12, 10, 8]}),
        (method(CacheMethod, interval=Parameter(int, 2, 1, 3)), {"interval": [2, 3]}),
        (method(CacheMethod, threshold=Parameter(float, 0.4, 0.0, 0.5)), {"threshold": [0.2, 0.4]}),
        (method(CacheMethod, word=Parameter(str, "")), {}),
        (method(Sampler), {}),
    ],
)
def test_a_sweep_follows_from_what_a_method_declares(declared: Any, expected: Any) -> None:
    assert sweeps.derived(declared) == expected


def simulated(means: list[float], seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Errors [settings,seeds] that share what a seed does: log-normal, with their own part and a common one."""
    common = rng.normal(0, 0.3, seeds)
    own = rng.normal(0, 0.15, (len(means), seeds))
    return np.array(means)[:, None] * np.exp(common + own - (0.3**2 + 0.15**2) / 2)


MEANS = [0.03, 0.045, 0.049, 0.06, 0.15, 0.4, 0.02]
SECONDS = np.array([5.0, 3.0, 2.9, 2.5, 1.0, 0.5, 4.9])


@pytest.mark.parametrize(
    ("goal", "best", "clear"),
    [
        (Goal(ERROR, 0.07), 3, {4, 5, 6}),  # too far off, or slow beside what surely meets it
        (Goal(SPEEDUP, 1.6), 1, {4, 5, 6}),  # 6 is too slow, 4 and 5 are far less exact than 1 and 2
        (Goal(FD, 0.05), 0, set()),
    ],
)
def test_the_truly_best_is_not_dropped_and_the_clearly_worse_are(goal: Goal, best: int, clear: set[int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        errors = simulated(MEANS, 48, rng)
        left = np.ones(len(MEANS), dtype=bool)
        for seeds in (8, 16, 32, 48):
            left &= ~beaten(errors[:, :seeds], SECONDS, 0, goal)
        assert left[0], "the reference is what others are compared with"
        assert left[best]
        assert not left[sorted(clear)].any()


def test_rough_times_within_a_quarter_drop_nothing() -> None:
    errors = simulated([0.01, 0.01, 0.01], 48, np.random.default_rng(1))
    assert not beaten(errors, np.array([1.0, 1.2, 1.24]), 0, Goal(ERROR, 0.1)).any()
    assert list(beaten(errors, np.array([1.0, 1.2, 1.3]), 1, Goal(ERROR, 0.1))) == [False, False, True]


def test_an_error_below_what_the_exact_solution_is_known_to_is_not_believed() -> None:
    errors = np.full((2, 8), 0.04)
    seconds = np.array([10.0, 1.0])
    assert not beaten(errors, seconds, 0, Goal(ERROR, 0.039), resolution=0.003)[1]
    assert beaten(errors, seconds, 0, Goal(ERROR, 0.036), resolution=0.003)[1]


def setting(slug: str, speedup: float, error: float, above: float = 0.0, half: float = 0.002) -> Setting:
    ends = Interval(speedup, speedup * 0.98, speedup * 1.02)
    return Setting(slug, slug.upper(), ends, Interval(error, error - half, error + half), Interval(above, above, above))


SETTINGS = [
    setting("reference", 1.0, 0.03, 0.0),
    setting("safe", 3.0, 0.04, 0.02),
    setting("close", 3.1, 0.049, 0.049),
    setting("edge", 4.0, 0.0505, 0.2),
    setting("far", 6.0, 0.2, 0.6),
]


def slower(one: Setting, other: Setting) -> bool:
    return one.speedup.high < other.speedup.low


def less_exact(one: Setting, other: Setting) -> bool:
    return one.error.low > other.error.high


@pytest.mark.parametrize(
    ("goal", "chosen", "untold"),
    [
        (Goal(ERROR, 0.05), "safe", ["edge", "close"]),  # both may be within and are not surely slower
        (Goal(ERROR, 0.06), "edge", []),
        (Goal(ERROR, 0.001), None, []),
        (Goal(SPEEDUP, 2.0), "safe", []),
        (Goal(SPEEDUP, 3.05), "edge", ["safe", "close"]),  # of neither is it sure that it is that fast
        (Goal(SPEEDUP, 7.0), None, []),
        (Goal(FD, 0.05), "close", ["safe"]),
    ],
)
def test_the_choice_surely_meets_the_goal_and_the_rest_is_named(goal: Goal, chosen: str, untold: list[str]) -> None:
    found = decide(SETTINGS, goal, slower, less_exact)
    assert (found.chosen and found.chosen.slug) == chosen
    assert [s.slug for s in found.untold] == untold


def test_goals_are_read() -> None:
    none = dict.fromkeys((ERROR, SPEEDUP, FD))
    assert read(none | {ERROR: "0.05"}) == Goal(ERROR, 0.05)
    assert read(none | {SPEEDUP: "2"}) == Goal(SPEEDUP, 2.0)
    assert read(none | {FD: "5%"}) == Goal(FD, 0.05)
