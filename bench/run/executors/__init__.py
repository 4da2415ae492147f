"""Where the jobs of a run may be run, one file each: `--on NAME` takes the file of that name.

A file defines HELP, one line; HERE, whether its workers' devices are this machine's; `check(on)`, which raises
InputError for options that it does not take; and `opened(on, facts)`, which returns a bench.run.executor.Executor or
raises InputError. Packages that it needs are imported within `opened`.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from bench.run.executor import Executor
from bench.run.request import On, RunFacts
from models.errors import expect_one_of


def names() -> list[str]:
    """The executors, from the files that are there."""
    return sorted(info.name for info in pkgutil.iter_modules(__path__))


def find(name: str) -> ModuleType:
    """The file of an executor. Raises InputError for an unknown name."""
    expect_one_of("--on: executor", name, names())
    return importlib.import_module(f"{__name__}.{name}")


def helps() -> list[str]:
    """What each takes, in one line."""
    return [str(find(name).HELP) for name in names()]


def opened(on: On, facts: RunFacts) -> Executor:
    """The executor that `--on` names. Raises InputError where it cannot be had: a package or a device is missing."""
    executor: Executor = find(on.name).opened(on, facts)
    return executor
