"""Every fault in every phase that runs others' code: one recorded status with its reason, the others finish."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fault_plugins import CALLS, FAULTS, write_plugins
from test_on import alive
from tiny_suite import freshly

from bench import plugins
from bench.run import rehearsal
from bench.suite import file as suite

LIMIT = 15
SUITE = """
name = "matrix"
[protocol]
samples = 32
sampling_batch = 16
timeout = {limit}
[protocol.timing]
batch = 2
rounds = 3
seconds = 0.01
[[cells]]
models = "tiny"
sampler = {{ name = "ddim", steps = 4 }}
[[cells]]
models = "tiny"
sampler = {{ name = "ddim", steps = 4 }}
cache = [{caches}]
[[cells]]
models = "tiny"
sampler = {{ name = "in-step", steps = 4, how = {faults} }}
[[cells]]
models = {models}
sampler = {{ name = "ddim", steps = 4 }}
"""
IMPORTED = [how for how in CALLS if how != "hang"]  # a hang is ended after a minute: its tests have shorter limits
CACHES = [
    '{ name = "good" }',
    f'{{ name = "in-plan", how = {json.dumps(FAULTS)} }}',
    f'{{ name = "in-timing", how = {json.dumps(CALLS)} }}',
    *(f'{{ name = "built-{how}" }}' for how in IMPORTED),
    *(f'{{ name = "of-import-{how}" }}' for how in IMPORTED),
]
MODELS = [f"{phase}-{how}" for phase in ("decode", "judge") for how in FAULTS]
SLUGS = {  # phase -> the cell that goes wrong in it, and the faults that can be there
    "import": ("tiny/ddim-4+of-import-{}", IMPORTED),
    "constructor": ("tiny/ddim-4+built-{}", IMPORTED),
    "plan": ("tiny/ddim-4+in-plan-how-{}", FAULTS),
    "step": ("tiny/in-step-4-how-{}", FAULTS),
    "decode": ("decode-{}/ddim-4", FAULTS),
    "features": ("judge-{}/ddim-4", FAULTS),
    "timing": ("tiny/ddim-4+in-timing-how-{}", CALLS),
}
SAID = {  # fault -> status and what the reason must hold
    "raise": ("failed", "a deliberate failure"),
    "exit": ("failed", "ended with code 0"),
    "crash": ("failed", "killed by SIGSEGV"),
    "hang": ("timeout", f"stopped after {LIMIT} s"),
    "memory": ("oom", "no more"),
    "flood": ("failed", "after the flood"),
}
NUMBERS = {  # of faults of numbers and shapes, by phase
    ("plan", "nan"): "returned float, expected a methods.plan.Plan",
    ("plan", "shape"): "returned 5 evaluations of 8 branches, expected 4 of 8",
    ("step", "nan"): "NaN or infinity",
    ("step", "shape"): "expected [2, 2, 4, 4]",
    ("decode", "nan"): "must be uint8",
    ("decode", "shape"): "must be uint8",
    ("features", "nan"): "NaN or infinity",
    ("features", "shape"): "2 rows of 'pool' for 16 images",
}
CASES = [(phase, how) for phase, (_, faults) in SLUGS.items() for how in faults]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with all of them."""
    folder = tmp_path_factory.mktemp("matrix")
    text = SUITE.format(limit=LIMIT, caches=", ".join(CACHES), faults=json.dumps(FAULTS), models=json.dumps(MODELS))
    (folder / "matrix.toml").write_text(text)
    words = [word for file in write_plugins(folder) for word in ("--plugin", file)]
    done = freshly("run", folder / "matrix.toml", *words, "--jobs", 6, "--out", folder / "out")
    (folder / "stderr").write_text(done.stderr)
    assert done.returncode == 1, done.stderr
    return folder


def cell(run: Path, name: str) -> dict[str, Any]:
    return json.loads((run / "out" / "cells" / f"{name}.json").read_text())


@pytest.mark.parametrize(("phase", "how"), CASES, ids=[f"{how} in {phase}" for phase, how in CASES])
def test_it_is_one_recorded_status_with_its_reason(run: Path, phase: str, how: str) -> None:
    status, reason = SAID.get(how) or ("failed", NUMBERS[phase, how])
    if phase in ("import", "constructor"):
        status = "failed"  # whatever was wrong, it was never at work
    found = cell(run, SLUGS[phase][0].format(how))
    assert found["status"] == status, found["reason"]
    assert reason in found["reason"]
    assert "\n" not in found["reason"]
    assert found["timing"] is found["quality"] is None


def test_there_are_as_many_as_there_can_be(run: Path) -> None:
    assert len(CASES) == 2 * len(IMPORTED) + 4 * len(FAULTS) + len(CALLS) == 48
    assert len([*run.glob("out/cells/*/*.json")]) == len(CASES) + 2


@pytest.mark.parametrize("name", ["tiny/ddim-4", "tiny/ddim-4+good"])
def test_the_others_finish(run: Path, name: str) -> None:
    found = cell(run, name)
    assert found["status"] == "ok", found["reason"]
    assert found["timing"]["latency_ms"]["median"] > 0


def test_the_report_says_every_reason_and_nothing_is_left(run: Path) -> None:
    page = (run / "out" / "report.html").read_text()
    assert all(said in page for _, said in SAID.values())
    assert "Traceback" not in (run / "stderr").read_text()
    assert max(log.stat().st_size for log in run.glob("out/logs/*/*.log")) < 5_000_000
    assert not [*run.glob("out/**/*.tmp"), *run.glob("out/.*.lock")]
    assert alive(processes_of(run)) == []


def processes_of(run: Path) -> list[int]:
    """Processes whose command line or working folder names the run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(run) in (place / "cmdline").read_bytes().decode(errors="replace") and int(place.name) != os.getpid():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def test_a_constructor_that_hangs_costs_its_own_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(file) for file in write_plugins(tmp_path)[:2]]
    text = SUITE.format(
        limit=LIMIT, caches='{ name = "built-hang" }, { name = "good" }', faults='"raise"', models='"tiny"'
    )
    (tmp_path / "s.toml").write_text(text)
    broken = plugins.load(files)
    assert broken == {}
    rehearsal.take_out(str(tmp_path / "s.toml"), broken, {}, seconds=2)
    assert broken == {"built-hang": "method 'built-hang' cannot be built: it took longer than 2 s"}
    cells = {cell.slug: cell.broken for cell in suite.load(str(tmp_path / "s.toml"), broken).cells}
    assert cells["ddim-4+built-hang"] == broken["built-hang"]
    assert cells["ddim-4+good"] is None
