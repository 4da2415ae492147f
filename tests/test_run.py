"""Whole runs of a tiny model: what becomes of cells that fail, and a method that somebody dropped in."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tiny_suite import cached, command, ditbench, environment, freshly, write_plugin, write_suite


def cells_in(out: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in out.glob("cells/*/*.json")}


def rows_in(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with every kind of outcome."""
    folder = tmp_path_factory.mktemp("run")
    ways = '["raise", "exit", "crash", "memory", "print", "unsupported"]'
    methods = '[{ name = "half" }, { name = "fora", interval = [1, 2] }]'
    text = cached(methods) + cached(f'{{ name = "misbehave", how = {ways} }}')
    suite = write_suite(folder, text)
    done = freshly("run", suite, "--plugin", write_plugin(folder), "--out", folder / "out", "--jobs", 2)
    (folder / "stderr").write_text(done.stderr)
    (folder / "stdout").write_text(done.stdout)
    assert done.returncode == 1, done.stderr
    return folder


OUTCOMES = {
    "raise": ("failed", "RuntimeError: a deliberate failure"),
    "exit": ("failed", "SystemExit: 3"),
    "crash": ("failed", "SIGSEGV"),
    "memory": ("oom", "no more"),
    "print": ("ok", None),
    "unsupported": ("unsupported", "misbehave: not on this model"),
}


@pytest.mark.parametrize("how", OUTCOMES)
def test_failures_are_recorded_with_their_reason(finished, how):
    status, reason = OUTCOMES[how]
    cell = cells_in(finished / "out")[f"ddim-4+misbehave-how-{how}"]
    assert cell["status"] == status
    assert cell["reason"] is None if reason is None else reason in cell["reason"]
    if status != "ok":
        assert all(cell[part] is None for part in ("plan", "work", "timing", "memory", "quality"))
        assert "\n" not in cell["reason"]
        assert cell["environment"]["torch"]


def test_cell_that_hangs_is_stopped(tmp_path):
    suite = write_suite(tmp_path, cached('{ name = "misbehave", how = "sleep" }'), timeout=3)
    options = ["--plugin", write_plugin(tmp_path), "--out", tmp_path / "out", "--only", "*sleep"]
    assert ditbench("run", suite, *options).returncode == 1
    (cell,) = cells_in(tmp_path / "out").values()
    assert (cell["status"], cell["reason"]) == ("timeout", "stopped after 3 s, the suite's timeout")
    assert cell["timing"] is None


def test_logs_keep_tracebacks_and_prints_and_stdout_stays_clean(finished):
    logs = finished / "out" / "logs" / "tiny"
    assert "Traceback" in (logs / "ddim-4+misbehave-how-raise.log").read_text()
    assert "noise on stdout" in (logs / "ddim-4+misbehave-how-print.log").read_text()
    assert not (logs / "ddim-4.log").exists()
    assert "noise" not in (finished / "stdout").read_text()
    assert "Traceback" not in (finished / "stderr").read_text()


def test_a_log_is_named_where_a_failure_is_read(finished):
    told = (finished / "stderr").read_text()
    page = (finished / "out" / "report.html").read_text("utf-8")
    raised = "logs/tiny/ddim-4+misbehave-how-raise.log"
    assert f"RuntimeError: a deliberate failure (log: {finished / 'out' / raised})" in told
    assert f"Log: <code>{raised}</code>" in page
    assert "misbehave-how-unsupported.log" not in told + page, "it is empty, and not kept"


def test_progress_tells_every_cell_and_an_eta(finished):
    text = (finished / "stderr").read_text()
    assert "11 cells, 0 done, 11 to run" in text
    assert text.count("/11] tiny/") == 11
    assert "left" in text


