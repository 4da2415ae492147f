"""`ditbench choose`: the answer where the truth is known, plugins included; what is refused; what fails beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from digit_suite import write_files
from tiny_suite import PLUGIN, command, ditbench, environment

import models
from bench import cli
from bench.measure.task import Task
from bench.run.choice import sweeps
from bench.run.choice.pool import Pool
from bench.run.choice.sampling import Request
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.suite.cells import Settings
from bench.suite.protocol import Protocol

# `leap` is DDIM in three steps, which is the fastest of all that are screened here; `bad` fails in every way.
METHODS = '''
from methods.ddim import DDIM
class Leap(DDIM):
    """DDIM under another name, in three steps."""
    name, title = "leap", "Leap"
    sweep = {"steps": [3]}

class Bad(Misbehave):
    """Fails in the ways of its sweep."""
    name = "bad"
    sweep = {"how": ["raise", "exit", "crash", "memory", "unsupported", "sleep"]}
'''
ONLY = "steps=50|10|5|3,sampler=ddim|leap,cache=none|half|bad"
REASONS = {
    "raise": "RuntimeError: a deliberate failure",
    "exit": "SystemExit: 3",
    "crash": "SIGSEGV",
    "memory": "no more",
    "unsupported": "misbehave: not on this model",
    "sleep": "stopped after 20 s",
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("choose") / "tiny_plugin.py"
    path.write_text(PLUGIN + METHODS)
    return path


@pytest.fixture(scope="module")
def chosen(plugin: Path) -> dict[str, Any]:
    """The fastest within a generous error, with everything that was found on the way."""
    words = ("choose", "tiny", "--plugin", plugin, "--error", 0.9, "--only", ONLY, "--timeout", 20, "--jobs", 2)
    done = ditbench(*words, "--json", "--suite", plugin.with_name("left.toml"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_fastest_within_the_error_is_a_plugins_sampler_that_makes_the_fewest_evaluations(chosen: Any) -> None:
    assert "leap-3" in {chosen["chosen"], *chosen["not_told_apart"]}, "on a loaded machine 3 and 5 evaluations may tie"
    found = {setting["slug"]: setting for setting in chosen["settings"]}
    assert found["leap-3"]["error"]["high"] <= 0.9
    assert found["leap-3"]["speedup"]["value"] > found["ddim-50"]["speedup"]["value"]
    assert found[chosen["chosen"]]["speedup"]["low"] > 1
    assert found["ddim-50"]["speedup"]["value"] == 1


def test_errors_are_those_to_the_exact_solution_of_the_same_seeds(chosen: Any, plugin: Path) -> None:
    script = f"""
