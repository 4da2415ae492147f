"""`python -m bench.run.remote FOLDER NUMBER`: be this worker of a run. Started by executors, not by people."""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from bench.host import offspring
from bench.host.output import redirect_output
from bench.run.remote.driver import Driver
from bench.run.remote.letters import FACTS, LOG, Letters, read


def main(run: Path, number: str) -> int:
    """Be worker `number` of the run in this folder until the run or whoever started the worker ends."""
    offspring.adopt()
    signal.signal(signal.SIGTERM, lambda *_: end(143))
    told = read(run / FACTS)
    if told is None:
        print("the run is over")
        return 1
    letters, driver = Letters(run, number), Driver(run, told)
    redirect_output(letters.folder / LOG)
    with driver.watched():
        from bench.run.remote import workplace  # imports torch

        work = workplace.opened(letters, told, driver)
    return 2 if work is None else work.go_on()


def end(code: int) -> NoReturn:
    """At once: all is written, and torch's own end takes seconds, which somebody waits for."""
    offspring.end_all()
    os._exit(code)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    end(code)
