"""One job in one child process: whatever happens in it, the run goes on."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import torch

from bench import plugins
from bench.host.files import OutputError
from bench.host.output import redirect_output
from bench.host.parent import end_with_parent
from bench.measure.cell import fill_share, measure, sample_ahead
from bench.measure.outcome import outcome_of
from bench.measure.session import time_largest, time_session
from bench.measure.task import Job, LargestOrder, Reporter, SessionOrder, Task, task_of
from bench.run.executor import Place
from bench.store.directory import Store


def main(job: Job, pipe: connection.Connection, place: Place) -> None:
    """Entry of the child process: sends ("result", dict) or ("output error", text), then ends."""
    detach()
    place.settle()
    try:
        redirect_output(log_path(job))
        pipe.send(("result", run(job, Reporter(pipe))))
    except OutputError as error:
        pipe.send(("output error", str(error)))
    finally:
        pipe.close()


def run(job: Job, reporter: Reporter) -> dict[str, Any]:
    """What the job found, with status and reason."""
    task = task_of(job)
    try:
        torch.set_num_threads(task.settings.threads)
        plugins.load(list(task.plugins))
        if isinstance(job, Task) and job.cell.broken:
            return {"status": "failed", "reason": job.cell.broken}
        return {"status": "ok", "reason": None, **work(job, reporter)}
    except OutputError:
        raise
    except BaseException as error:  # a method may raise anything, SystemExit too; the log keeps the traceback
        status, reason = outcome_of(error)
        if status != "unsupported":
            traceback.print_exc()
        return {"status": status, "reason": reason}


def work(job: Job, reporter: Reporter) -> dict[str, Any]:
    match job:
        case SessionOrder():
            return time_session(job, reporter)
        case LargestOrder():
            return time_largest(job, reporter)
        case Task(ahead=True):
            return sample_ahead(job, reporter)
        case Task(share=None):
            return measure(job, reporter)
        case _:
            return fill_share(job, reporter)


def log_path(job: Job) -> Path:
    """Where what methods and libraries print goes, so that stdout holds results only."""
    task = task_of(job)
    path = Store(task.directory).log_path(task.cell)
    match job:
        case SessionOrder():
            return path.with_name(f"{Path(job.path).stem}.log")
        case LargestOrder():
            return path.with_name(f"{task.cell.slug}.largest.log")
        case _:
            return path


def detach() -> None:
    """A process group of its own, which dies with the parent: the terminal's Ctrl-C is the parent's business."""
    os.setsid()
    end_with_parent()  # also where a method holds the interpreter's lock; on other systems the thread sees to it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()


def die_with_parent() -> None:
    """A parent that was killed cannot tell; its end of a pipe closes."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
