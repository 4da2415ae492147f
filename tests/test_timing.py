import gc
import itertools
import json
from collections import Counter

import numpy as np
import pytest
import torch
from fake_machine import MS, FakeMachine
from fake_session import measure_pair

from bench.measure.timing import stopwatch as timing_module
from bench.measure.timing.rounds import MAX_WARMUP, Budget
from bench.measure.timing.stopwatch import Lap

FIVE = Budget(min_rounds=5, max_rounds=5, seconds=0)


def measure(machine: FakeMachine, method, baseline, budget=FIVE, **options):
    return measure_pair(method, baseline, budget=budget, clock=machine.clock, machine=machine, **options)


def test_medians_and_ratios_of_steady_calls():
    machine = FakeMachine()
    timing = measure(machine, machine.call("m", 10), machine.call("b", 25))
    assert timing["latency_ms"] == {"median": 10, "low": 10, "high": 10}
    assert timing["baseline_ms"]["median"] == 25
    assert timing["speedup"] == timing["speedup_process"] == {"median": 2.5, "low": 2.5, "high": 2.5}
    assert timing["resolution"] == {"median": 1, "low": 1, "high": 1}
    assert timing["interfered_rounds"] == 0
    json.dumps(timing, allow_nan=False)


def test_every_round_runs_method_baseline_and_baseline_again_in_a_fresh_order():
    machine = FakeMachine()
    timing = measure(machine, machine.call("m", 1), machine.call("b", 2), Budget(40, 40, 0))
    orders = Counter(tuple(r["order"]) for r in timing["rounds"])
    assert set(orders) == set(itertools.permutations(["method", "baseline", "baseline_again"]))
    timed = machine.calls[2 * timing["warmup_rounds"] :]
    assert "".join(timed) == "".join(name[0] for r in timing["rounds"] for name in r["order"])


def test_the_order_is_reproducible():
    def orders(**options):
        machine = FakeMachine()
        timing = measure(machine, machine.call("m", 1), machine.call("b", 2), **options)
        return [r["order"] for r in timing["rounds"]]

    assert orders() == orders()
    assert orders(rng=np.random.default_rng(1)) == orders(rng=np.random.default_rng(1)) != orders()


def test_drift_cancels_in_paired_ratios():
    machine = FakeMachine()
    machine_slows = itertools.count(1, 0.01)

    def slowing(name, milliseconds):
        return machine.call(name, (milliseconds * next(machine_slows) for _ in itertools.count()))

    timing = measure(machine, slowing("m", 10), slowing("b", 20), Budget(50, 50, 0))
    latency, speedup = timing["latency_ms"], timing["speedup"]
    assert latency["high"] / latency["low"] > 1.2
    assert speedup["median"] == pytest.approx(2, rel=0.01)
    assert speedup["high"] - speedup["low"] < 0.02


def test_an_uncached_sampler_is_timed_against_itself_and_claims_no_speedup():
    machine = FakeMachine()
    timing = measure(machine, machine.call("m", 10), None)
    assert timing["speedup"] is timing["speedup_process"] is timing["baseline_ms"] is None
    assert timing["resolution"]["median"] == 1
    assert {frozenset(r["order"]) for r in timing["rounds"]} == {frozenset({"method", "baseline_again"})}


def test_the_reference_runs_in_the_same_rounds_and_is_compared_within_them():
    machine = FakeMachine()
    drift = itertools.count(1, 0.1)
    slow = lambda name, ms: machine.call(name, (ms * next(drift) for _ in itertools.count()))  # noqa: E731
    timing = measure(machine, slow("m", 10), None, Budget(30, 30, 0), reference=slow("r", 40))
    assert {frozenset(r["order"]) for r in timing["rounds"]} == {frozenset({"method", "baseline_again", "reference"})}
    assert timing["speedup_reference"]["median"] == pytest.approx(4, rel=0.05)
    assert timing["reference_ms"]["median"] > 40
    assert timing["speedup"] is None
    without = measure(machine, machine.call("m", 10), None)
    assert without["reference_ms"] is without["speedup_reference"] is None


