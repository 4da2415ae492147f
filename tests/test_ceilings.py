"""The machine's two rates, on a clock that moves by a fixed amount whenever it is read."""

import itertools
import os

import pytest
import torch

from bench.measure.timing import affinity, ceilings
from bench.measure.timing.stopwatch import HostStopwatch


def ticking(nanoseconds):
    return HostStopwatch(itertools.count(0, nanoseconds).__next__)


def test_rates_are_work_over_the_fastest_lap(monkeypatch):
    monkeypatch.setattr(ceilings, "GEMM_SIZE", {"cpu": 16})
    monkeypatch.setattr(ceilings, "COPY_BYTES", {"cpu": 1000})
    assert ceilings.gemm_rate(ticking(2000), "cpu", torch.float32, 0.0) == {
        "gemm_macs_per_s": pytest.approx(16**3 / 2e-6), "gemm_size": 16,
    }  # fmt: skip
    found = ceilings.copy_rate(ticking(4000), "cpu", 0.0)
    assert found == {"copy_bytes_per_s": pytest.approx(2000 / 4e-6), "copy_bytes": 1000}


def test_laps_go_on_for_the_seconds_and_the_first_does_not_count():
    laps = []
    watch = ticking(100_000_000)
    assert ceilings._best_seconds(watch, lambda: laps.append(1), 1.0) == pytest.approx(0.1)
    assert len(laps) == 10
    times = iter([0, 5, 10, 20, 20, 50, 50, 90])  # laps of 5, 10, 30 and 40 ns
    assert ceilings._best_seconds(HostStopwatch(times.__next__), lambda: None, 0.0) == 10e-9


def test_the_least_busy_cores_are_chosen(monkeypatch):
    looks = iter([{0: 100, 1: 100, 2: 100, 5: 100}, {0: 101, 1: 109, 2: 105, 5: 110}])
    monkeypatch.setattr(affinity, "idle_times", lambda: next(looks))
    monkeypatch.setattr(affinity, "LOOK", 0)
    assert affinity.least_busy({0, 1, 2}, 2) == [1, 2]
    monkeypatch.setattr(affinity, "idle_times", dict)
    assert affinity.least_busy({3, 1, 2}, 1) == [1]


def test_idle_times_are_read_by_core(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  9 0 9 99 0\ncpu0 4 0 4 51 0\ncpu12 5 0 5 48 0\nintr 3 4 5 6 7\nctxt 1\n")
    assert affinity.idle_times(stat) == {0: 51, 12: 48}
    assert affinity.idle_times(tmp_path / "absent") == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_cores_are_as_before_afterwards(monkeypatch):
    before = os.sched_getaffinity(0)
    monkeypatch.setattr(affinity, "LOOK", 0)
    with affinity.pinned(len(before)) as cores:
        assert cores is None
    if len(before) > 1:
        with affinity.pinned(1) as cores:
            assert os.sched_getaffinity(0) == set(cores)
            assert len(cores) == 1
    with affinity.pinned(1, "cuda:0") as cores:
        assert cores is None
    assert os.sched_getaffinity(0) == before
