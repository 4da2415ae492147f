"""Runs that end badly lose nothing that was finished, and write nothing by halves."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from test_run import cells_in, wait_for
from tiny_suite import cached, command, ditbench, environment, write_plugin, write_suite

SLOW = cached('{ name = "misbehave", how = "sleep", seconds = 1.0 }', steps="[4, 3]")


def finished_times(out: Path) -> dict[str, str]:
    return {slug: cell["finished"] for slug, cell in cells_in(out).items()}


def test_killed_run_goes_on_where_it_was(tmp_path):
    suite = write_suite(tmp_path, SLOW + cached('{ name = "fora", interval = [2, 3] }'))
    arguments = ("run", suite, "--plugin", write_plugin(tmp_path), "--out", tmp_path / "out", "--jobs", 1)
    process = subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL, env=environment())
    wait_for(lambda: len(cells_in(tmp_path / "out")) >= 3)
    children = descendants(process.pid)
    process.kill()
    process.wait()
    before = finished_times(tmp_path / "out")
    assert 3 <= len(before) < 6
    wait_for(lambda: not any(alive(pid) for pid in children))
    assert ditbench(*arguments).returncode == 0
    after = finished_times(tmp_path / "out")
    assert len(after) == 6
    assert before == {slug: after[slug] for slug in before}, "no finished cell is run twice"
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_full_disk_stops_with_one_line_and_keeps_what_is_finished(tmp_path):
    suite, plugin = write_suite(tmp_path, cached('{ name = "half" }')), write_plugin(tmp_path)
    arguments = ("run", suite, "--plugin", plugin, "--out", tmp_path / "out", "--jobs", 1)
    assert ditbench(*arguments, "--only", "ddim-4").returncode == 0
    before = finished_times(tmp_path / "out")
    limited = ["bash", "-c", 'ulimit -f 1 && exec "$@"', "limited", *command(*arguments)]
    done = subprocess.run(limited, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("ditbench: cannot write")
    assert "Traceback" not in done.stderr
    assert finished_times(tmp_path / "out").items() >= before.items()
    for path in (tmp_path / "out").rglob("*.json"):
        json.loads(path.read_text())
    assert ditbench(*arguments).returncode == 0
    assert len(cells_in(tmp_path / "out")) == 3


def test_output_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "out").touch()
    done = ditbench("run", write_suite(tmp_path), "--plugin", write_plugin(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert str(tmp_path / "out") in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_directory_of_another_suite_is_refused_and_untouched(tmp_path):
    plugin = write_plugin(tmp_path)
    first, second = write_suite(tmp_path, name="first"), write_suite(tmp_path, name="second")
    assert ditbench("run", first, "--plugin", plugin, "--out", tmp_path / "out", "--only", "ddim-3").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    done = ditbench("run", second, "--plugin", plugin, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "holds a run of suite 'first', not 'second'" in done.stderr
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}


def descendants(pid: int) -> list[int]:
    """Child processes and theirs, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # ended meanwhile
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
