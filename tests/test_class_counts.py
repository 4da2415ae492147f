"""A spec counts the classes of its network's label table, and a network without a null class is trained without one."""

import json
from dataclasses import replace

import pytest
import small_models
import torch
from safetensors.torch import save_file

import methods
import models
from bench.cli import main
from bench.sampling import sample
from bench.train.denoiser import drop_labels
from models import InputError
from models.dit import DiT
from models.spec import ModelSpec, build_random
from models.third_party import accept
from models.uvit import UViT

PLUGIN = """
from models import ModelSpec
from models.dit import DiT
from models.uvit import UViT
D = dict(input_size=4, patch_size=2, in_channels=4, hidden_size=32, depth=2, num_heads=2)
U = dict(img_size=4, patch_size=2, in_chans=4, embed_dim=32, depth=2, num_heads=2, conv=False)
specs = (
    ModelSpec(name="one-class", architecture=DiT, config=D | {"num_classes": 1, "class_dropout_prob": 0.0},
              num_classes=1, guidance_scale=1.0),
    ModelSpec(name="no-null", architecture=DiT, config=D | {"num_classes": 3, "class_dropout_prob": 0.0},
              num_classes=3, guidance_scale=1.0),
    ModelSpec(name="no-labels", architecture=UViT, config=U | {"num_classes": -1}, num_classes=1, guidance_scale=1.0),
    ModelSpec(name="eleven", architecture=DiT, config=D | {"num_classes": 10}, num_classes=11),
)
"""
FAULTS = [
    (small_models.DIT_SPEC, {"num_classes": 11}, "is 11, its network has labels for 10 beside the null class"),
    (small_models.DIT_SPEC, {"num_classes": 9}, "is 9, its network has labels for 10 beside the null class"),
    (small_models.UVIT_SPEC, {"num_classes": 11}, "is 11, its network has labels for 10 beside the null class"),
    (small_models.DIT_SPEC, {"num_classes": 0}, "num_classes must be a number from 1 on, got 0"),
    (small_models.DIT_SPEC, {"num_classes": "ten"}, "num_classes must be a number from 1 on, got 'ten'"),
    (
        small_models.DIT_SPEC,
        {"config": small_models.DIT_SPEC.config | {"class_dropout_prob": 0.0}, "num_classes": 11, "guidance_scale": 1},
        r"is 11, its network has labels for 10$",
    ),
    (
        small_models.DIT_SPEC,
        {"config": small_models.DIT_SPEC.config | {"class_dropout_prob": 0.0}},
        r"guidance_scale is 1\.5, without a null class it is 1",
    ),
]


@pytest.mark.parametrize(("spec", "fault", "message"), FAULTS)
def test_a_count_that_is_not_the_table_s_is_refused(spec, fault, message):
    with pytest.raises(InputError, match=message):
        accept(replace(spec, **fault), None)


def test_every_shipped_model_counts_its_table():
    for name in models.names():
        accept(models.spec(name), None)


def test_the_other_models_of_a_plugin_are_registered(monkeypatch, capsys):
    monkeypatch.setattr(models, "_refused", {})
    small_models.register(
        monkeypatch, small_models.DIT_SPEC, replace(small_models.DIT_SPEC, name="eleven", num_classes=11)
    )
    assert models.spec("tiny-dit") is models._plugins["tiny-dit"]
    assert "eleven" not in models.names()
    assert "model 'eleven': num_classes is 11" in capsys.readouterr().err
    with pytest.raises(InputError, match="model 'eleven': num_classes is 11"):
        models.build("eleven", weights="random")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for table in ("_plugins", "_plugin_files", "_refused"):
        monkeypatch.setattr(models, table, {})
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return ("--plugin", str(tmp_path / "plugin.py"))


@pytest.mark.parametrize(("name", "classes"), [("one-class", 1), ("no-null", 3), ("no-labels", 1)])
def test_a_network_without_a_null_class_trains_and_samples(name, classes, plugin, tmp_path, capsys):
    generator = torch.Generator().manual_seed(0)
    data = {"latents": torch.randn(64, 4, 4, 4, generator=generator), "labels": torch.arange(64) % classes}
    save_file(data, "latents.safetensors")
    scale = ("--data", "latents.safetensors", "--batch", "32", *plugin)
    assert main(["train", name, *scale, "--out", "t", "--steps", "3"]) == 0
    recipe = json.loads((tmp_path / "t/card.json").read_text())["recipe"]
    assert recipe["label_dropout"] == 0.0
    weights = ("--weights", "t/weights.safetensors", "--sampler", "ddim", "--steps", "4")
    assert (
        main(["train-router", name, *weights, *scale, "--l1", "1e-3", "--iterations", "8", "--out", "r.safetensors"])
        == 0
    )
    card = json.loads((tmp_path / "r.json").read_text())
    assert (card["recipe"]["label_dropout"], card["guidance_scale"]) == (0.0, 1.0)
    model, noise = models.build(name, weights="t/weights.safetensors"), torch.randn(2, 4, 4, 4, generator=generator)
    sampler, cache = methods.build("ddim", steps=4), methods.build("l2c", router="r.safetensors")
    labels = torch.zeros(2, dtype=torch.int64)
    assert sample(model, sampler, cache, noise=noise, labels=labels).isfinite().all()
    with pytest.raises(InputError, match="guidance_scale must be 1"):
        sample(model, sampler, noise=noise, labels=labels, guidance_scale=1.5)


def test_a_suite_that_names_a_refused_model_says_why(plugin, tmp_path, capsys):
    (tmp_path / "s.toml").write_text(
        'name = "s"\n[[cells]]\nmodels = "eleven"\nsampler = { name = "ddim", steps = 2 }\n'
    )
    assert main(["run", "s.toml", *plugin, "--out", "o"]) == 2
    assert "model 'eleven': num_classes is 11" in capsys.readouterr().err.splitlines()[-1]


def test_labels_are_dropped_where_there_is_a_null_class():
    y = torch.arange(1000) % 10
    for architecture, config in ((DiT, small_models.DIT_SPEC.config), (UViT, small_models.UVIT_SPEC.config)):
        model = build_random(ModelSpec(name="m", architecture=architecture, config=config, num_classes=10))
        dropped = drop_labels(y, model, 0.3, torch.Generator().manual_seed(0))
        assert 200 < (dropped == model.null_label).sum() < 400
        assert (dropped[dropped != model.null_label] == y[dropped != model.null_label]).all()
