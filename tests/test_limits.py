"""What counts against a cell's limit: its own work, and nothing that is done for all cells of its model."""

from __future__ import annotations

import multiprocessing
from types import SimpleNamespace

import pytest

from bench.measure.task import Reporter, Task
from bench.run import child as child_module
from bench.run.child import FOR_ALL, Child
from bench.run.executor import ANYWHERE
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol


@pytest.fixture
def clock(monkeypatch):
    """Seconds that only a test lets pass."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(child_module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


@pytest.fixture
def cell(clock):
    """A child that may take 100 s, and what it says."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    rules = Protocol(timeout=100.0)
    task = Task(Cell("dit-mnist", Part("ddim", {"steps": 5}), None, rules), None, Settings(), "out", ())
    alive, process = multiprocessing.Pipe(duplex=False)  # readable once the process is gone
    process = SimpleNamespace(pid=2**22, kill=process.close, join=lambda timeout=None: None, sentinel=alive)
    return Child(task, process, ours, ANYWHERE), Reporter(theirs)


def said(child):
    return list(child.messages())


def test_the_exact_solution_is_not_the_cells_time(cell, clock):
    child, reporter = cell
    clock.seconds = 60
    reporter.shared("exact solution", 0.9)
    assert said(child) == [("phase", "exact solution", 0.9)]
    clock.seconds += 500  # longer than the cell may take
    assert child.left == FOR_ALL * 100 - 500
    reporter.shared("exact solution", 0.9)
    reporter.phase("metrics", 0.9)
    said(child)
    assert child.left == 40
    clock.seconds += 41
    child.hold_to_limit()
    assert child.result == {"status": "timeout", "reason": "stopped after 100 s, the suite's timeout"}


def test_an_exact_solution_that_hangs_is_stopped_too(cell, clock):
    child, reporter = cell
    reporter.shared("exact solution", 0.9)
    said(child)
    clock.seconds += FOR_ALL * 100 + 1
    child.hold_to_limit()
    assert child.result is not None
    assert child.result["status"] == "timeout"
