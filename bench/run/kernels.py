"""`--kernels measured` made a fact before anything runs: decided once, by whoever drives the run, then a setting like
any other, which its directory records, every process is handed and every contender shares.

Kernels round differently: a process that decided for itself could make other samples than the one beside it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bench.sampling.compiled.onednn import BLAS, MEASURED
from bench.schema.cell import read_json
from bench.store.directory import flat
from bench.suite.cells import Settings


def settled(settings: Settings, directory: Path | None = None) -> Settings:
    """The settings with kernels that are named: those of the run in the directory, else the faster ones here."""
    execution = settings.execution
    if execution.kernels != MEASURED:
        return settings
    found = recorded(directory) or faster(settings)
    print(f"ditbench: --kernels measured: {found}", file=sys.stderr)
    return replace(settings, execution=replace(execution, kernels=found))


def recorded(directory: Path | None) -> str | None:
    """The kernels of the run in a directory; None where there is no run."""
    path = directory and directory / "suite.json"
    if path is None or not path.exists():
        return None
    return str(flat(read_json(path)).get("settings.execution.kernels", BLAS))


def faster(settings: Settings) -> str:
    """As measured here in the run's dtype and with its threads."""
    import torch

    from bench.measure.timing.stopwatch import quiet_interpreter
    from bench.sampling.compiled.onednn import measured

    if settings.device != "cpu":
        return BLAS
    with quiet_interpreter(settings.threads):
        return measured(getattr(torch, settings.dtype))
