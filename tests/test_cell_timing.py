"""A cell's timing with a GPU's telemetry that is made up: the wiring, not the times."""

import pytest
import torch
from fake_machine import NVML_UUID, FakeNvml

import models
from bench.cost.plan_cost import plan_macs
from bench.measure.memory import is_out_of_memory
from bench.measure.task import Task
from bench.measure.timing import cell_timing, telemetry
from bench.measure.timing.cell_timing import CellTimer
from bench.measure.timing.contenders import contenders
from bench.suite.cells import Cell, Part, Settings
from bench.suite.protocol import Protocol, Timing
from methods.plan import uncached

RULES = Protocol(samples=0, timing=Timing(batch=1, rounds=2, seconds=0.0))


def timer(monkeypatch, nvml, steps=2, cache=None):
    gpu = telemetry.Gpu(nvml, NVML_UUID)
    monkeypatch.setattr(telemetry, "find", lambda device: gpu)
    monkeypatch.setattr(telemetry, "INTERVAL", 0.001)
    monkeypatch.setattr(cell_timing, "ENERGY_SECONDS", 0.0)
    cell = Cell("dit-mnist", Part("ddim", {"steps": steps}), cache, RULES)
    reference = Cell("dit-mnist", Part("ddim", {"steps": 3}), None, RULES)
    task = Task(cell, reference, Settings(), ".", ())
    model = models.build("dit-mnist")
    whole = uncached(steps, model.num_branches)
    plan = whole if cache is None else cache.method.plan(model, cell.sampler.method)
    macs, baseline = plan_macs(model, plan), plan_macs(model, whole)
    work = {"macs": 2 * macs, "macs_baseline": 2 * baseline, "macs_ratio": macs / baseline}
    return CellTimer(task, model, contenders(task, model, plan), work)


def test_telemetry_energy_and_other_processes_reach_the_result(monkeypatch):
    nvml = FakeNvml()
    nvml.pids = [99999998, 99999999]
    phases = []
    timing = timer(monkeypatch, nvml).measure(phases.append)
    assert phases == ["timing batch 1"]
    assert timing["energy_j"] == 0
    assert "1 other process on the GPU" in timing["warnings"]
    assert timing["telemetry"] is None or timing["telemetry"]["sm_mhz"] == [1980, 1980]
    assert "others" not in timing
    assert timing["speedup"] is timing["roofline"] is timing["speedup_ideal"] is None
    assert timing["speedup_reference"]["median"] > 0


def test_a_counter_of_energy_that_is_not_there_is_no_number(monkeypatch):
    nvml = FakeNvml()

    def refuse(handle):
        raise nvml.NVMLError("not supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    found = timer(monkeypatch, nvml, cache=Part("fora", {"interval": 2})).measure(lambda phase: None)
    assert found["energy_j"] is None
    assert found["speedup"]["median"] > 0
    assert 1 <= found["roofline"]["speedup"] <= found["speedup_ideal"]
    assert found["speedup_reference"] is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("no kernel image"), False),
        (ValueError("a router for out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected
