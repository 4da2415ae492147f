"""A network file system that is away for a while, and a clock that jumps: they cost time, and no cell."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_on import deterministic, wait_for
from test_on_cluster import EXTRA
from tiny_suite import cached, command, ditbench, environment, write_plugin, write_suite

from bench.host import patience
from bench.host.files import OutputError, write_bytes
from bench.host.patience import patiently
from bench.run.remote import fleet
from bench.schema.cell import read_json

STALE = OSError(errno.ESTALE, "Stale file handle")
SLOW = cached('{ name = "misbehave", how = "sleep", seconds = 1.0 }', "[4, 3]")
AWAY = '''
import builtins, errno, io, os
exists, HOME = os.path.exists, os.path.dirname(os.path.abspath(__file__))

def guarded(real):
    """Raises where the path lies in the run's directory while that is away."""
    def call(path, *args, **kwargs):
        name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        if str(name).startswith(os.path.join(HOME, "out")) and exists(os.path.join(HOME, "away")):
            os.close(opened(os.path.join(HOME, "refused"), os.O_CREAT | os.O_WRONLY))
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), name)
        return real(path, *args, **kwargs)
    return call

opened = os.open
for module, names in ((os, "open stat replace mkdir scandir unlink utime"), (io, "open"), (builtins, "open")):
    for name in names.split():
        setattr(module, name, guarded(getattr(module, name)))
'''
JUMPS = """
import time
seconds, ns, turn = time.time, time.time_ns, [1]
def jump():
    turn[0] = -turn[0]
    return turn[0] * 86_400 * 365
time.time = lambda: seconds() + jump()
time.time_ns = lambda: ns() + jump() * 10**9
"""


def plugin_with(folder: Path, text: str) -> Path:
    plugin = write_plugin(folder)
    plugin.write_text(plugin.read_text() + text)
    return plugin


def cells_of(out: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in out.glob("cells/*/*.json")}


def raising(error: OSError, times: int, real: Any) -> Any:
    """`real`, but the first calls raise."""
    left = [times]

    def call(*args: object, **kwargs: object) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return real(*args, **kwargs)

    return call


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.0)


def test_what_is_away_is_waited_for_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[float] = [0.0]
    monkeypatch.setattr("bench.host.patience.time.monotonic", lambda: now[0])
    monkeypatch.setattr("bench.host.patience.time.sleep", lambda s: now.__setitem__(0, now[0] + s))
    assert patiently(raising(STALE, 60, lambda: "there")) == "there"
    assert now[0] == 60 * patience.PAUSE
    with pytest.raises(OSError, match="Stale"):
        patiently(raising(STALE, 1000, lambda: "there"))
    assert now[0] < 60 + patience.PATIENCE + 2


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_is_no_absence_is_not_waited_for(code: int) -> None:
    action = raising(OSError(code, os.strerror(code)), 1, lambda: "there")
    with pytest.raises(OSError):
        patiently(action)
    assert action() == "there", "it was tried once"


def test_a_file_is_written_whole_once_its_place_is_back(tmp_path: Path, hurry: None, monkeypatch) -> None:
    monkeypatch.setattr(os, "replace", raising(STALE, 3, os.replace))
    write_bytes(tmp_path / "cell.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["cell.json"]
    monkeypatch.setattr(os, "replace", raising(OSError(errno.ENOSPC, "full"), 1, os.replace))
    with pytest.raises(OutputError, match="full"):
        write_bytes(tmp_path / "cell.json", b"[]")
    assert (tmp_path / "cell.json").read_bytes() == b"{}"


def test_a_cell_is_read_once_its_place_is_back(tmp_path: Path, hurry: None, monkeypatch) -> None:
    (tmp_path / "cell.json").write_text('{"a": 1}')
    monkeypatch.setattr(Path, "read_text", raising(STALE, 3, Path.read_text))
    assert read_json(tmp_path / "cell.json") == {"a": 1}


class Nothing:
    """Launches nothing, and is at work for ever."""

    def launch(self, words: list[str]) -> Nothing:
        return self

    def done(self) -> bool:
        return False


def test_a_worker_whose_greeting_cannot_be_read_for_a_while_is_not_lost(tmp_path: Path, monkeypatch) -> None:
    hand = fleet.Hand(tmp_path, 0, Nothing())  # type: ignore[arg-type]
    (hand.letters.folder / fleet.HELLO).write_text('{"incarnation": "a", "environment": {}}')
    assert not hand.lost()
    assert hand.up
    monkeypatch.setattr(fleet, "read", lambda path: None)
    assert not hand.lost()
    assert hand.up
    monkeypatch.setattr(fleet, "read", lambda path: {"incarnation": "b", "environment": {}, "reason": ""}
                        if path.name == fleet.HELLO else None)  # fmt: skip
    assert hand.lost(), "started again elsewhere"


@pytest.mark.parametrize("where", ["local:2", "slurm:2,cluster=local"])
def test_a_directory_that_is_away_for_a_while_costs_that_while(tmp_path: Path, where: str) -> None:
    if "slurm" in where and importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed")
    plugin, suite, out = plugin_with(tmp_path, AWAY), write_suite(tmp_path, SLOW), tmp_path / "out"
    words = ["run", suite, "--plugin", plugin]
    settings = environment() | {"PYTHONPATH": EXTRA}
    run = subprocess.Popen(
        command(*words, "--out", out, "--on", where), env=settings, stderr=subprocess.PIPE, text=True
    )
    assert wait_for(lambda: any(out.glob("cells/*/*.json")), 200), run.poll()
    (tmp_path / "away").touch()
    assert wait_for((tmp_path / "refused").exists, 100)
    assert not wait_for(lambda: run.poll() is not None, 3.0), "it waits"
    (tmp_path / "away").unlink()
    _, said = run.communicate(timeout=250)
    assert run.returncode == 0, said
    assert "Traceback" not in said
    again = ditbench(*words, "--out", tmp_path / "alone", "--on", "local:2")
    assert again.returncode == 0, again.stderr
    assert deterministic(out) == deterministic(tmp_path / "alone")


def test_a_clock_that_jumps_by_years_ends_no_cell_and_saves_none(tmp_path: Path) -> None:
    hangs = cached('{ name = "misbehave", how = "sleep", seconds = 600.0 }')
    plugin, suite = plugin_with(tmp_path, JUMPS), write_suite(tmp_path, cached('{ name = "half" }') + hangs, timeout=12)
    done = ditbench("run", suite, "--plugin", plugin, "--out", tmp_path / "out", "--on", "local:2")
    assert done.returncode == 1, done.stderr
    cells = cells_of(tmp_path / "out")
    assert {slug: cell["status"] for slug, cell in cells.items()} == {
        "ddim-4": "ok", "ddim-3": "ok", "ddim-4+half": "ok", "ddim-4+misbehave-how-sleep-seconds-600": "timeout",
    }  # fmt: skip
    assert all(0 < cell["seconds"] < 100 for cell in cells.values())
    assert all(cell["timing"]["latency_ms"]["median"] < 1000 for cell in cells.values() if cell["status"] == "ok")
