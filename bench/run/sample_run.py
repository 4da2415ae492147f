"""A suite's samples, made by one worker or by several that need not talk: each takes every n-th shard of every cell."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from bench import plugins
from bench.host.progress import Progress, duration
from bench.measure.samples.instruments import check_instruments
from bench.measure.task import Share, Task
from bench.run import rehearsal
from bench.run.child import Server
from bench.run.kernels import settled
from bench.run.records import FAILURES, drop_empty_log, label, weight
from bench.run.scheduler import Scheduler
from bench.sampling.compiled.onednn import MEASURED
from bench.store.directory import Store
from bench.suite.cells import Cell, Settings
from bench.suite.selection import select
from bench.suite.weights import find_weights, has_quality
from models.errors import InputError


class Launcher(NamedTuple):
    """What starts processes; in which variables it says rank, number of processes and rank on the machine."""

    name: str
    rank: str
    size: str
    local: str


LAUNCHERS = (
    Launcher("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
    Launcher("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),  # Open MPI's
    Launcher("mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),  # MPICH's or Intel's
    Launcher("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
)


def sample_suite(
    name: str,
    out: str | None,
    only: str | None,
    settings: Settings,
    plugin_files: list[str] | None,
    overrides: dict[str, dict[str, Any]],
    share: Share,
) -> int:
    """Make this worker's share of the samples of the chosen cells; returns the exit code.

    Cells are sampled one after the other, each in a process of its own; one that fails does not stop the others.
    """
    files = plugins.files(plugin_files)
    chosen, sound, _ = rehearsal.prepared(name, files, overrides)
    cells = [cell for cell in select(chosen, only) if cell.protocol.samples]
    if not has_quality(settings) or not cells:
        raise InputError(f"suite '{chosen.name}' has nothing to sample: {'random weights' if cells else 'samples = 0'}")
    store = Store(out if out is not None else Path("runs") / chosen.name)
    if share.of > 1 and settings.execution.kernels == MEASURED:
        raise InputError(f"sample: --kernels measured: each of {share.of} workers would measure; name blas or onednn")
    settings = settled(settings, store.directory)
    find_weights(cells, settings)
    check_instruments(cells, settings)
    with store.shared():
        store.open(chosen, settings, files)
        folder = str(store.directory.resolve())
        references = chosen.references
        tasks = [Task(cell, references.get(cell.model), settings, folder, tuple(sound), share) for cell in cells]
        statuses = execute(store, tasks, settings, share)
    return 1 if any(status in FAILURES for status in statuses) else 0


def execute(store: Store, tasks: list[Task], settings: Settings, share: Share) -> list[str]:
    """Run the tasks one after the other; returns their statuses. Worker 0 shows the progress, which is all workers'."""
    statuses: list[str] = []
    with ExitStack() as stack:
        stream = sys.stderr if share.number == 0 else stack.enter_context(open(os.devnull, "w"))
        progress = Progress({label(task.cell): weight(task.cell) for task in tasks}, stream)
        stack.callback(progress.close)

        def finished(cell: Cell, result: dict[str, Any], seconds: float) -> None:
            drop_empty_log(store.log_path(cell))
            statuses.append(result["status"])
            said = f"sampled in {duration(seconds)}" if result["status"] == "ok" else result["status"]
            progress.finish(label(cell), said + (f": {result['reason']}" if result["reason"] else ""))

        server = stack.enter_context(closing(Server(settings.threads)))
        Scheduler(server).run(tasks, finished, lambda cell, phase, done: progress.phase(label(cell), phase, done))
    return statuses


def launcher() -> Launcher:
    """Who started this process; torchrun where nobody says so.

    A batch script that was not started by srun is one process, however many tasks its job has. mpirun may start its own
    helpers by srun, so what it says comes first.
    """
    return next((one for one in LAUNCHERS if one.size in os.environ), LAUNCHERS[0])


def worker_share() -> Share:
    """This process's place among the workers of a launcher; alone without. Raises InputError for a wrong one."""
    name, rank, size, _ = launcher()
    try:
        number, of = int(os.environ.get(rank, "0")), int(os.environ.get(size, "1"))
    except ValueError:
        raise InputError(f"{rank} and {size} must be integers, as {name} sets them") from None
    if of < 1:
        raise InputError(f"{size} must be at least 1, got {of}")
    if not 0 <= number < of:
        raise InputError(f"{rank} must lie in 0..{of - 1}, got {number}")
    return Share(number, of)


def own_device(device: str) -> None:
    """Let this worker and its children see the GPU of its local rank only, as `cuda`; results do not depend on it.

    Must be called before torch has looked for GPUs. Raises InputError for a numbered device under a launcher.
    """
    name, *_, variable = launcher()
    local = os.environ.get(variable)
    if local is None or not device.startswith("cuda"):
        return
    if device != "cuda":
        raise InputError(f"--device {device}: under {name} each worker takes its own GPU; say --device cuda")
    if not (local.isascii() and local.isdigit()):
        raise InputError(f"{variable} must be an integer, got '{local}'")
    visible = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    if visible and int(local) >= len(visible):
        raise InputError(f"{variable} {local}: only {len(visible)} GPUs are visible")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(local)] if visible else local
