"""A worker: takes one order after the other, runs each in a process of its own, and says how it ended."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from bench import plugins
from bench.host.environment import environment
from bench.host.files import OutputError, write_json
from bench.run.child import Child, Server
from bench.run.remote.equality import cell_difference, difference, signature
from bench.run.remote.letters import (
    ALIVE,
    DRIVER,
    FACTS,
    HELLO,
    LOG,
    REFUSED,
    STOP,
    Beat,
    Letters,
    Pulse,
    host,
    is_running,
    read,
)
from bench.run.remote.orders import facts_of, job_of
from bench.run.request import RunFacts
from bench.run.worker import redirect_output
from bench.suite import file as suite_file
from models.errors import InputError

IDLE = 0.1  # seconds between two looks for an order
PHASE = 0.5  # seconds between two reports of how far a cell is


def main(folder: str, number: str) -> int:
    """Be worker `number` of the run in this folder until the run or whoever started the worker ends."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # children die with their parent
    letters, told = Letters(Path(folder), number), read(Path(folder) / FACTS)
    redirect_output(letters.folder / LOG)
    if told is None:
        print("the run is over")
        return 1
    try:
        work = Work(letters, told)
    except (InputError, OSError) as error:
        write_json(letters.folder / REFUSED, {"reason": " ".join(str(error).split())})
        return 2
    with closing(work.server):
        work.go_on()
    return 0


class Work:
    """Raises InputError where the worker is not what the driver is."""

    def __init__(self, letters: Letters, told: dict[str, Any]) -> None:
        self.letters, self.told, self.facts = letters, told, facts_of(told)
        self.parent, self.run = os.getppid(), letters.folder.parent
        self.beat, self.pulse = Beat(letters.folder / ALIVE), Pulse(self.run / DRIVER)
        self.beat.give()
        require_equal(told)
        self.suite = load_suite(self.facts)
        self.server = Server(self.facts.settings.threads)
        facts = environment(self.facts.settings.device)
        write_json(letters.folder / HELLO, {"incarnation": uuid.uuid4().hex, "environment": facts})

    def goes_on(self) -> bool:
        """Whether somebody still waits for answers; says meanwhile that this worker lives."""
        self.beat.give()
        if (self.run / STOP).exists() or os.getppid() != self.parent or not self.pulse.is_there():
            return False
        return self.told["host"] != host() or is_running(self.told["pid"])

    def go_on(self) -> None:
        while self.goes_on():
            orders = self.letters.open_orders()
            if not orders:
                time.sleep(IDLE)
                continue
            answer = self.answer(orders[0])
            if answer is not None:
                write_json(self.letters.answer(orders[0]), answer)

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
        with self.letters.messages(number).open("a", encoding="utf-8") as file:
            while child.result is None:
                self.server.wait([child], timeout=0.2)
                for message in child.messages():
                    if message[0] != "phase" or time.monotonic() - said > PHASE:
                        said = time.monotonic()
                        file.write(json.dumps(message) + "\n")
                        file.flush()
                child.hold_to_limit()
                if not self.goes_on() or not self.letters.order(number).exists():
                    return None
        return {"result": child.result, "seconds": child.seconds}


def require_equal(told: dict[str, Any]) -> None:
    os.chdir(told["cwd"])  # paths in the suite are relative to the driver's
    reason = difference(signature(), told["signature"])
    if reason is not None:
        raise InputError(reason)


def load_suite(facts: RunFacts) -> suite_file.Suite:
    """The suite with its plugins and weights. Raises InputError where it is another one here."""
    suite = suite_file.load(facts.suite, plugins.load(list(facts.plugins)), facts.overrides)
    if suite.sha256 != facts.sha256:
        raise InputError(f"{facts.suite}: another file there than here")
    return suite
