"""A clock that only fake calls advance, and a machine that does what a test says."""

from collections.abc import Callable, Iterator

from bench.machine_load import Usage

MS = 1_000_000  # nanoseconds


class FakeMachine:
    """Stands in for the clock and for bench.machine_load.Machine."""

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
