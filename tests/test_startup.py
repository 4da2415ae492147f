"""What a command does not need it does not load: torch alone takes two seconds."""

import subprocess
import sys

import pytest

import models
from bench.cli import load, stated_help, verbs
from models.spec import build_empty


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running the code."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["report", "--help"], ["--version"]])
def test_help_loads_no_torch(words: list[str]) -> None:
    assert not {"torch", "scipy", "pandas"} & loaded_by(f"from bench.cli import main; main({words})")


@pytest.mark.parametrize(
    "module", ["bench.show.report.page", "bench.show.site.pages", "bench.judge.compare", "bench.show.gate_text"]
)
def test_what_reads_results_loads_no_torch(module: str) -> None:
    assert "torch" not in loaded_by(f"import {module}")


def test_a_structure_alone_loads_no_compiler() -> None:
    code = "import models; from models.spec import build_empty; build_empty(models.spec('dit-s-2')); import sys\n"
    code += "print('torch._dynamo.symbolic_convert' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_help_is_what_the_command_says() -> None:
    assert {verb: stated_help(verb) for verb in verbs()} == {verb: load(verb).HELP for verb in verbs()}


@pytest.mark.parametrize("name", ["dit-mnist", "uvit-mnist"])
def test_a_structure_has_the_shapes_of_the_model(name: str) -> None:
    empty, full = build_empty(models.spec(name)), models.build(name)
    assert {k: (v.shape, v.dtype) for k, v in empty.state_dict().items()} == {
        k: (v.shape, v.dtype) for k, v in full.state_dict().items()
    }
