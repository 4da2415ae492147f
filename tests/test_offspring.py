"""A command ends when its work is done, with all that others' code has started in it, however deep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_on import alive, wait_for
from tiny_suite import ROOT, command, environment, write_plugin, write_suite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans cannot be adopted")

# Started while a plugin is imported: a program and a fork in sessions of their own, and a thread; none ends by itself.
AT_IMPORT = """
import subprocess, threading

def started(pid):
    Path(__file__).with_name(f"started-{pid}").touch()

started(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
if not os.fork():
    os.setsid()
    if not os.fork():
        started(os.getpid())
        time.sleep(600)
    os._exit(0)
threading.Thread(target=time.sleep, args=(600,)).start()
"""


def write_busy_plugin(folder: Path) -> Path:
    plugin = write_plugin(folder)
    plugin.write_text(plugin.read_text() + AT_IMPORT)
    return plugin


def started_in(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in folder.glob("started-*")]


def test_what_a_plugin_starts_while_it_is_imported_ends_with_the_command(tmp_path: Path) -> None:
    """`run` tries it in a process of its own, imports it, and builds its methods in another process."""
    words = ["run", write_suite(tmp_path), "--plugin", write_busy_plugin(tmp_path), "--out", tmp_path / "out"]
    with (tmp_path / "said").open("w") as said:  # a pipe would be held by what is left
        done = subprocess.run(
            command(*words, "--only", "nothing"), stdout=said, stderr=said, env=environment(), timeout=120, check=False
        )
    assert done.returncode == 2, (tmp_path / "said").read_text()
    started = started_in(tmp_path)
    assert len(started) >= 4
    assert wait_for(lambda: not alive(started), 10), alive(started)


LEAVES = """
import atexit, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker
from bench.host import offspring
offspring.adopt()
resource_tracker.ensure_running()
pool = ProcessPoolExecutor(1)  # that nobody closes
pool.submit(int).result()
inner = "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)"
subprocess.run([sys.executable, "-c", inner], check=True)
atexit.register(lambda: print("said at exit"))
offspring.end_all()
assert resource_tracker._resource_tracker._check_alive()
offspring.leave(7)
"""


def test_leaving_runs_exit_functions_and_spares_the_trackers(tmp_path: Path) -> None:
    """A tracker removes what shared memory and semaphores were left, after its process has gone."""
    settings = environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", LEAVES], capture_output=True, text=True, check=False, env=settings, timeout=60
    )
    assert (done.returncode, done.stderr) == (7, "")
    stray, last = done.stdout.splitlines()
    assert last == "said at exit"
    assert wait_for(lambda: not alive([int(stray)]), 10)


def test_what_nobody_started_here_is_left_alone() -> None:
    from bench.host import offspring

    assert os.getppid() not in offspring.below(os.getpid())