class FakeDevice:
    """A stopwatch of a device: the host enqueues for a fifth of the time, the device works for four fifths."""

    computes = False

    def __init__(self, device, clock):
        self.clock = clock

    def time(self, call):
        start = self.clock()
        call()
        wall = self.clock() - start
        return Lap(wall, wall * 4 // 5, wall // 5)


def test_a_device_shows_its_own_time_and_the_host_s(monkeypatch):
    monkeypatch.setattr(timing_module, "stopwatch", FakeDevice)
    machine = FakeMachine()
    timing = measure(machine, machine.call("m", 10, busy=0.1), machine.call("b", 20, busy=0.1), device="cuda")
    assert (timing["device_ms"]["median"], timing["enqueue_ms"]["median"]) == (8, 2)
    assert timing["rounds"][0]["device_ns"]["baseline"] == 16 * MS
    assert timing["speedup"]["median"] == 2
    assert timing["speedup_process"] is None
    assert timing["interfered_rounds"] == timing["throttled_rounds"] == 0


@pytest.mark.parametrize(
    ("budget", "rounds"),
    [
        (Budget(min_rounds=3, max_rounds=100, seconds=0), 3),
        (Budget(min_rounds=3, max_rounds=100, seconds=0.1), 10),  # 10 ms a round
        (Budget(min_rounds=3, max_rounds=4, seconds=100), 4),
        (Budget(min_rounds=7, max_rounds=7, seconds=0.01), 7),
    ],
)
def test_the_budget_bounds_the_rounds(budget, rounds):
    machine = FakeMachine()
    timing = measure(machine, machine.call("m", 2), machine.call("b", 4), budget)
    assert len(timing["rounds"]) == rounds


def test_a_budget_without_rounds_is_refused():
    with pytest.raises(ValueError, match="min_rounds"):
        Budget(min_rounds=0)
    with pytest.raises(ValueError, match="min_rounds"):
        Budget(min_rounds=5, max_rounds=4)


def test_warm_up_ends_when_nothing_becomes_faster_any_more():
    machine = FakeMachine()
    compiling = itertools.chain([900, 300, 100, 10.2], itertools.repeat(10.0))
    timing = measure(machine, machine.call("m", compiling), machine.call("b", 20), Budget(5, 5, 60))
    assert (timing["warmup_rounds"], timing["warmup_stable"]) == (5, True)
    assert timing["latency_ms"]["high"] == 10


def test_warm_up_is_bounded_in_rounds_and_in_time():
    machine = FakeMachine()
    faster = lambda: itertools.chain((1e4 * 0.9**n for n in range(MAX_WARMUP)), itertools.repeat(1.0))  # noqa: E731
    timing = measure(machine, machine.call("m", faster()), None, Budget(5, 5, 1e9))
    assert (timing["warmup_rounds"], timing["warmup_stable"]) == (MAX_WARMUP, False)
    timing = measure(machine, machine.call("m", faster()), None, Budget(5, 5, 0.04))
    assert (timing["warmup_rounds"], timing["warmup_stable"]) == (2, False)


def test_noise_is_no_warm_up():
    machine = FakeMachine()
    restless = itertools.cycle([10.0, 20.0])
    timing = measure(machine, machine.call("m", restless), None, Budget(5, 5, 60))
    assert (timing["warmup_rounds"], timing["warmup_stable"]) == (2, True)


def test_a_round_that_lost_the_processor_is_flagged_and_kept():
    machine = FakeMachine()
    robbed = iter([10.0] * 4 + [50.0] + [10.0] * 10)

    def method():
        slow = len(machine.calls) == 4
        machine.call("m", robbed, busy=0.2 if slow else 1.0)()

    timing = measure(machine, method, None)
    assert timing["interfered_rounds"] == 1
    assert len(timing["rounds"]) == 5
    assert max(r[name] for r in timing["rounds"] for name in r["order"]) == 50 * MS


def test_preemption_flags_a_round():
    machine = FakeMachine()
    wait = machine.call("m", 100)

    def method():
        wait()
        machine.preemptions += 30

    assert measure(machine, method, None)["interfered_rounds"] == 5
    machine.preemptions = None  # a system that does not count them
    assert measure(machine, wait, None)["interfered_rounds"] == 0


def test_processor_time_measures_through_waiting():
    machine = FakeMachine()
    waits = itertools.cycle([0.5, 1.0])

    def method():
        machine.call("m", 10, busy=next(waits) * 0.4)()

    timing = measure(machine, method, machine.call("b", 40, busy=0.3), Budget(40, 40, 0))
    assert timing["speedup"]["median"] == 4
    assert timing["speedup_process"]["low"] == pytest.approx(3)
    assert timing["speedup_process"]["high"] == pytest.approx(6)


def test_collector_and_threads_are_restored_after_an_error():
    before = torch.get_num_threads()

    def broken():
        assert not gc.isenabled()
        assert torch.get_num_threads() == before + 1
        raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        measure_pair(broken, None, threads=before + 1)
    assert gc.isenabled()
    assert torch.get_num_threads() == before


def test_real_clock_gives_positive_times():
    timing = measure_pair(lambda: sum(range(100)), lambda: sum(range(200)), budget=Budget(2, 2, 0))
    assert all(r[name] > 0 for r in timing["rounds"] for name in r["order"])
    assert timing["threads"] == 1
