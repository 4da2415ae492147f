"""Named models, and weights from strangers."""

import dataclasses
import pickle
import sys
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

import methods.registry
import models
from bench import engines
from bench.quality import extractors
from models.checkpoint import load_into, read_tensors
from models.dit import DiT
from models.errors import InputError
from models.spec import build_empty
from models.uvit import UViT

PUBLISHED = {  # millions of parameters: arXiv 2212.09748, table 4; arXiv 2209.12152, table 1
    "dit-s-2": 33,
    "dit-b-2": 130,
    "dit-l-2": 458,
    "dit-xl-2": 675,
    "uvit-l-2": 287,
    "uvit-h-2": 501,
}


def test_every_name_of_the_contract_is_registered():
    assert {*PUBLISHED, "uvit-m-2", "uvit-s-2", "dit-mnist", "uvit-mnist"} <= set(models.names())
    assert {f"dit-{size}-2-512" for size in ("s", "b", "l", "xl")} <= set(models.names())


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name):
    spec = models.spec(name)
    model = build_empty(spec)  # shapes alone, nothing is allocated
    assert abs(sum(p.numel() for p in model.parameters()) / 1e6 - PUBLISHED[name]) < 0.7


@pytest.mark.parametrize("name", ["dit-mnist", "uvit-mnist"])
def test_small_models_are_small_and_deep(name):
    model = models.build(name, weights="random")
    assert sum(p.numel() for p in model.parameters()) <= 4e6
    assert model.num_blocks >= 12
    assert model.name == name


def test_random_weights_are_reproducible_and_leave_the_generator_alone():
    torch.manual_seed(1)
    first = models.build("dit-mnist", weights="random")
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    second = models.build("dit-mnist", weights="random")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_unknown_and_unshipped_models_say_what_to_do():
    with pytest.raises(InputError, match="did you mean 'dit-mnist'"):
        models.build("dit-minst")
    with pytest.raises(InputError, match=r"ships no weights: give --weights .*: a file"):
        models.build("dit-s-2")


def plugin(**content):
    module = ModuleType("plugin")
    vars(module).update(content)
    return module


def test_a_plugin_cannot_take_the_name_of_a_shipped_model(monkeypatch):
    monkeypatch.setattr(models, "_plugins", {})
    shipped = models.spec("dit-mnist")
    with pytest.raises(InputError, match="plugin: the model name 'dit-mnist' is taken"):
        models.register(plugin(spec=dataclasses.replace(shipped, guidance_scale=9.0)))
    assert models.spec("dit-mnist") is shipped
    own = plugin(spec=dataclasses.replace(shipped, name="own"), specs=[shipped])  # an import is no definition
    assert models.register(own) == models.register(own) == ["own"]


def forget(registered):
    """Have the files of a package looked at again."""
    return lambda: vars(registered).pop("shipped", None)


@pytest.mark.parametrize(
    ("package", "forgotten", "text", "message"),
    [
        (
            models,
            models._shipped.cache_clear,
            "import dataclasses\nfrom models.dit_mnist import spec as first\nspec = dataclasses.replace(first)\n",
            "models/dit_mnist.py and models/zz_twin.py both define the model 'dit-mnist'",
        ),
        (
            methods,
            forget(methods.registry.REGISTERED),
            "from methods.ddim import DDIM\nclass Twin(DDIM):\n    pass\n",
            "methods/ddim.py and methods/zz_twin.py both define the method 'ddim'",
        ),
        (
            engines,
            forget(engines.REGISTERED),
            "from bench.engines.cache_dit import CacheDiT\nclass Twin(CacheDiT):\n    pass\n",
            "bench/engines/cache_dit.py and bench/engines/zz_twin.py both define the engine 'cache-dit'",
        ),
        (
            extractors,
            forget(extractors.REGISTERED),
            "from bench.quality.extractors.inception import Adm\nclass Twin(Adm):\n    pass\n",
            "extractors/inception.py and bench/quality/extractors/zz_twin.py both define the extractor 'adm'",
        ),
    ],
)
def test_two_files_with_one_name_are_both_named(package, forgotten, text, message, tmp_path, monkeypatch):
    (tmp_path / "zz_twin.py").write_text(text)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(package, "zz_twin", None, raising=False)  # undone after the import
    monkeypatch.delitem(sys.modules, f"{package.__name__}.zz_twin", raising=False)
    forgotten()
    try:
        with pytest.raises(InputError, match=message):
            package.names()
    finally:
        forgotten()
        sys.modules.pop(f"{package.__name__}.zz_twin", None)


