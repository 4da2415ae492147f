"""`python -m bench.run.remote FOLDER NUMBER`: be this worker of a run. Started by executors, not by people."""

import os
import signal
import sys
from pathlib import Path

from bench.host.output import redirect_output
from bench.run.remote.driver import Driver
from bench.run.remote.letters import FACTS, LOG, Letters, read


def main(run: Path, number: str) -> int:
    """Be worker `number` of the run in this folder until the run or whoever started the worker ends."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # children die with their parent
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


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    os._exit(code)  # all is written and all children are ended: torch takes seconds to go, which somebody waits for
