"""What a method started in a session of its own ends with the run, also where nobody of the run is left to end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_faults import FAULTS
from test_on import alive, wait_for
from tiny_suite import ROOT, cached, command, environment, write_plugin, write_suite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells a process's environment")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGHUP])
def test_a_process_in_its_own_session_ends_with_a_run_that_is_killed(tmp_path: Path, sent: signal.Signals) -> None:
    plugin = write_plugin(tmp_path)
    plugin.write_text(plugin.read_text() + FAULTS)
    suite = write_suite(tmp_path, cached('{ name = "fault", how = "away" }'))
    words = command("run", suite, "--plugin", plugin, "--out", tmp_path / "out", "--on", "local:2")
    run = subprocess.Popen(words, env=environment(), stderr=subprocess.DEVNULL, start_new_session=True)
    assert wait_for(lambda: list(tmp_path.glob("started-*")), 200), run.poll()
    started = [int(path.name.partition("-")[2]) for path in tmp_path.glob("started-*")]
    assert alive(started)
    os.killpg(run.pid, sent)
    run.wait(30)
    assert wait_for(lambda: not alive(started), 30)


MAKER = """
import os, subprocess, sys, time
from bench.run.strays import Watcher
watcher = Watcher()
server = subprocess.Popen([sys.executable, "-c", '''
import subprocess, sys, time
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
time.sleep(600)'''], stdout=subprocess.PIPE)
stray = server.stdout.readline().decode().strip()
if sys.argv[1] == "close":
    watcher.close()
    print(server.pid, stray, watcher.process.pid, server.poll(), flush=True)
    server.kill()
else:
    print(server.pid, stray, watcher.process.pid, server.poll(), flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["close", "kill"])
def test_the_watcher_ends_what_has_the_mark_and_then_itself(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAKER, how], capture_output=True, text=True, check=False, cwd=ROOT, env=environment()
    )
    *pids, state = done.stdout.split()
    assert state == "None", "the maker's own child was spared"
    assert wait_for(lambda: not alive([int(pid) for pid in pids]), 20), done.stderr
