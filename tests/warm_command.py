"""The command line in a process of its own that need not import torch first: a server has, and forks for each command.

`python -m bench run` takes two seconds of a core to import what it needs before it does anything, and its fork server
two more; the tests run it a hundred times. A fork of the server has what a fresh process would have by then: modules
that are imported, and nothing that another command or test has done. Workers come from one fork server for all, which
has not the command's environment: what it starts in sessions of its own is not found by the mark of its run. Tests of
that, and one of each kind of run, start the command as a person does (tiny_suite.freshly).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
LARGEST = 2**17  # bytes of a message, on a socket that keeps messages apart
SERVER = """
import sys
sys.path.insert(0, sys.argv[1])
import warm_command
del sys.path[0]
warm_command.main(int(sys.argv[2]))
"""


def run(words: list[str], cwd: Path | None, timeout: float, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As subprocess.run of `python -m bench WORDS` with its output captured. Raises TimeoutExpired."""
    channel, _ = server()
    asked = json.dumps({"words": words, "cwd": str(cwd or Path.cwd()), "env": env}).encode()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        socket.send_fds(channel, [asked], [out.fileno(), error.fileno()])
        pid = int(channel.recv(LARGEST))
        in_time = bool(select.select([channel], [], [], timeout)[0])
        if not in_time:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        code = int(channel.recv(LARGEST))
        for file in (out, error):
            file.seek(0)
        said = out.read(), error.read()
    if not in_time:
        raise subprocess.TimeoutExpired(words, timeout, *said)
    return subprocess.CompletedProcess(words, code, *said)


@cache
def server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A socket, and the server that listens at its other end until this process is gone."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    settings = {key: value for key, value in os.environ.items() if not key.startswith("DITBENCH_")}
    settings |= {"PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-c", SERVER, str(TESTS), str(theirs.fileno())]
    process = subprocess.Popen(line, env=settings, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()
    return ours, process


def main(number: int) -> None:
    """The server, on the socket of that number; and, in its forks, one command."""
    from bench import cli
    from bench.show.report import page  # noqa: F401  which a run imports at its end
    from bench.store.code_hash import protocol_code

    forkserver.set_forkserver_preload(["bench.run.worker"])
    forkserver.ensure_running()
    for verb in cli.verbs():
        cli.load(verb)
    protocol_code()  # parses a hundred files, once a process
    asked = next_command(socket.socket(fileno=number))
    sys.exit(cli.main(asked) if asked is not None else 0)


def next_command(channel: socket.socket) -> list[str] | None:
    """The words of a command, in a process of its own that is to run it; None at the end, in the server."""
    while True:
        message, files, *_ = socket.recv_fds(channel, LARGEST, 2)
        if not message:
            return None
        pid = os.fork()
        if not pid:
            channel.close()
            return become(json.loads(message), files)
        channel.send(str(pid).encode())
        for file in files:
            os.close(file)
        channel.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def become(asked: dict[str, Any], files: list[int]) -> list[str]:
    """Make this process the one that was asked for, as `python -m bench` has it; returns its words."""
    for file, number in zip(files, (1, 2), strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.path[0], sys.argv = asked["cwd"], ["ditbench", *asked["words"]]
    # It runs, as the server's child.
    forkserver.ensure_running = lambda: None
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined]
    return asked["words"]
