"""One cell in one child process: whatever happens in it, the run goes on."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from multiprocessing import connection, parent_process
from typing import Any

import torch

from bench import plugins
from bench.host.files import OutputError, make_folder
from bench.measure.cell import Unsupported, fill_share, measure
from bench.measure.memory import is_out_of_memory
from bench.measure.task import Reporter, Task
from bench.store.directory import Store
from models.errors import InputError

REASON = 300  # most characters of a reason; the log has the rest


def main(task: Task, pipe: connection.Connection) -> None:
    """Entry of the child process: sends ("result", dict) or ("output error", text), then ends."""
    detach()
    try:
        redirect_output(task)
        pipe.send(("result", run(task, Reporter(pipe))))
    except OutputError as error:
        pipe.send(("output error", str(error)))
    finally:
        pipe.close()


def run(task: Task, reporter: Reporter) -> dict[str, Any]:
    """The cell's measurements with status and reason."""
    try:
        torch.set_num_threads(task.settings.threads)
        broken = plugins.load(list(task.plugins))
        if task.cell.broken:
            return failed("; ".join(broken.values()) or task.cell.broken)
        work = measure if task.share is None else fill_share
        return {"status": "ok", "reason": None, **work(task, reporter)}
    except OutputError:
        raise
    except Unsupported as error:
        return {"status": "unsupported", "reason": one_line(error)}
    except BaseException as error:  # a method may raise anything, SystemExit too; the log keeps the traceback
        traceback.print_exc()
        return {"status": "oom", "reason": one_line(error)} if is_out_of_memory(error) else failed(one_line(error))


def failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": reason}


def one_line(error: BaseException) -> str:
    """The reason that a result gives: the message alone where it was written for the user."""
    text = " ".join(str(error).split())
    if not isinstance(error, InputError | Unsupported):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text[:REASON]


def detach() -> None:
    """A process group of its own, which dies with the parent: the terminal's Ctrl-C is the parent's business."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()


def die_with_parent() -> None:
    """A parent that was killed cannot tell; its end of a pipe closes."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)


def redirect_output(task: Task) -> None:
    """What methods and libraries print goes to the cell's log, so that stdout holds results only."""
    path = Store(task.directory).log_path(task.cell)
    make_folder(path.parent)
    try:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
