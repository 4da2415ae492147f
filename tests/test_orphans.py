"""What a killed driver leaves while it is busy with itself ends with it: its fork server, its probes of plugins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_on import alive, descendants, heard, wait_for
from tiny_suite import ROOT, command, environment, write_plugin, write_suite

from bench.run.strays import MARK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends no orphans elsewhere")

SLOW_IMPORT = """
import os, sys, time
class Slow:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "bench.run.worker":
            open("importing", "w").write(str(os.getpid()))
            time.sleep(600)
sys.meta_path.insert(0, Slow)
import bench.run.preload
"""
SERVER = f"""
import subprocess, sys, time
from bench.run.strays import mark
mark()
subprocess.Popen([sys.executable, "-c", {SLOW_IMPORT!r}])
time.sleep(600)
"""
PROBE = """
import os, time
from bench.run import probe
def hang(say):
    open("importing", "w").write(str(os.getpid()))
    say("it hangs")
    time.sleep(600)
probe.tried(hang, 600.0)
"""


@pytest.mark.parametrize("driver", [SERVER, PROBE], ids=["server", "probe"])
def test_what_is_at_an_import_ends_with_a_driver_that_is_killed(driver: str, tmp_path: Path) -> None:
    settings = environment() | {"PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, "-c", driver], cwd=tmp_path, env=settings)
    told = tmp_path / "importing"
    assert wait_for(lambda: told.exists() and told.read_text(), 60), run.poll()
    child = int(told.read_text())
    assert alive([child])
    run.send_signal(signal.SIGKILL)
    run.wait(20)
    assert wait_for(lambda: not alive([child]), 20)


def imported(maker: int) -> str:
    """What a process says when it is through with what a fork server imports, its driver being that process."""
    words = [sys.executable, "-c", "import sys, types\nsys.modules['bench.run.worker'] = types.ModuleType('worker')\n"
             "import bench.run.preload\nprint('through')"]  # fmt: skip
    settings = environment() | {MARK: f"{maker}-a"}
    return subprocess.run(words, env=settings, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_a_server_whose_driver_is_gone_before_it_begins_imports_nothing() -> None:
    assert imported(os.getpid()) == "through\n"
    assert imported(os.getpid() + 1) == ""


UNHEARD = """
import os
from bench.run import probe
def broken(*_):
    raise BrokenPipeError
os.write, own = broken, os.getpid()
try:
    probe.tried(lambda say: None, 20.0)
finally:
    print("driver" if os.getpid() == own else "probe", file=open(f"{os.getpid()}.txt", "w"))
"""


def test_a_probe_that_nobody_hears_any_more_does_not_go_on_as_its_driver(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", UNHEARD], cwd=tmp_path, env=environment() | {"PYTHONPATH": str(ROOT)}, check=True
    )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["driver\n"]


def unanswered(pid: int, sent: signal.Signals) -> bool:
    """Whether a process that is there blocks or ignores a signal."""
    try:
        stated = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return False
    masks = [int(stated[name], 16) for name in ("SigBlk", "SigIgn")]
    return any(mask & 1 << sent - 1 for mask in masks)


def servers_of(pid: int) -> list[int]:
    """Its fork servers, and resource trackers; not what they fork."""
    words = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in alive(descendants(pid))}
    return [child for child, said in words.items() if b"multiprocessing." in said]


def test_ctrl_c_in_the_terminal_is_answered_by_the_driver_alone(tmp_path: Path) -> None:
    words = command("run", write_suite(tmp_path), "--plugin", write_plugin(tmp_path), "--out", tmp_path / "out")
    with heard(signal.SIGINT):
        run = subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert wait_for(lambda: len(servers_of(run.pid)) == 2, 200), run.poll()
    assert all(unanswered(pid, signal.SIGINT) for pid in servers_of(run.pid)), "it would print a traceback"
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: all that is in its foreground hears of it
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "Traceback" not in said