class Creates:
    """A pickle that would create a file when loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_malicious_checkpoint_is_not_executed(tmp_path):
    victim, file = tmp_path / "victim", tmp_path / "weights.pt"
    torch.save({"model": Creates(victim)}, file)
    with pytest.raises(InputError, match="not a plain file of tensors"):
        read_tensors(file)
    file.write_bytes(pickle.dumps(Creates(victim)))
    with pytest.raises(InputError, match="not a plain file of tensors"):
        read_tensors(file)
    assert not victim.exists()


def tiny():
    return DiT(4, 1, 4, 16, 2, 2, num_classes=3)


def test_damaged_and_foreign_weights_are_one_line(tmp_path):
    good = tiny().state_dict()
    path = tmp_path / "w.safetensors"
    save_file(good, path)
    load_into(tiny(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"w\.safetensors: damaged"):
        load_into(tiny(), path)
    save_file({k: v for k, v in good.items() if k != "pos_embed"} | {"extra": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="missing pos_embed, unexpected extra"):
        load_into(tiny(), path)
    save_file(good | {"pos_embed": torch.zeros(1, 9, 16)}, path)
    with pytest.raises(InputError, match=r"'pos_embed' has shape \[1, 9, 16\], expected \[1, 16, 16\]"):
        load_into(tiny(), path)
    save_file(good | {"pos_embed": torch.full((1, 16, 16), torch.nan)}, path)
    with pytest.raises(InputError, match="not finite"):
        load_into(tiny(), path)
    with pytest.raises(InputError, match="no such file"):
        load_into(tiny(), tmp_path / "absent.pt")


def test_official_checkpoints_may_wrap_their_state_dict(tmp_path):
    model = tiny()
    torch.save({"ema": model.state_dict(), "model": {}}, tmp_path / "w.pt")
    other = tiny()
    load_into(other, tmp_path / "w.pt")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_uvit_without_skips_or_classes_runs():
    model = UViT(4, 1, 3, 16, 4, 2, num_classes=-1, skip=False).eval()
    assert model.skips == {}
    assert model(torch.randn(2, 3, 4, 4), torch.tensor([1.0, 2.0])).shape == (2, 3, 4, 4)


FAULTS = [
    ({"name": "../up"}, "a model's name must be letters"),
    ({"weights": 7}, "model 'own': weights must be a path, got 7"),
    ({"config": {"depht": 3}}, "model 'own' cannot be built: .*'depht'"),
    ({"architecture": dict, "config": {}}, "model 'own': dict is no models.Denoiser"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_a_plugins_faulty_model_is_refused_when_it_is_registered(fault, message, monkeypatch):
    monkeypatch.setattr(models, "_plugins", {})
    shipped = models.spec("dit-mnist")
    with pytest.raises(InputError, match=message):
        models.register(plugin(spec=dataclasses.replace(shipped, **{"name": "own"} | fault)))
    assert models._plugins == {}


def test_a_plugins_weights_are_beside_its_file(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "_plugins", {})
    monkeypatch.setattr(models, "_plugin_files", {})
    own = dataclasses.replace(models.spec("dit-mnist"), name="own", weights="own.pt")
    models.register(plugin(spec=own, __file__=str(tmp_path / "own.py")))
    with pytest.raises(InputError, match=f"{tmp_path}/own.pt: no such file of weights"):
        models.build("own")