def test_numbers_of_a_cached_cell(finished):
    cells = cells_in(finished / "out")
    cell, uncached = cells["ddim-4+half"], cells["ddim-4"]
    assert cell["plan"]["rows"] == ["########", "........"] * 2
    assert cell["plan"]["branches_computed"] == 0.5
    assert cell["work"]["macs_baseline"] == uncached["work"]["macs"]
    assert cell["work"]["macs_ratio"] == cell["work"]["macs"] / uncached["work"]["macs"] < 1
    assert cell["memory"]["cache_mb"] > 0
    assert cell["timing"]["rounds"]
    assert cell["quality"]["latent_error"] > 0
    assert cell["quality"]["latent_error"] == cell["quality"]["latent_error_reference"]
    assert cells["ddim-3"]["quality"]["latent_error"] is None, "an uncached cell is its own baseline"
    assert cells["ddim-3"]["quality"]["latent_error_reference"] > 0
    commits = [cell["environment"]["commit"]] if cell["environment"]["commit"] else []
    assert all(c["quality"]["sampled_by"] == commits for c in cells.values() if c["quality"])


def test_exact_setting_has_identical_samples(finished):
    assert cells_in(finished / "out")["ddim-4+fora-interval-1"]["quality"]["latent_error"] == 0


def test_samples_of_every_cell_are_stored(finished):
    shard = finished / "out" / "samples" / "tiny" / "ddim-4+half" / "latents" / "00000000.safetensors"
    assert load_file(shard)["latents"].shape == (32, 2, 4, 4)


def test_dropped_in_method_stands_in_the_results(finished):
    rows = rows_in(finished / "out")
    assert len(rows) == 11
    assert [row["status"] for row in rows if row["cache"] == "half"] == ["ok"]
    assert (finished / "out" / "report.html").exists()


# Fewer samples than an exact solution takes, which is many times the work of all cells; tests/test_sample.py has one.
REAL = """
name = "real"
reference = { name = "ddim", steps = 4 }
protocol = { samples = 44, timing = { batch = 1, rounds = 2, seconds = 0.0 } }
[[cells]]
models = "dit-mnist"
sampler = { name = "ddim", steps = 4 }
[[cells]]
models = "dit-mnist"
sampler = { name = "ddim", steps = 4 }
cache = { name = "fora", interval = [1, 3] }
"""


def test_quality_of_a_trained_model(tmp_path):
    (tmp_path / "real.toml").write_text(REAL)
    assert ditbench("run", tmp_path / "real.toml", "--out", tmp_path / "out").returncode == 0
    rows = {row["slug"]: row for row in rows_in(tmp_path / "out")}
    exact, cached_one = rows["ddim-4+fora-interval-1"], rows["ddim-4+fora-interval-3"]
    for row in rows.values():
        assert all(float(row[column]) >= 0 for column in ("fd", "fd_se", "is", "precision", "recall", "accuracy"))
        assert row["samples"] == "44"
    assert (exact["identical"], exact["latent_error"], exact["psnr"]) == ("44", "0.0", "")
    assert exact["fd"] == rows["ddim-4"]["fd"]
    assert float(cached_one["psnr"]) > 5
    stored = load_file(tmp_path / "out" / "samples" / "dit-mnist" / "ddim-4.safetensors")
    assert stored["images"].shape == (40, 1, 32, 32)


def test_second_run_skips_everything_and_still_says_that_cells_failed(finished):
    before = cells_in(finished / "out")
    again = ditbench("run", finished / "tiny.toml", "--plugin", finished / "tiny_plugin.py", "--out", finished / "out")
    assert "11 done, 0 to run" in again.stderr
    assert again.returncode == 1
    assert cells_in(finished / "out") == before


def test_retry_runs_cells_of_one_status_again(finished, tmp_path):
    shutil.copytree(finished / "out", tmp_path / "out")
    before = cells_in(tmp_path / "out")
    options = [
        "--plugin",
        finished / "tiny_plugin.py",
        "--out",
        tmp_path / "out",
        "--retry",
        "failed",
        "--only",
        "*raise",
    ]
    assert "1 to run" in ditbench("run", finished / "tiny.toml", *options).stderr
    after = cells_in(tmp_path / "out")
    assert [k for k in after if after[k]["finished"] != before[k]["finished"]] == ["ddim-4+misbehave-how-raise"]


