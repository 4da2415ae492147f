"""What a command does not need it does not load: torch alone takes two seconds."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import models
from bench.cli import load, stated_help, verbs
from models.dit_structure import DIT
from models.spec import build_empty, structure
from models.uvit_structure import UVIT

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "results"
NETWORKS = ("models.denoiser", "models.dit", "models.uvit")
SHIPPED = models.names()


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running the code."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["report", "--help"], ["--version"]])
def test_help_loads_no_torch(words: list[str]) -> None:
    assert not {"torch", "scipy", "pandas"} & loaded_by(f"from bench.cli import main; main({words})")


@pytest.mark.parametrize(
    "words",
    [["list"], ["list", "--json"], ["compare", RESULTS, RESULTS], ["report", RESULTS, "--out", "report.html"],
     ["site", RESULTS, "--out", "site"], ["gate", RESULTS, RESULTS]],
    ids=" ".join,
)  # fmt: skip
def test_what_lists_or_reads_results_loads_no_torch(words: list[str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "regression", tmp_path / "results")
    code = f"import os; os.chdir({str(tmp_path)!r}); from bench.cli import main; assert main({words}) < 2"
    assert "torch" not in loaded_by(code)


@pytest.mark.parametrize("file", sorted((ROOT / "methods").glob("*.py")), ids=lambda file: file.stem)
def test_a_method_loads_torch_only_when_it_runs(file: Path) -> None:
    """Types go under TYPE_CHECKING, and what a function calls is imported inside it."""
    early = [node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {alias.name for node in early if isinstance(node, ast.Import) for alias in node.names}
    named |= {str(node.module) for node in early if isinstance(node, ast.ImportFrom)}
    assert not {name for name in named if name.partition(".")[0] == "torch" or name in NETWORKS}


def test_a_structure_alone_loads_no_compiler() -> None:
    code = "import models; from models.spec import build_empty; build_empty(models.spec('dit-s-2')); import sys\n"
    code += "print('torch._dynamo.symbolic_convert' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_help_is_what_the_command_says() -> None:
    assert {verb: stated_help(verb) for verb in verbs()} == {verb: load(verb).HELP for verb in verbs()}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_structure_says_what_the_network_is(name: str) -> None:
    said, network = structure(models.spec(name)), build_empty(models.spec(name))
    assert said.num_parameters() == sum(parameter.numel() for parameter in network.parameters())
    assert (said.latent_shape, said.num_branches, said.skips) == (
        network.latent_shape,
        2 * network.num_blocks,
        network.skips,
    )
    assert said.token_shape() == network.token_shape()


@pytest.mark.parametrize(
    "change", [{"mlp_time_embed": True}, {"qkv_bias": True}, {"skip": False}, {"conv": False}, {"num_classes": -1}]
)
def test_every_setting_of_uvit_counts(change: dict) -> None:
    config = {
        "img_size": 8,
        "patch_size": 2,
        "in_chans": 4,
        "embed_dim": 16,
        "depth": 4,
        "num_heads": 2,
        "num_classes": 11,
    }
    spec = models.ModelSpec("own", UVIT, config | change, 10)
    assert structure(spec).num_parameters() == sum(p.numel() for p in build_empty(spec).parameters())


@pytest.mark.parametrize("change", [{"class_dropout_prob": 0.0}, {"learn_sigma": False}, {"mlp_ratio": 2.5}])
def test_every_setting_of_dit_counts(change: dict) -> None:
    config = {"input_size": 8, "patch_size": 2, "in_channels": 4, "hidden_size": 16, "depth": 3, "num_heads": 2}
    spec = models.ModelSpec("own", DIT, config | change, 1000)
    assert structure(spec).num_parameters() == sum(p.numel() for p in build_empty(spec).parameters())


@pytest.mark.parametrize("name", ["dit-mnist", "uvit-mnist"])
def test_a_structure_has_the_shapes_of_the_model(name: str) -> None:
    empty, full = build_empty(models.spec(name)), models.build(name)
    assert {k: (v.shape, v.dtype) for k, v in empty.state_dict().items()} == {
        k: (v.shape, v.dtype) for k, v in full.state_dict().items()
    }
