"""A clock that only fake calls advance, and a machine that does what a test says."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

from bench.measure.timing.machine_load import Usage

MS = 1_000_000  # nanoseconds


class FakeMachine:
    """Stands in for the clock and for bench.measure.timing.machine_load.Machine."""

    def __init__(self) -> None:
        self.now = 0
        self.process_ns = 0
        self.preemptions: int | None = 0
        self.calls: list[str] = []

    def clock(self) -> int:
        return self.now

    def load(self) -> float:
        return 0.5

    def usage(self) -> Usage:
        return Usage(self.process_ns, self.preemptions)

    def call(self, name: str, milliseconds: float | Iterator[float], busy: float = 1.0) -> Callable[[], None]:
        """A call that takes `milliseconds` (or the next of them), `busy` of it on the processor."""

        def run() -> None:
            self.calls.append(name)
            wall = int((next(milliseconds) if isinstance(milliseconds, Iterator) else milliseconds) * MS)
            self.now += wall
            self.process_ns += int(wall * busy)

        return run


NVML_UUID = "GPU-fake"


class FakeNvml:
    """Stands in for the module pynvml with one GPU; every attribute may be changed by a test."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self) -> None:
        self.sm, self.power_mw, self.reasons, self.energy_mj = 1980, 700_000, 0, 0
        self.pids = [1]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != NVML_UUID:
            raise self.NVMLError("not found")
        return "handle"

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:
        return self.sm if kind == self.NVML_CLOCK_SM else 2619

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return self.power_mw

    def nvmlDeviceGetTemperature(self, handle: str, kind: int) -> int:
        return 61

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:
        return self.reasons

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return self.energy_mj

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in self.pids]
