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

from bench.run import strays

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
how = sys.argv[1]
server = subprocess.Popen([sys.executable, "-c", '''
import subprocess, sys, time
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
time.sleep(600)'''], stdout=subprocess.PIPE)
stray = server.stdout.readline().decode().strip()
if how == "watcher":
    watcher.process.kill()
if how in ("close", "watcher"):
    watcher.close()
print(server.pid, stray, watcher.process.pid, server.poll(), flush=True)
if how == "kill":
    os.kill(os.getpid(), 9)
if how == "dying":  # as the kernel ends a process: its pipes are closed before its children are another's
    os.close(watcher.process.stdin.fileno())
    watcher.process.wait()
    print(server.wait(10), flush=True)
    os._exit(0)
server.kill()
"""


@pytest.mark.parametrize("how", ["close", "watcher", "kill", "dying"])
def test_the_watcher_ends_what_has_the_mark_and_then_itself(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAKER, how], capture_output=True, text=True, check=False, cwd=ROOT, env=environment()
    )
    *pids, state = done.stdout.splitlines()[0].split()
    assert state == "None", "the maker's own child is spared while the maker is there"
    if how == "dying":
        assert done.stdout.splitlines()[1] == str(-signal.SIGKILL), "and not when nobody is there to end it"
    assert wait_for(lambda: not alive([int(pid) for pid in pids]), 20), done.stderr


def test_one_look_that_finds_nothing_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is unmarked between its fork and its program's start, where a kill may find it."""
    looks: list[list[tuple[int, int]]] = [[], [(7, 1)], [], [], [(8, 1)]]
    killed: list[int] = []
    monkeypatch.setattr(strays, "_marked", lambda _: looks.pop(0) if looks else [])
    monkeypatch.setattr(strays.os, "kill", lambda pid, _: killed.append(pid))
    monkeypatch.setattr(strays.time, "sleep", lambda _: None)
    strays.end_strays("1-a", looks=3)
    assert killed == [7, 8]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_sent_to_all_of_a_job_does_not_end_the_watcher(sent: signal.Signals) -> None:
    words = [sys.executable, "-I", "-S", strays.__file__, f"{os.getpid()}-nobody"]
    watcher = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert wait_for(lambda: ignores(watcher.pid, sent), 20)
    watcher.send_signal(sent)
    watcher.communicate(strays.OVER, timeout=20)
    assert watcher.returncode == 0


def ignores(pid: int, sent: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(line.startswith("SigIgn") and int(line.split()[1], 16) & 1 << sent - 1 for line in lines)
