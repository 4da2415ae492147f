"""Names in the way: repositories with a models.py of their own, as working directory, on PYTHONPATH, and as plugins."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import methods
import models
from bench import plugins
from bench.plugins import repository
from bench.sampling import sample
from bench.suite.cells import Settings
from bench.suite.file import load
from models.dit import DiT
from models.errors import InputError
from models.plugin_sources import sources_of

ROOT = Path(__file__).resolve().parents[1]
FOREIGN = ROOT / "tests" / "foreign_repository"
DOCS = (ROOT / "docs/repositories.md").read_text("utf-8")
SUITE = """name = "wrapped"
reference = { name = "ddim", steps = 4 }
[protocol]
samples = 32
sampling_batch = 16
[[cells]]
models = "wrapped-dit"
sampler = { name = "ddim", steps = 4 }
[[cells]]
models = "wrapped-dit"
sampler = { name = "ddim", steps = 4 }
cache = { name = "fora", interval = 2 }
"""


def documented(mark: str) -> str:
    return DOCS.split(f"<!-- {mark}: run by tests/test_repositories.py -->\n```python\n")[1].split("```")[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the documented plugin and, beside it, the repository."""
    shutil.copytree(FOREIGN, tmp_path / "DiT", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "wrapped_dit.py").write_text(documented("example"))
    return tmp_path


@pytest.fixture
def wrapped(place: Path):
    """The plugin's model with weights that hide nothing, and ours with the same."""
    plugins.require([str(place / "wrapped_dit.py")])
    model = models.build("wrapped-dit", weights="random")
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    ours = DiT(input_size=8, patch_size=2, in_channels=4, hidden_size=32, depth=3, num_heads=2, num_classes=10)
    ours.load_state_dict(model.state_dict(), strict=True)
    yield model, ours.eval().requires_grad_(False)
    models._plugins.pop("wrapped-dit")


