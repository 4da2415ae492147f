"""A cell's timing with a GPU's telemetry that is made up: the wiring, not the times."""

import pytest
import torch
from fake_machine import NVML_UUID, FakeNvml

from bench.cost.plan_cost import plan_macs
from bench.measure.memory import is_out_of_memory
from bench.measure.session import time_session
from bench.measure.task import SessionOrder, Task
from bench.measure.timing import session as session_module
from bench.measure.timing import telemetry
from bench.measure.timing.contenders import build_model
from bench.sampling import make_plan
from bench.store.sessions import new_session
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol, Timing
from methods.plan import uncached

RULES = Protocol(samples=0, timing=Timing(batch=1, rounds=2, seconds=0.0))


class Phases:
    """A reporter that remembers."""

    def __init__(self):
        self.names, self.settings = [], []

    def phase(self, name, fraction):
        self.names.append(name)

    def begins(self, slug):
        self.settings.append(slug)


def timed(monkeypatch, nvml, folder, steps=2, cache=None, reporter=None):
    """The timing of a cell from a session of two processes, both of them this one."""
    gpu = telemetry.Gpu(nvml, NVML_UUID)
    monkeypatch.setattr(telemetry, "find", lambda device: gpu)
    monkeypatch.setattr(telemetry, "INTERVAL", 0.001)
    monkeypatch.setattr(session_module, "ENERGY_SECONDS", 0.0)
    cell = Cell("dit-mnist", Part("ddim", {"steps": steps}), cache, RULES)
    reference = Cell("dit-mnist", Part("ddim", {"steps": 3}), None, RULES)
    cells = {c.slug: c for c in (reference, cell.baseline, cell)}
    repeated = [reference.slug, *([] if cache is None else [cell.baseline.slug])]
    session = new_session(
        folder, {slug: slug for slug in cells}, model="dit-mnist", batch=1, protocol="4", reference=reference.slug,
        repeated=repeated, machine={},
    )  # fmt: skip
    session.write()
    tasks = tuple(Task(c, reference, Settings(), ".", ()) for c in cells.values())
    model = build_model(tasks[0])
    whole = uncached(steps, model.num_branches)
    plan = whole if cache is None else make_plan(model, cell.sampler.method, cache.method)
    macs, baseline = plan_macs(model, plan), plan_macs(model, whole)
    work = {cell.slug: {"macs": 2 * macs, "macs_baseline": 2 * baseline, "macs_ratio": macs / baseline}}
    order = SessionOrder(str(session.path), tasks, work)
    assert time_session(order, reporter or Phases())["timings"] is None, "one process is not enough"
    return time_session(order, reporter or Phases())["timings"][cell.slug]


def test_telemetry_energy_and_other_processes_reach_the_result(monkeypatch, tmp_path):
    nvml = FakeNvml()
    nvml.pids = [99999998, 99999999]
    phases = Phases()
    timing = timed(monkeypatch, nvml, tmp_path, reporter=phases)
    assert set(phases.names) == {"timing batch 1"}
    assert timing["energy_j"] == 0
    assert {"code": "gpu-shared", "processes": 1} in timing["flags"]
    assert timing["telemetry"] is None or timing["telemetry"]["sm_mhz"] == [1980, 1980]
    assert "others" not in timing
    assert timing["speedup"] is timing["roofline"] is timing["speedup_ideal"] is None
    assert timing["speedup_reference"]["median"] > 0


def test_a_counter_of_energy_that_is_not_there_is_no_number(monkeypatch, tmp_path):
    nvml = FakeNvml()

    def refuse(handle):
        raise nvml.NVMLError("not supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    found = timed(monkeypatch, nvml, tmp_path, cache=Part("fora", {"interval": 2}))
    assert found["energy_j"] is None
    assert found["speedup"]["median"] > 0
    assert 1 <= found["roofline"]["speedup"] <= found["speedup_ideal"]
    assert found["speedup_reference"] is None


def test_a_policys_roofline_is_of_the_plan_that_it_took(monkeypatch, tmp_path):
    found = timed(monkeypatch, FakeNvml(), tmp_path, steps=6, cache=Part("teacache", {"threshold": 10.0}))
    assert found["roofline"]["speedup"] > 1.5, "before it has decided, everything is computed"


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
