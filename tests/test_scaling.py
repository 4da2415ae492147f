"""What more workers would gain is simulated with the run's own scheduler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.benchmarks import scaling
from bench.measure.task import Task
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol

COMMITTED = Path(__file__).resolve().parent.parent / "results" / "benchmarks" / "scaling.json"
REFERENCE, *OTHERS = (Cell("dit-mnist", Part("ddim", {"steps": steps}), None, Protocol()) for steps in range(10, 3, -1))
TASKS = [Task(cell, REFERENCE, Settings(), ".", ()) for cell in (REFERENCE, *OTHERS)]
SECONDS = {(cell.model, cell.slug): 100.0 for cell in (REFERENCE, *OTHERS)}


@pytest.mark.parametrize(("count", "seconds"), [(1, 7 * 100.2), (7, 100.2 + 10.2), (64, 100.2 + 10.2)])
def test_cells_of_equal_length_fill_the_workers(count: int, seconds: float) -> None:
    """With more workers than one all but the reference are sampled ahead, and judged when that is there."""
    assert scaling.sampled_in(TASKS, SECONDS, count) == pytest.approx(scaling.START + seconds)


def test_nobody_idles_while_there_is_work() -> None:
    took = scaling.sampled_in(TASKS, SECONDS, 2) - scaling.START
    assert 350 < took < 350 + 100, "never more than a cell behind an even split"


def test_no_number_of_workers_beats_the_longest_cell() -> None:
    longest = SECONDS | {(OTHERS[2].model, OTHERS[2].slug): 500.0}
    assert scaling.sampled_in(TASKS, longest, 64) == pytest.approx(scaling.START + 500.0 + 2 * scaling.ANSWER)
    assert scaling.sampled_in(TASKS, longest, 1) == pytest.approx(scaling.START + 1100.0 + 7 * scaling.ANSWER)


def test_committed_scaling_is_what_the_docs_say() -> None:
    suites = {found["suite"]: found for found in json.loads(COMMITTED.read_text())["suites"]}
    text = (COMMITTED.parents[2] / "docs" / "reliability.md").read_text()
    for name, found in suites.items():
        fast = [f"{row['times_as_fast']:.1f}" for row in found["workers"][2:]]
        assert f"| `{name}` | {found['cells']} | {' | '.join(fast)} |" in text
    assert suites["small-full"]["measured"] == suites["small-full"]["cells"]
    assert all(row["driver"] <= 0.02 for found in suites.values() for row in found["workers"])
