"""A worker: takes one order after the other, runs each in a process of its own, and says how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from typing import Any

from bench import plugins
from bench.host.environment import environment
from bench.host.files import OutputError, write_json
from bench.host.patience import patiently
from bench.run import rehearsal, strays
from bench.run.child import Child, Server
from bench.run.remote.driver import Driver
from bench.run.remote.equality import cell_difference, difference, signature
from bench.run.remote.letters import ALIVE, BYE, HELLO, REFUSED, Beat, Letters, present, read
from bench.run.remote.orders import facts_of, job_of
from bench.run.request import RunFacts
from bench.suite import file as suite_file
from models.errors import InputError

IDLE = 0.1  # seconds between two looks for an order
PHASE = 0.5  # seconds between two reports of how far a cell is


def opened(letters: Letters, told: dict[str, Any], driver: Driver) -> Work | None:
    """A worker that has said hello; None where it refuses, and has said why."""
    try:
        return Work(letters, told, driver)
    except (InputError, OSError) as error:
        write_json(letters.folder / REFUSED, {"reason": " ".join(str(error).split())})
        return None


class Work:
    """Raises InputError where the worker is not what the driver is."""

    def __init__(self, letters: Letters, told: dict[str, Any], driver: Driver) -> None:
        self.letters, self.facts, self.driver = letters, facts_of(told), driver
        self.beat = Beat(letters.folder / ALIVE)
        self.beat.give()
        require_equal(told)
        strays.mark()  # also of what a plugin starts while it is imported
        self.suite = load_suite(self.facts)
        self.server = Server(self.facts.settings.threads)
        facts = environment(self.facts.settings.device)
        write_json(letters.folder / HELLO, {"incarnation": uuid.uuid4().hex, "environment": facts})

    def goes_on(self) -> bool:
        """Whether somebody still waits for answers; says meanwhile that this worker lives."""
        self.beat.give()
        return self.driver.waits()

    def go_on(self) -> int:
        """Work until nobody waits any more; returns the exit code."""
        with contextlib.closing(self.server):
            while self.goes_on():
                orders = patiently(self.letters.open_orders)
                if not orders:
                    time.sleep(IDLE)
                    continue
                answer = self.answer(orders[0])
                if answer is not None:
                    write_json(self.letters.answer(orders[0]), answer)
        with contextlib.suppress(OSError):  # whoever would read it may be gone, and the folder, too
            (self.letters.folder / BYE).touch()
        return 0

    def answer(self, number: int) -> dict[str, Any] | None:
        """How an order ended; None where it was taken back or the run is over."""
        order = read(self.letters.order(number))
        if order is None:
            return None
        reason = cell_difference(order, self.suite, self.facts)
        if reason is not None:
            return {"refused": reason}
        child = self.server.start(job_of(order, self.suite, self.facts))
        try:
            return self.result(child, number)
        except OutputError as error:
            return {"output error": str(error)}
        finally:
            child.kill()

    def result(self, child: Child, number: int) -> dict[str, Any] | None:
        said = 0.0
        with patiently(lambda: self.letters.messages(number).open("a", encoding="utf-8")) as file:
            while child.result is None:
                self.server.wait([child], timeout=0.2)
                for message in child.messages():
                    if message[0] != "phase" or time.monotonic() - said > PHASE:
                        said = time.monotonic()
                        file.write(json.dumps(message) + "\n")
                        patiently(file.flush)
                child.hold_to_limit()
                if not self.goes_on() or present(self.letters.order(number)) is False:
                    return None
        return {"result": child.result, "seconds": child.seconds}


def require_equal(told: dict[str, Any]) -> None:
    os.chdir(told["cwd"])  # paths in the suite are relative to the driver's
    reason = difference(signature(), told["signature"])
    if reason is not None:
        raise InputError(reason)


def load_suite(facts: RunFacts) -> suite_file.Suite:
    """The suite with its plugins and weights. Raises InputError where it is another one here."""
    broken = facts.broken | plugins.load(list(facts.plugins))
    rehearsal.forget(broken)
    suite = suite_file.load(facts.suite, broken, facts.overrides)
    if suite.sha256 != facts.sha256:
        raise InputError(f"{facts.suite}: another file there than here")
    return suite