import torch, models, methods
from bench import plugins
from bench.sampling import balanced_labels, sample, seeded_noise
plugins.require([{str(plugin)!r}])
model, seeds = models.build("tiny"), range(48)
given = dict(noise=seeded_noise(seeds, model.latent_shape), labels=balanced_labels(seeds, 3), guidance_scale=1.5)
exact = sample(model, methods.build("dpm-solver++", steps=200, order=3), **given)
found = sample(model, methods.build("leap", steps=3), **given)
print(float(((found - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)).mean()))
"""
    run = subprocess.run(
        [command()[0], "-c", script], env=environment(), capture_output=True, text=True, check=True, timeout=120
    )
    setting = next(s for s in chosen["settings"] if s["slug"] == "leap-3")
    assert setting["error"]["value"] == pytest.approx(float(run.stdout), rel=1e-3)


@pytest.mark.parametrize("how", REASONS)
def test_a_setting_that_fails_is_left_out_with_its_reason(chosen: Any, how: str) -> None:
    assert REASONS[how] in chosen["excluded"][f"ddim-50+bad-how-{how}"]


def test_seeds_double_and_settings_get_fewer(chosen: Any) -> None:
    seeds, settings = zip(*((rung["seeds"], rung["settings"]) for rung in chosen["rungs"]), strict=True)
    assert seeds == (8, 16, 32, 48)
    assert list(settings) == sorted(settings, reverse=True)
    assert settings[0] > settings[-1]
    dropped = {slug for slug, found in chosen["screened"].items() if found["dropped"] is not None}
    assert dropped
    assert chosen["chosen"] not in dropped


def test_the_suite_that_it_writes_holds_what_was_timed(chosen: Any, plugin: Path) -> None:
    written = plugin.with_name("left.toml").read_text()
    assert written == chosen["suite"]
    done = ditbench("run", plugin.with_name("left.toml"), "--plugin", plugin, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert {cell["slug"] for cell in cells} == {setting["slug"] for setting in chosen["settings"]}


def test_the_suite_measures_errors_again_and_judges_by_the_goal(chosen: Any) -> None:
    written = tomllib.loads(chosen["suite"])
    assert (written["protocol"]["samples"], written["protocol"]["quality"]["features"]) == (48, "none")
    reference = next(s for s in chosen["settings"] if s["slug"] == chosen["reference"])
    assert written["verdict"]["axis"] == "ode_error"
    assert written["verdict"]["bound"] == pytest.approx(0.9 - reference["error"]["value"], rel=1e-3)


def test_the_most_exact_at_a_speed_up_in_one_sentence_and_a_short_table(plugin: Path) -> None:
    words = ("--speedup", 1.5, "--execution", "plain", "--only", "sampler=ddim,cache=none,steps=50|10|6|5")
    done = ditbench("choose", "tiny", "--plugin", plugin, *words)
    assert done.returncode == 0, done.stderr
    first, table, *rest = done.stdout.split("\n\n")
    assert first.startswith("For tiny, at least 1.5 times as fast as the reference, use DDIM-10: ")
    assert "\n" not in first
    assert 2 <= len(table.splitlines()) <= 6
    assert any(line.startswith("Measure again: ditbench run choose.toml --execution plain --plugin ") for line in rest)
    assert max(map(len, table.splitlines())) < 120


def test_a_goal_that_nothing_meets_is_said_and_ends_with_1(plugin: Path) -> None:
    words = ("--error", 1e-6, "--only", "sampler=ddim,cache=none,steps=50|5")
    done = ditbench("choose", "tiny", "--plugin", plugin, *words)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("No setting of tiny is surely within an error of 1e-06 to the exact solution.")
    assert "Every setting that was measured surely misses the goal." in done.stdout


def test_the_fastest_within_a_distance_is_judged_by_samples(tmp_path: Path) -> None:
    _, _, plugin = write_files(tmp_path)
    words = ("--fd", "900%", "--samples", 64, "--only", "sampler=ddim,cache=none,steps=50|5", "--json")
    done = ditbench("choose", "tiny-digits", "--plugin", plugin, *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["chosen"] == "ddim-5"
    assert found["samples"] == 64
    above = {setting["slug"]: setting["above"] for setting in found["settings"]}
    assert above["ddim-50"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert above["ddim-5"]["low"] <= above["ddim-5"]["value"] <= above["ddim-5"]["high"] <= 9


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name: that of a socket in it may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="ch") as folder:
        yield Path(folder)


def test_an_interrupted_run_leaves_nothing(plugin: Path, tmp_path: Path, temporary: Path) -> None:
    words = ("choose", "tiny", "--plugin", plugin, "--error", 0.9, "--suite", tmp_path / "left.toml")
    running = subprocess.Popen(
        command(*words), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment() | {"TMPDIR": str(temporary)}, start_new_session=True,
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if "8 seeds" in line:
            break
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    out, error = running.communicate(timeout=60)
    assert running.returncode == 130, error
    assert out == ""
    assert not (tmp_path / "left.toml").exists()
    assert not list(temporary.glob("ditbench-choose-*"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("nosuch --error 0.1", "unknown model 'nosuch'"),
        ("dit-mnst --error 0.1", "did you mean 'dit-mnist'?"),
        ("dit-mnist", "exactly one goal of --error, --speedup, --fd, got none"),
        ("dit-mnist --error 0.1 --fd 5%", "got --error and --fd"),
        ("dit-mnist --error 0", "--error must lie in [1e-06, 10], got '0'"),
        ("dit-mnist --error nan", "--error must lie in"),
        ("dit-mnist --error few", "--error must be a number, got 'few'"),
        ("dit-mnist --speedup 0.5", "--speedup must lie in [1, 1000], got '0.5'"),
        ("dit-mnist --fd 5", "--fd must be per cent, like 5%, got '5'"),
        ("dit-mnist --fd=-1%", "--fd must lie in [0%, 1000%], got '-1%'"),
        ("dit-mnist --error 0.1 --batch 0", "--batch must lie in"),
        ("dit-mnist --fd 5% --samples 3", "--samples must lie in"),
        ("dit-mnist --error 0.1 --jobs 0", "--jobs must lie in"),
        ("dit-mnist --error 0.1 --device tpu", "--device must be cpu or cuda[:N], got 'tpu'"),
        ("dit-mnist --error 0.1 --plugin none.py", "none.py: no such plugin file"),
        ("dit-mnist --error 0.1 --weights random", "random weights have no fidelity"),
        ("dit-mnist --error 0.1 --only cache=nosuch", "no cell of the default sweeps matches"),
        ("dit-mnist --erorr 0.1", "unknown argument '--erorr'; did you mean '--error'?"),
    ],
)
def test_bad_input_is_one_line_and_ends_with_2(words: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["choose", *words.split()]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert reason in error
    assert error.count("\n") == 1


def test_samples_are_the_same_whoever_makes_them() -> None:
    rules = Protocol(samples=48, sampling_batch=8)
    found = sweeps.candidates("dit-mnist", rules, "cache=fora|none,steps=5|20")
    cells = [found.cells["ddim-5"], found.cells["ddim-20+fora-interval-2"]]
    latents = []
    for jobs in (1, 2):
        with Pool(Task(found.reference, None, Settings(), "", ()), jobs, 120) as pool:
            pairs = list(pool.run(Request(cell, range(8)) for cell in cells))
            latents.append({r.cell.slug: a.latents for r, a in pairs})
    assert latents[0].keys() == latents[1].keys() == {cell.slug for cell in cells}
    for slug, values in latents[0].items():
        assert (values == latents[1][slug]).all()
    model = models.build("dit-mnist")
    spec = models.spec("dit-mnist")
    given = {"noise": seeded_noise(range(8), model.latent_shape), "labels": balanced_labels(range(8), 10)}
    given |= {"guidance_scale": spec.guidance_scale, "guidance_channels": spec.guidance_channels}
    assert torch.equal(sample(model, cells[0].sampler.method, **given), torch.from_numpy(latents[0]["ddim-5"]))