def test_a_damaged_cell_is_set_aside_and_run_again_from_its_samples(finished, tmp_path):
    shutil.copytree(finished / "out", tmp_path / "out")
    broken = tmp_path / "out" / "cells" / "tiny" / "ddim-4.json"
    before = cells_in(tmp_path / "out")
    broken.write_text(broken.read_text().replace('"nfe": 4', '"nfe": 5', 1))
    damaged = broken.read_bytes()
    options = ["--plugin", finished / "tiny_plugin.py", "--out", tmp_path / "out"]
    done = ditbench("run", finished / "tiny.toml", *options)
    assert done.returncode == 1, "as the first run: other cells of it failed"
    said = [line for line in done.stderr.splitlines() if str(broken) in line]
    assert len(said) == 1
    assert "kept as ddim-4.json.damaged, the cell is run again" in said[0]
    assert "1 to run" in done.stderr
    assert broken.with_name("ddim-4.json.damaged").read_bytes() == damaged
    after = cells_in(tmp_path / "out")
    assert after["ddim-4"].pop("finished") != before["ddim-4"].pop("finished")
    for made in (before["ddim-4"], after["ddim-4"]):
        del made["seconds"], made["checksum"], made["memory"], made["environment"], made["timing"]["prepare_s"]
    assert after == before, "its samples and its session's rounds were kept: no number moved"


def test_broken_plugin_fails_its_own_cells_only(tmp_path):
    good, bad = write_plugin(tmp_path), tmp_path / "bad.py"
    bad.write_text("raise SystemExit('I leave')\n")
    suite = write_suite(tmp_path, cached('{ name = "theirs", a = 1 }'))
    done = ditbench("run", suite, "--plugin", good, "--plugin", bad, "--out", tmp_path / "out")
    assert done.returncode == 1
    cells = cells_in(tmp_path / "out")
    assert {slug: cell["status"] for slug, cell in cells.items()} == {
        "ddim-4": "ok",
        "ddim-3": "ok",
        "ddim-4+theirs-a-1": "failed",
    }
    assert "bad.py could not be loaded: SystemExit: I leave" in cells["ddim-4+theirs-a-1"]["reason"]


def test_edited_plugin_runs_again(tmp_path):
    plugin, suite = write_plugin(tmp_path), write_suite(tmp_path, cached('{ name = "half" }'))
    assert ditbench("run", suite, "--plugin", plugin, "--out", tmp_path / "out").returncode == 0
    plugin.write_text(plugin.read_text() + "\n# changed\n")  # it defines the model too: every cell depends on it
    assert "0 done, 3 to run" in ditbench("run", suite, "--plugin", plugin, "--out", tmp_path / "out").stderr


def test_interrupt_is_code_130_and_leaves_nobody_behind(tmp_path):
    suite = write_suite(tmp_path, cached('{ name = "misbehave", how = "sleep" }'))
    arguments = command("run", suite, "--plugin", write_plugin(tmp_path), "--out", tmp_path / "out", "--jobs", 1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment())
    signal.signal(signal.SIGINT, before)
    sleeping = tmp_path / "out" / "logs" / "tiny" / "ddim-4+misbehave-how-sleep.log"
    wait_for(sleeping.exists)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "interrupted" in error
    assert sorted(cells_in(tmp_path / "out")) == ["ddim-3", "ddim-4"]


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_temporary_folder_too_deep_for_sockets_is_refused_in_one_line(tmp_path):
    deep = tmp_path / ("d" * 80)
    deep.mkdir()
    suite, plugin = write_suite(tmp_path), write_plugin(tmp_path)
    words = command("run", suite, "--plugin", plugin, "--out", tmp_path / "out")
    run = subprocess.run(words, env=environment() | {"TMPDIR": str(deep)}, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    last = run.stderr.splitlines()[-1]
    assert last == f"ditbench: TMPDIR: {deep} is too long for a socket in it, expected at most 75 bytes"
