"""GPU telemetry against a fake NVML: nothing here needs a GPU."""

import os
import threading
import time

import pytest
from fake_machine import MS, NVML_UUID, FakeMachine, FakeNvml
from fake_session import measure_pair

from bench.measure.timing import speed
from bench.measure.timing.rounds import Budget
from bench.measure.timing.telemetry import Gpu, Reading, Recorder, find, joules_per_call, recording, summarise


def reading(at_ns=0, sm_mhz=1980, reasons=0, power_w=700.0):
    return Reading(at_ns, sm_mhz, 2619, power_w, 61, reasons)


def test_a_reading_has_the_units_of_its_names():
    nvml = FakeNvml()
    nvml.reasons = 0x4
    found = Gpu(nvml, NVML_UUID).read()
    assert (found.sm_mhz, found.memory_mhz, found.power_w, found.temperature_c, found.reasons) == (
        1980, 2619, 700, 61, 4,
    )  # fmt: skip
    assert 0 <= time.perf_counter_ns() - found.at_ns < 60e9


@pytest.mark.parametrize(
    ("readings", "throttled", "reasons"),
    [
        ([reading(), reading(sm_mhz=1950)], False, []),  # 1.5 % apart
        ([reading(), reading(sm_mhz=1900)], True, []),  # 4 %
        ([reading(reasons=0x4)], False, ["power cap"]),
        ([reading(reasons=0x20), reading(reasons=0x1)], True, ["idle", "thermal (software)"]),
        ([reading(reasons=0x40)], True, ["thermal (hardware)"]),
        ([reading(reasons=0x8)], True, ["hardware slowdown"]),
    ],
)
def test_a_moving_clock_or_a_thermal_reason_is_throttling(readings, throttled, reasons):
    found = summarise(readings)
    assert (found["throttled"], found["reasons"]) == (throttled, reasons)


def test_a_summary_covers_its_window_only():
    recorder = Recorder(reading)
    recorder.readings = [reading(at, power_w=float(at)) for at in (10, 20, 30, 40)]
    assert recorder.summary(15, 35)["power_w"] == 25
    assert recorder.summary(15, 35)["readings"] == 2
    assert recorder.summary(41, 50) is None


def test_the_recorder_reads_until_it_is_stopped_and_survives_an_error():
    enough = threading.Event()

    def read():
        if len(recorder.readings) == 2:
            enough.set()
            raise FakeNvml.NVMLError("the GPU fell off the bus")
        return reading()

    recorder = Recorder(read, interval=0)
    recorder.start()
    assert enough.wait(30)
    recorder.stop()
    assert len(recorder.readings) == 2


def test_other_processes_are_counted_with_and_without_the_host_s_numbers():
    nvml = FakeNvml()
    gpu = Gpu(nvml, NVML_UUID)
    for pids, others in (
        ([os.getpid()], 0),
        ([os.getpid(), 7], 1),
        ([99999998], 0),
        ([99999998, 99999999], 1),
        ([], 0),
    ):
        nvml.pids = pids
        assert gpu.others() == others, pids


def test_energy_is_what_the_counter_moved_in_a_long_enough_window():
    nvml, machine = FakeNvml(), FakeMachine()
    call = machine.call("m", 400)

    def burn():
        call()
        nvml.energy_mj += 280_000

    assert joules_per_call(Gpu(nvml, NVML_UUID), burn, 10, machine.clock) == 280
    assert machine.now == 25 * 400 * MS


def test_without_a_gpu_there_is_nothing():
    assert find("cpu") is None
    with recording(None) as recorder:
        assert recorder is None


def test_rounds_carry_what_the_gpu_did_and_throttled_ones_are_counted():
    machine, clocks = FakeMachine(), iter([0, 0x40, 0, 0, 0])

    class Scripted(Recorder):
        def summary(self, start_ns, end_ns):
            return summarise([reading(start_ns, reasons=next(clocks))])

    recorder = Scripted(reading)
    budget = Budget(5, 5, 0)
    timing = measure_pair(
        machine.call("m", 1), None, budget=budget, clock=machine.clock, machine=machine, recorder=recorder
    )
    assert [r["gpu"]["throttled"] for r in timing["rounds"]] == [False, True, False, False, False]
    found = speed.telemetry(timing["rounds"])
    assert found["readings"] == 5
    assert found["sm_mhz"] == [1980, 1980]
    assert found["reasons"] == ["thermal (hardware)"]
    assert speed.telemetry([{}]) is None
