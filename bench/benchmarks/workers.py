"""How much faster several workers sample than one, and what the driver costs.

`nice python -m bench.benchmarks.workers SUITE EXPR WHERE…` samples the cells that EXPR selects once on each WHERE, as
`--on` takes it, in the stated order, and prints seconds: state a place twice, as in `local:1 local:2 local:2 local:1`,
and see what the machine's other work does to them. Nothing is timed or kept.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time

from bench.host.progress import Progress
from bench.run import executors
from bench.run.records import Records, label, weight
from bench.run.request import RunFacts, parse
from bench.run.suite_run import SuiteRun
from bench.store.directory import Store
from bench.suite import file as suite
from bench.suite.cells import Settings
from bench.suite.selection import select


def main(name: str, only: str, *places: str) -> None:
    for place in places:
        with tempfile.TemporaryDirectory() as folder:
            wall, driver = sampling(name, only, place, folder)
        print(f"{place}: {wall:.1f} s; the driver's processor time: {driver:.2f} s, {driver / wall:.1%}", flush=True)


def sampling(name: str, only: str, place: str, folder: str) -> tuple[float, float]:
    """Seconds from the first start of a cell to the last end, and those of this process's processor."""
    chosen, settings, store = suite.load(name), Settings(), Store(folder)
    facts = RunFacts(str(suite.find(name).resolve()), chosen.sha256, {}, (), settings, str(store.directory.resolve()))
    with store.exclusive(), contextlib.closing(executors.opened(parse(place), facts)) as executor:
        store.open(chosen, settings, [])
        records = Records(store, chosen.name, settings, executor.machine)
        run = SuiteRun(chosen, select(chosen, only), settings, records, [], [])
        run.progress = Progress({label(cell): weight(cell) for cell in run.cells})
        wall, driver = time.perf_counter(), time.process_time()
        run.sample(executor)
        return time.perf_counter() - wall, time.process_time() - driver


if __name__ == "__main__":
    main(*sys.argv[1:])
