"""Progress with its remaining time, and how crashes are named."""

from __future__ import annotations

import io

import pytest

from bench.host.progress import Progress, duration
from bench.run.child import crash


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_remaining_time_follows_the_work_done():
    clock = Clock()
    progress = Progress({"a": 30.0, "b": 10.0}, io.StringIO(), clock)
    assert progress.remaining() is None
    clock.now = 60.0
    progress.finish("a", "ok")
    assert progress.remaining() == pytest.approx(20.0)
    progress.phase("b", "sampling", 0.5)
    assert progress.remaining() == pytest.approx(60.0 * 5 / 35)


def test_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    progress = Progress({"a": 1.0, "b": 1.0}, stream, Clock())
    progress.phase("a", "sampling", 0.5)
    assert stream.getvalue() == ""
    progress.finish("a", "ok in 2 s")
    assert stream.getvalue() == "[1/2] a: ok in 2 s, about 0.0 s left\n"


def test_one_moving_line_in_a_terminal():
    stream = Terminal()
    progress = Progress({"a": 1.0, "b": 1.0}, stream, Clock())
    progress.phase("a", "sampling 1/2", 0.5)
    assert "\r[....................] 0/2" in stream.getvalue()
    assert "a sampling 1/2" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    progress.finish("a", "ok")
    progress.close()
    assert stream.getvalue().endswith("\r")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.26, "0.3 s"), (12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (59.7, "1 min 0 s")],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_what_follows_the_cells_counts_in_the_remaining_time_and_not_among_them():
    clock, stream = Clock(), io.StringIO()
    progress = Progress({"a": 30.0, "b": 10.0}, stream, clock, seconds={"timing": 50.0})
    assert progress.remaining() is None, "nothing is known of the cells yet"
    clock.now = 60.0
    progress.finish("a", "ok")
    assert progress.remaining() == pytest.approx(20.0 + 50.0)
    progress.finish("b", "ok")
    progress.phase("timing", "batch 8", 0.4)
    assert progress.remaining() == pytest.approx(30.0)
    progress.follow("timing", "2 settings")
    assert stream.getvalue().splitlines()[1:] == ["[2/2] b: ok, about 50 s left", "timing: 2 settings"]


def test_a_run_that_only_times_knows_how_long_it_takes():
    assert Progress({}, io.StringIO(), Clock(), seconds={"timing": 50.0}).remaining() == 50


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [(-11, "failed", "SIGSEGV"), (-9, "oom", "memory runs out"), (3, "failed", "code 3"), (-60, "failed", "signal 60")],
)
def test_crashes_are_named(code, status, reason):
    result = crash(code)
    assert result["status"] == status
    assert reason in result["reason"]
