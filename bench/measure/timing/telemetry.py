"""What a GPU did meanwhile: clocks, temperature, power, energy, throttling, other processes; through NVML.

Only read, never set. Everything here is absent on a machine without an NVIDIA GPU or without nvidia-ml-py.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

INTERVAL = 0.1  # seconds between readings
CLOCK_SPREAD = 0.03  # of the SM clock within a round: more counts as throttled
REASONS = {  # bits of nvmlDeviceGetCurrentClocksEventReasons
    0x1: "idle", 0x2: "clocks set", 0x4: "power cap", 0x8: "hardware slowdown", 0x10: "sync boost",
    0x20: "thermal (software)", 0x40: "thermal (hardware)", 0x80: "power brake", 0x100: "display clocks",
}  # fmt: skip
THERMAL = 0x8 | 0x20 | 0x40


@dataclass(frozen=True)
class Reading:
    """One look at a GPU; `at_ns` on time.perf_counter_ns."""

    at_ns: int
    sm_mhz: int
    memory_mhz: int
    power_w: float
    temperature_c: int
    reasons: int  # bits, see REASONS


class Gpu:
    """One GPU, by its UUID. `nvml` is the module pynvml, initialised. Raises its NVMLError where it is unknown."""

    def __init__(self, nvml: Any, uuid: str) -> None:
        self.nvml, self.handle = nvml, nvml.nvmlDeviceGetHandleByUUID(uuid)

    def read(self) -> Reading:
        nvml, handle = self.nvml, self.handle
        return Reading(
            time.perf_counter_ns(),
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
            nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,  # mW
            nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
        )

    def energy_j(self) -> float:
        """Joules since the driver was loaded."""
        return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3  # mJ

    def others(self) -> int:
        """Processes that compute on the GPU besides this one, which does.

        In a container NVML numbers processes as the host does: where our number is missing, one of them is ours.
        """
        running = [process.pid for process in self.nvml.nvmlDeviceGetComputeRunningProcesses(self.handle)]
        return max(0, len(running) - 1) if os.getpid() not in running else len(set(running)) - 1


class Recorder:
    """Reads a GPU ten times a second in a thread of its own, between `start` and `stop`."""

    def __init__(self, read: Callable[[], Reading], interval: float = INTERVAL) -> None:
        self.read, self.interval = read, interval
        self.readings: list[Reading] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.readings.append(self.read())
            except Exception:  # an NVMLError: telemetry is lost, the measurement goes on
                return
            self._ended.wait(self.interval)

    def summary(self, start_ns: int, end_ns: int) -> dict[str, Any] | None:
        """What the readings between two times say; None where there is none."""
        readings = [r for r in list(self.readings) if start_ns <= r.at_ns <= end_ns]
        return summarise(readings) if readings else None


def summarise(readings: list[Reading]) -> dict[str, Any]:
    """Ranges and means of readings, at least one; `throttled` by the rule of docs/protocol.md."""
    sm = [r.sm_mhz for r in readings]
    bits = 0
    for reading in readings:
        bits |= reading.reasons
    return {
        "readings": len(readings),
        "sm_mhz": [min(sm), max(sm)],
        "memory_mhz": [min(r.memory_mhz for r in readings), max(r.memory_mhz for r in readings)],
        "power_w": round(fmean(r.power_w for r in readings), 1),
        "temperature_c": max(r.temperature_c for r in readings),
        "reasons": [name for bit, name in REASONS.items() if bits & bit],
        "throttled": max(sm) - min(sm) > CLOCK_SPREAD * max(sm) or bool(bits & THERMAL),
    }


def find(device: str) -> Gpu | None:
    """The GPU of a torch device; None on a CPU, and where NVML cannot be asked."""
    if not device.startswith("cuda"):
        return None
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        return Gpu(pynvml, f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    except Exception:  # not installed, no driver, or a torch that does not tell the UUID
        return None


@contextmanager
def recording(gpu: Gpu | None) -> Iterator[Recorder | None]:
    """A recorder at work; None without a GPU."""
    if gpu is None:
        yield None
        return
    recorder = Recorder(gpu.read)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop()


def joules_per_call(
    gpu: Gpu, call: Callable[[], object], seconds: float, clock: Callable[[], int] = time.perf_counter_ns
) -> float:
    """Energy of one synchronous `call`, from the GPU's counter over at least `seconds`; idle power included.

    The counter moves every 20 to 100 ms, so the window must be long: 10 s resolve it to 1 %.
    """
    before, start, calls = gpu.energy_j(), clock(), 0
    while not calls or clock() - start < seconds * 1e9:
        call()
        calls += 1
    return (gpu.energy_j() - before) / calls
