"""The driver's side of workers elsewhere: who is there, who has which order, and what becomes of one whose worker died.

However the workers are started, they are alike: a launcher starts a command line and says when it is over.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.host.notice import say
from bench.host.places import REPOSITORY
from bench.measure.task import Job, Task
from bench.run.executor import MACHINE, Executor, Running
from bench.run.remote.equality import signature
from bench.run.remote.letters import ALIVE, DRIVER, HELLO, REFUSED, STOP, Beat, Letters, Pulse, open_run, read
from bench.run.remote.order import MAX_LOSSES, Order
from bench.run.remote.orders import facts_to_json
from bench.run.request import RunFacts
from bench.store.directory import WORKERS
from models.errors import InputError

LOOK = 0.1  # seconds between two looks at the answers
FAREWELL = 5.0  # seconds that workers have to end by themselves, and then to be ended
REFUSED_FOR, AGAIN = 600.0, 30.0  # seconds that a run without workers is refused new ones; between two attempts
CARRIED = ("DITBENCH_", "PYTORCH_", "TORCH_", "MALLOC_", "OMP_", "MKL_", "CUBLAS_", "HF_HOME", "XDG_CACHE_HOME")


class Launched(Protocol):
    """A command line that was started: what fits of concurrent.futures.Future."""

    def done(self) -> bool: ...

    def cancel(self) -> object: ...


class NotLaunched(InputError):
    """Nothing could be started: the words are wrong, or who starts it is away for a while."""


class Launcher(Protocol):
    """Starts command lines somewhere, each on a device of its own. `launch` raises NotLaunched."""

    def launch(self, command: list[str]) -> Launched: ...

    def close(self) -> None: ...


class Hand:
    """One worker as the driver knows it; it is `up` once it has said hello, until it is lost."""

    def __init__(self, run: Path, number: int, launcher: Launcher) -> None:
        self.number, self.letters = number, Letters(run, number)
        self.pulse, self.incarnation = Pulse(self.letters.folder / ALIVE), ""
        self.environment: dict[str, Any] = {}
        self.launched = launcher.launch(command_line(run, number))

    @property
    def up(self) -> bool:
        return bool(self.incarnation)

    @property
    def machine(self) -> dict[str, Any]:
        return {name: self.environment.get(name) for name in MACHINE}

    def gone(self) -> bool:
        """Whether it has ended, as it says itself or as whoever started it knows, which may take a minute."""
        return self.launched.done() or self.letters.said_bye()

    def lost(self) -> bool:
        """Whether what it was at is lost: it ended, was started again elsewhere, or gives no sign of life.

        Raises InputError where it refuses to work for this driver.
        """
        refused = read(self.letters.folder / REFUSED)
        if refused is not None:
            raise InputError(f"worker {self.number} is not what the driver is: {refused['reason']}")
        before, hello = self.incarnation, read(self.letters.folder / HELLO)
        if hello is not None:  # once it is there it stays, but its file system may be away
            self.incarnation, self.environment = hello["incarnation"], hello["environment"]
        if self.launched.done() or (self.up and not self.pulse.is_there()):
            self.incarnation = ""
            return True
        return before not in ("", self.incarnation)


def command_line(run: Path, number: int) -> list[str]:
    """What starts a worker anywhere: this Python, this code, and the variables that numbers may depend on."""
    carried = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(CARRIED)]
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return ["env", *carried, f"PYTHONPATH={path}", sys.executable, "-m", "bench.run.remote", str(run), str(number)]


class Fleet(Executor):
    """`count` workers; one that ends is started again, and its order goes to whoever is free."""

    def __init__(self, facts: RunFacts, launcher: Launcher, count: int) -> None:
        self.facts, self.launcher, self.count = facts, launcher, count
        self.hands: list[Hand] = []
        self.orders: list[Order] = []
        self.timed_on: dict[str, Any] | None = None
        self.started, self.failures, self.given = 0, 0, 0
        self.seen: float | None = None  # when a worker was up
        self.again = 0.0  # when another attempt may be made, where the last one was refused

    @property
    def slots(self) -> int:
        return sum(hand.up for hand in self.hands)

    def start(self, job: Job) -> Order:
        self.orders.append(Order(job))
        self.look()
        return self.orders[-1]

    def wait(self, running: Sequence[Running], timeout: float) -> None:
        end = time.monotonic() + timeout
        self.look()
        slots = self.slots
        while time.monotonic() < end and slots == self.slots:
            if any(order.has_news() for order in self.orders):
                return
            time.sleep(LOOK)
            self.look()

    def machine(self, device: str) -> dict[str, Any]:
        while self.timed_on is None:
            self.look()
            self.timed_on = next((hand.environment for hand in self.hands if hand.up), None)
            time.sleep(LOOK)
        return self.timed_on

    def look(self) -> None:
        """See who is there; start who is missing; give orders that nobody has to those who are free."""
        if not self.started:
            facts = {**facts_to_json(self.facts), "signature": signature()}
            self.run = open_run(self.facts.directory, uuid.uuid4().hex[:12], facts)
            self.beat = Beat(self.run / DRIVER)
        self.beat.give()
        self.orders = [order for order in self.orders if order.result is None]
        for hand in list(self.hands):
            was_up = hand.up
            if hand.lost():
                self.lose(hand, was_up)
        self.seen = time.monotonic() if self.slots else self.seen
        while len(self.hands) < self.count and time.monotonic() >= self.again:
            self.hire()
        for order in [order for order in self.orders if order.letters is None and order.result is None]:
            self.give(order)

    def hire(self) -> None:
        """Start one more, later where that is refused. Raises NotLaunched where no worker is there, nor was of late."""
        number, self.started = self.started, self.started + 1
        try:
            self.hands.append(Hand(self.run, number, self.launcher))
            self.again = 0.0
        except NotLaunched as refused:
            if not self.hands and (self.seen is None or time.monotonic() - self.seen > REFUSED_FOR):
                raise
            if not self.again:
                say(f"{refused}; it is tried every {AGAIN:g} s")
            self.again = time.monotonic() + AGAIN

    def lose(self, hand: Hand, was_up: bool) -> None:
        """Take a worker's orders back. Raises InputError where workers end again and again before they are up."""
        for order in self.orders:
            if order.letters is hand.letters:
                order.lose(hand.environment)
        if not hand.launched.done():
            return  # started again elsewhere, or silent: it may come back
        self.hands.remove(hand)
        self.failures = 0 if was_up else self.failures + 1
        if self.failures >= MAX_LOSSES * self.count:
            raise InputError(f"workers end before they can begin; the last one: {hand.letters.last_line()}")

    def give(self, order: Order) -> None:
        busy = [other.letters for other in self.orders]
        for hand in self.hands:
            fits = isinstance(order.job, Task) or self.timed_on is None or hand.machine == machine(self.timed_on)
            if hand.up and hand.letters not in busy and fits:
                self.given += 1
                return order.give(hand.letters, self.given, hand.environment)

    def close(self) -> None:
        """Tell all workers to end; those that wait in a queue or do not hear are ended."""
        if self.started:
            with contextlib.suppress(OSError):
                (self.run / STOP).touch()
            self.part([hand for hand in self.hands if not hand.up])
            self.wait_until(lambda hand: hand.gone())
            self.part([hand for hand in self.hands if not hand.gone()])
            self.wait_until(lambda hand: hand.launched.done())
        self.launcher.close()
        shutil.rmtree(Path(self.facts.directory) / WORKERS, ignore_errors=True)

    def part(self, hands: list[Hand]) -> None:
        for hand in hands:
            if not hand.launched.done():
                hand.launched.cancel()

    def wait_until(self, is_over: Callable[[Hand], bool]) -> None:
        end = time.monotonic() + FAREWELL
        while time.monotonic() < end and not all(is_over(hand) for hand in self.hands):
            time.sleep(LOOK)


def machine(environment: dict[str, Any]) -> dict[str, Any]:
    """What makes a machine another one for a timing."""
    return {name: environment.get(name) for name in MACHINE}
