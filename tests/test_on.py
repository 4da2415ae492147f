"""`run --on`: where cells may be sampled, and that it changes no number."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_suite import cached, command, ditbench, environment, write_plugin, write_suite

from bench.run import executors
from bench.run.request import On, parse
from models.errors import InputError

HALVES = cached('[{ name = "half" }, { name = "fora", interval = [2, 3] }]', "[4, 3]")


def suite_in(folder: Path, cells: str = HALVES) -> list[object]:
    return ["run", write_suite(folder, cells), "--plugin", write_plugin(folder)]


def run_alone(folder: Path, suite_of: Callable[[Path], list[object]]) -> Path:
    """A folder with a suite, and what one worker of this machine made of it: what all others must make, too."""
    done = ditbench(*suite_of(folder), "--out", folder / "out", "--on", "local:1")
    assert done.returncode == 0, done.stderr
    return folder


def deterministic(out: Path) -> dict[str, Any]:
    """What no way of running may change of each cell: its quality, plan, work and key; and its samples' bytes."""
    kept: dict[str, Any] = {}
    for path in sorted(out.glob("cells/*/*.json")):
        cell = json.loads(path.read_text())
        kept[path.stem] = {key: cell.get(key) for key in ("key", "status", "plan", "work", "quality", "fingerprint")}
    shards = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.safetensors")}
    return kept | {"shards": shards}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite on one worker."""
    return run_alone(tmp_path_factory.mktemp("alone"), suite_in)


@pytest.mark.parametrize("count", [2, 4])
def test_several_workers_of_this_machine_give_the_numbers_of_one(alone: Path, count: int) -> None:
    out = alone / f"out{count}"
    done = ditbench(*suite_in(alone), "--out", out, "--on", f"local:{count}")
    assert done.returncode == 0, done.stderr
    assert deterministic(out) == deterministic(alone / "out")


def test_a_worker_may_have_a_core_of_its_own(alone: Path) -> None:
    first, *rest = sorted(os.sched_getaffinity(0))
    if not rest:
        pytest.skip("one core")
    out = alone / "cores"
    done = ditbench(*suite_in(alone), "--out", out, "--on", f"local:{first},{rest[0]}")
    assert done.returncode == 0, done.stderr
    assert deterministic(out) == deterministic(alone / "out")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--on", "locl:2"], "--on: executor 'locl'"),
        (["--on", "local:0"], "the number of workers must lie in [1, 4096]"),
        (["--on", "local:0,0"], "a device is named twice"),
        (["--on", "local:0,9999"], "no core 9999 here"),
        (["--on", "local:a"], "got 'a'"),
        (["--on", "local:2,partition=gpu"], "takes numbers alone"),
        (["--on", "local:2,"], "got nothing between two of them, or at an end"),
        (["--on", "local:,2"], "got nothing between two of them, or at an end"),
        (["--on", "local:"], "got nothing between two of them, or at an end"),
        (["--on", "local:device=9999"], "no core 9999 here"),
        (["--on", "local:device=a"], "device must be one number"),
        (["--on", "local:2,device=0"], "device must be one number and stand alone"),
        (["--on", "local:0,1", "--threads", "2"], "got --threads 2"),
        (["--on", "local:2", "--jobs", "2"], "--jobs goes without --on"),
        (["--on", "local:2", "--device", "cuda:9"], "torch finds 0 CUDA devices"),
    ],
)
def test_where_cells_cannot_be_sampled_is_said_in_one_line(tmp_path: Path, words: list[str], said: str, capsys) -> None:
    from bench.cli import main

    code = main(["run", str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), *words])
    error = capsys.readouterr().err.strip()
    assert (code, error.count("\n")) == (2, 0), error
    assert said in error


def test_executors_are_the_files_that_are_there() -> None:
    folder = Path(executors.__path__[0])
    assert executors.names() == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert parse("slurm:8,partition=gpu,time=60") == On("slurm", (8,), {"partition": "gpu", "time": "60"})
    with pytest.raises(InputError, match="unknown --on: executor 'slrum'"):
        executors.find("slrum")


def descendants(pid: int) -> list[int]:
    """All processes below one, however deep."""
    found = [int(p) for task in Path(f"/proc/{pid}/task").glob("*/children") for p in task.read_text().split()]
    return found + [below for child in found for below in descendants(child)]


def wait_for(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def alive(pids: list[int]) -> list[int]:
    """Those that still run; one that nobody has waited for does not."""
    return [pid for pid in pids if state_of(pid) not in ("", "Z")]


def state_of(pid: int) -> str:
    """Its letter in /proc; empty where it is gone, also between two looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@contextlib.contextmanager
def heard(sent: signal.Signals) -> Iterator[None]:
    """What is started within it hears of the signal: what nohup, or a shell's background, ignores, children ignore."""
    before = signal.signal(sent, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(sent, before)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_run_and_all_its_processes(tmp_path: Path, sent: signal.Signals) -> None:
    words = suite_in(tmp_path, cached('{ name = "misbehave", how = "sleep" }', "[4, 3]"))
    words = command(*words, "--out", tmp_path / "out", "--only", "*sleep", "--on", "local:2")
    with heard(sent):
        run = subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True)
    assert wait_for(lambda: len(list((tmp_path / "out").rglob("*sleep.log"))) == 2, 100)
    started = descendants(run.pid)
    run.send_signal(sent)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert wait_for(lambda: not alive(started), 20), alive(started)


DAEMON = """
import multiprocessing, sys
from bench.cli import main
if __name__ == "__main__":
    process = multiprocessing.Process(target=main, args=(sys.argv[1:],), daemon=True)
    process.start()
    process.join()
"""


def test_a_daemonic_process_is_told_that_it_may_start_no_others(tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    words = list(map(str, [*command()[:1], tmp_path / "daemon.py", *suite_in(tmp_path), "--out", tmp_path / "out"]))
    done = subprocess.run(words, check=False, env=environment(), capture_output=True, text=True, timeout=200)
    assert done.stderr.count("\n") == 1, done.stderr
    assert "this process is daemonic" in done.stderr


def test_run_under_torchrun_names_sample(tmp_path: Path, monkeypatch, capsys) -> None:
    from bench.cli import main

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["run", str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path))]) == 2
    assert "-m bench sample SUITE" in capsys.readouterr().err