def start(*command: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    where = os.pathsep.join(str(p) for p in (path, ROOT) if p is not None)
    variables |= {"PYTHONPATH": where, "OMP_NUM_THREADS": "1"}
    command = (sys.executable, *command)
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH"])
@pytest.mark.parametrize("module", ["bench.plugins"])
def test_commands_find_our_packages_beside_a_foreign_models_py(place: Path, way: str, module: str) -> None:
    foreign = place / "DiT"
    cwd, path = (foreign, None) if way == "working directory" else (place, foreign)
    listed = start("-m", "bench", "list", "methods", cwd=cwd, path=path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "fora" in listed.stdout
    code = f"import {module}, models, methods; print(models.__file__, methods.__file__)"
    done = start("-c", code, cwd=cwd, path=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(ROOT / name / "__init__.py") for name in ("models", "methods")]


def test_children_of_a_run_find_them_too(place: Path) -> None:
    (place / "s.toml").write_text(SUITE)
    command = ["-m", "bench", "run", str(place / "s.toml"), "--plugin", str(place / "wrapped_dit.py")]
    done = start(*command, "--weights", "random", "--out", str(place / "out"), cwd=place / "DiT")
    assert done.returncode == 0, done.stderr
    cells = {path.stem: json.loads(path.read_text()) for path in (place / "out").glob("cells/*/*.json")}
    assert {name: cell["status"] for name, cell in cells.items()} == {"ddim-4": "ok", "ddim-4+fora-interval-2": "ok"}
    assert cells["ddim-4"]["timing"]["latency_ms"]["median"] > 0
    ours = DiT(input_size=8, patch_size=2, in_channels=4, hidden_size=32, depth=3, num_heads=2, num_classes=10)
    each = ours.embed_macs() + sum(ours.branch_macs(i) + ours.residual_macs(i) for i in range(ours.num_branches))
    assert cells["ddim-4"]["work"]["macs"] == 4 * 2 * each  # evaluations, and guidance's two halves
    assert not list((place / "DiT").rglob("__pycache__"))


def test_the_documented_command_for_many_gpus_starts_in_such_a_directory(place: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "bench"]
    done = start(*launcher, "encode", "dit-mnist", "--data", "nowhere", "--out", "x", cwd=place / "DiT")
    assert "ModuleNotFoundError" not in done.stderr
    assert "nowhere" in done.stderr  # our own command, which knows no such data


def test_a_module_that_is_loaded_already_is_named_in_one_line(place: Path) -> None:
    done = start("-c", "import models, bench.cli", cwd=place / "DiT")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: bench needs its own package 'methods', but another ({place / 'DiT' / 'methods.py'}) is loaded: "
        "import bench first"
    )


def test_a_repository_leaves_nothing_behind(place: Path) -> None:
    modules, path, finders = dict(sys.modules), sys.path[:], sys.meta_path[:]
    with repository(place / "DiT"):
        import models as theirs
        from methods import scaled
    assert theirs is not models
    assert theirs.DiT_models.keys() == {"DiT-tiny/2"}
    assert scaled(2, 3, 4) == 13
    assert (sys.modules, sys.path, sys.meta_path) == (modules, path, finders)
    assert sys.modules["models"] is models
    assert sys.modules["methods"] is methods
    assert not list((place / "DiT").rglob("__pycache__"))


def test_also_where_it_fails_and_where_two_have_the_same_names(place: Path) -> None:
    modules = dict(sys.modules)
    with pytest.raises(ModuleNotFoundError, match="not_there"), repository(place / "DiT"):
        import_module("models.not_there")
    assert sys.modules == modules
    other = place / "other"
    (other / "models").mkdir(parents=True)
    (other / "models" / "__init__.py").write_text("from models.parts import WHO\n")
    (other / "models" / "parts.py").write_text("WHO = 'other'\n")
    with repository(other):
        from models import WHO
    with repository(place / "DiT"):
        from models import DiT_models
    assert (WHO, list(DiT_models)) == ("other", ["DiT-tiny/2"])
    with pytest.raises(InputError, match="nowhere: no such folder"), repository("nowhere"):
        pass


def test_the_documented_wrapper_equals_the_repositorys_forward_pass_and_our_dit(place: Path, wrapped) -> None:
    model, ours = wrapped
    with repository(place / "DiT"):
        from models import DiT_models
    original = DiT_models["DiT-tiny/2"](input_size=8, in_channels=4, num_classes=10).eval()
    original.load_state_dict(model.state_dict(), strict=True)
    generator = torch.Generator().manual_seed(1)
    x, t = torch.randn(4, 4, 8, 8, generator=generator), torch.tensor([0.0, 250.0, 500.0, 999.0])
    y = torch.tensor([0, 3, 9, 10])
    with torch.no_grad():
        out = model(x, t, y)
        assert out.std() > 0.05
        torch.testing.assert_close(out, original(x, t, y), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(out, ours(x, t, y), rtol=1e-4, atol=1e-5)
    assert model.embed_macs() == ours.embed_macs()
    sampler, cache = methods.build("ddim", steps=6), methods.build("fora", interval=2)
    settings = {"noise": x, "labels": torch.tensor([0, 3, 9, 1]), "guidance_scale": 1.5, "guidance_channels": 3}
    theirs, own = (sample(network, sampler, cache, **settings) for network in (model, ours))
    torch.testing.assert_close(theirs, own, rtol=1e-3, atol=1e-4)


def test_a_result_depends_on_the_repositorys_code_and_on_a_plugins_helpers(place: Path) -> None:
    plugin = place / "wrapped_dit.py"
    (place / "helper.py").write_text("STEPS = 4\n")
    imports = ("helper", "json.tool", "torch.utils.dlpack")  # the last two are installed: they are no sources
    lines = "".join(f"import {name}\n" for name in imports)
    beside = f"import sys\nsys.path.insert(0, {str(place)!r})\n{lines}"
    plugin.write_text(plugin.read_text().replace("from pathlib", f"{beside}from pathlib", 1))
    (place / "s.toml").write_text(SUITE)
    try:
        plugins.require([str(plugin)])
        cell, settings = load(str(place / "s.toml"), {}).cells[0], Settings(weights="random")
        names = {file.relative_to(place).as_posix() for file in sources_of(plugin)}
        theirs = {"DiT/models.py", "DiT/methods.py", "DiT/diffusion/__init__.py"}
        assert names == {"wrapped_dit.py", "helper.py"} | theirs
        before = cell.key(settings), cell.samples_key(settings)
        for file in ("DiT/methods.py", "DiT/models.py", "helper.py", "wrapped_dit.py"):
            with (place / file).open("a") as opened:
                opened.write("# changed\n")
            after = cell.key(settings), cell.samples_key(settings)
            assert not {*after} & {*before}, file
            before = after
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != str(place)]
        sys.modules.pop("helper", None)
        models._plugins.pop("wrapped-dit", None)


def test_its_checkpoints_load_and_the_documented_check_runs(place: Path, wrapped, monkeypatch) -> None:
    model, _ = wrapped
    torch.save({"ema": model.state_dict()}, place / "ema.pt")
    loaded = models.build("wrapped-dit", weights=str(place / "ema.pt"))
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))
    monkeypatch.chdir(place)
    exec(documented("check"), {"__name__": "check"})
