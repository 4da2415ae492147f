"""Progress with its remaining time, and the lock that keeps samplers quiet while one cell is timed."""

from __future__ import annotations

import io
import threading

import pytest

from bench.host.progress import Progress, duration
from bench.measure.quiet_lock import QuietLock
from bench.run.scheduler import crash


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


def test_samplers_share(tmp_path):
    waits: list[bool] = []
    with QuietLock(tmp_path).sampling(), QuietLock(tmp_path, waits.append).sampling():
        assert waits == []


def test_timer_waits_for_samplers_and_they_for_it(tmp_path):
    events: list[str] = []
    waits = threading.Event()

    def waiting(begins: bool) -> None:
        events.append(f"timer waits: {begins}")
        waits.set()

    def timer() -> None:
        with QuietLock(tmp_path, waiting).timing():
            events.append("timed")

    def late_sampler() -> None:
        with QuietLock(tmp_path).sampling():
            events.append("late sampler")

    with QuietLock(tmp_path).sampling():
        first = threading.Thread(target=timer)
        first.start()
        assert waits.wait(30)
        second = threading.Thread(target=late_sampler)  # must not overtake the timer that waits
        second.start()
        second.join(0.2)
        events.append("sampler leaves")
    first.join(30)
    second.join(30)
    assert events == ["timer waits: True", "sampler leaves", "timer waits: False", "timed", "late sampler"]


def test_lock_is_free_after_a_failure(tmp_path):
    lock = QuietLock(tmp_path)
    with pytest.raises(RuntimeError), lock.timing():
        raise RuntimeError
    with lock.timing():
        pass


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [(-11, "failed", "SIGSEGV"), (-9, "oom", "memory runs out"), (3, "failed", "code 3"), (-60, "failed", "signal 60")],
)
def test_crashes_are_named(code, status, reason):
    result = crash(code)
    assert result["status"] == status
    assert reason in result["reason"]
