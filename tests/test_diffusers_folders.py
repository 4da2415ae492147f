"""Folders of diffusers' save_pretrained: loaded whole, as the network and with the noise that they were trained in."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import small_models
import torch

import methods
import models
from bench import engines
from bench.sampling import sample
from bench.sampling.compiled import COMPILED, PLAIN, Execution
from bench.sampling.library import LibraryTrajectory
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.dit import DiT
from models.errors import InputError
from models.noise_schedule import linear

diffusers = pytest.importorskip("diffusers")

SPEC = replace(
    small_models.DIT_SPEC,
    config={"input_size": 8, "hidden_size": 64, "depth": 3, "num_heads": 4, "num_classes": 5},
    num_classes=5,
)
OFFICIAL = {"norm_eps": 1e-6, "downscale_freq_shift": 0}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    small_models.register(monkeypatch, SPEC)


def network(downscale_freq_shift=1, copied=True, **options):
    """diffusers' own DiT; the embedders of all blocks are one where they are `copied`, as converted weights have it."""
    torch.manual_seed(0)
    theirs = diffusers.DiTTransformer2DModel(4, 16, 4, 8, 3, sample_size=8, num_embeds_ada_norm=5, **options).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    for block in theirs.transformer_blocks:
        if copied:
            block.norm1.emb.load_state_dict(theirs.transformer_blocks[0].norm1.emb.state_dict())
        block.norm1.emb.time_proj.downscale_freq_shift = downscale_freq_shift
    return theirs.requires_grad_(False)


def pipeline(net, scheduler, folder):
    vae = diffusers.AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4, sample_size=8)
    diffusers.DiTPipeline(net, vae, scheduler).save_pretrained(folder)
    return folder


def rewrite(path, **changes):
    """Change settings in a JSON file; None takes one out."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def error(folder, theirs):
    """Relative error of our output to theirs."""
    x, t, y = torch.randn(2, 4, 8, 8), torch.tensor([999.0, 20.0]), torch.tensor([1, 5])
    expected = theirs(x, timestep=t.long(), class_labels=y).sample
    return ((models.build("tiny-dit", weights=folder)(x, t, y) - expected).norm() / expected.norm()).item()


def refusal(folder):
    with pytest.raises(InputError) as caught:
        models.build("tiny-dit", weights=folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"max_shard_size": "200KB"}, {"max_shard_size": "200KB", "variant": "ema"}])
@pytest.mark.parametrize("safe", [True, False])
def test_shards_and_variants_are_the_same_network(options, safe, tmp_path):
    theirs = network()
    theirs.save_pretrained(tmp_path, safe_serialization=safe, **options)
    assert len(list(tmp_path.glob("*-of-*"))) != 1
    assert error(tmp_path, theirs) < 1e-5


def test_a_half_precision_variant_is_that_in_float32(tmp_path):
    theirs = network()
    half = copy.deepcopy(theirs).half()
    half.save_pretrained(tmp_path, variant="fp16")
    theirs.load_state_dict(half.state_dict())
    assert error(tmp_path, theirs) < 1e-5


def test_a_network_that_diffusers_trained_is_run_as_diffusers_runs_it(tmp_path, capsys):
    theirs = network()
    theirs.save_pretrained(tmp_path)
    assert error(tmp_path, theirs) < 1e-5
    taken = models.build("tiny-dit", weights=tmp_path).weights_taken
    assert taken == "diffusers' network (frequencies over 127, norm_eps 1e-05)"
    assert taken in capsys.readouterr().err
    rewrite(tmp_path / "config.json", downscale_freq_shift=0)  # someone who knows better
    assert error(tmp_path, theirs) > 1e-3


def test_the_compiled_form_has_its_constants_too(tmp_path):
    network(norm_eps=1e-2).save_pretrained(tmp_path)  # so large that it shows
    rewrite(tmp_path / "config.json", downscale_freq_shift=1)
    model, generator = models.build("tiny-dit", weights=tmp_path), torch.Generator().manual_seed(0)
    assert [block.norm2.eps for block in model.blocks] == [1e-2] * 3
    inputs = {"noise": torch.randn(2, 4, 8, 8, generator=generator), "labels": torch.tensor([0, 3])}
    sampler = methods.build("ddim", steps=3)
    forms = (Execution(), Execution(path=PLAIN))
    fast, slow = (sample(model, sampler, guidance_scale=1.5, options=form, **inputs) for form in forms)
    assert (fast - slow).norm() / slow.norm() < 1e-5


TRAINED = [  # what config.json may say of weights that diffusers trained, and what it is
    ({}, {}, "frequencies over 127, norm_eps 1e-05"),
    ({"norm_eps": 1e-2}, {}, "frequencies over 127, norm_eps 0.01"),
    ({"norm_eps": 1e-6}, {}, "frequencies over 127, norm_eps 1e-06"),
    ({}, {"_class_name": "Transformer2DModel", "norm_eps": None}, "frequencies over 127, norm_eps 1e-05"),
    ({}, {"_name_or_path": "facebook/DiT-XL-2-256"}, "frequencies over 127, norm_eps 1e-05"),  # tuned further
]


@pytest.mark.parametrize(("options", "changes", "said"), TRAINED)
def test_blocks_that_were_trained_apart_tell_whose_network_it_is(options, changes, said, tmp_path, capsys):
    theirs = network(copied=False, **options)
    theirs.save_pretrained(tmp_path)
    rewrite(tmp_path / "config.json", **changes)
    assert error(tmp_path, theirs) < 1e-5
    model = models.build("tiny-dit", weights=tmp_path)
    assert model.weights_taken == f"diffusers' network ({said}), an embedder a block"
    assert model.num_parameters() == sum(parameter.numel() for parameter in model.parameters())
    assert "assumed trained" not in capsys.readouterr().err
    models.check_weights("tiny-dit", tmp_path / "diffusion_pytorch_model.safetensors")


def test_a_network_with_an_embedder_a_block_is_sampled_as_the_library_samples_it(tmp_path):
    network(copied=False).save_pretrained(tmp_path)
    model, generator = models.build("tiny-dit", weights=tmp_path), torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 4, 8, 8, generator=generator), torch.tensor([0, 3])
    sampler, engine = methods.build("ddim", steps=3), engines.find("diffusers")()
    theirs = LibraryTrajectory(model, sampler, engine, None, guidance_scale=1.5, guidance_channels=None)(*inputs)
    for path in (COMPILED, PLAIN):
        ours = sample(model, sampler, noise=inputs[0], labels=inputs[1], guidance_scale=1.5, options=Execution(path))
        assert (ours - theirs).norm() / theirs.norm() < 1e-5
    half = models.build("tiny-dit", weights=tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}


def test_a_class_of_ones_own_has_one_embedder_and_says_so(tmp_path, monkeypatch):
    small_models.register(monkeypatch, replace(SPEC, architecture=type("Mine", (DiT,), {})))
    network(copied=False).save_pretrained(tmp_path)
    message = "emb.class_embedder.embedding_table.weight' differs from the other blocks'; a Mine"
    assert message in refusal(tmp_path)


def test_what_is_assumed_of_copied_embedders_is_one_line(tmp_path, capsys):
    network().save_pretrained(tmp_path)
    for _ in range(2):
        models.build("tiny-dit", weights=tmp_path)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "assumed trained" in line]
    assert line.startswith(f"{tmp_path}/config.json: assumed trained by diffusers")
    said = json.loads("{" + line.split("'")[3] + "}")
    rewrite(tmp_path / "config.json", norm_eps=1e-6, **said)
    assert models.build("tiny-dit", weights=tmp_path).weights_taken == ""
    assert "assumed trained" not in capsys.readouterr().err


def as_published(path):
    """The settings of facebook's DiT-XL-2-256: the old class, and no norm_eps."""
    rewrite(path / "config.json", _class_name="Transformer2DModel", _diffusers_version="0.12.0.dev0", norm_eps=None)


@pytest.mark.parametrize("saved_again", [False, True])
def test_facebooks_conversion_is_the_official_network(saved_again, tmp_path):
    theirs = network(**OFFICIAL)
    theirs.save_pretrained(tmp_path)
    if saved_again:  # by today's diffusers, which fills its own defaults in
        origin = "/hub/models--facebook--DiT-XL-2-256/snapshots/1"
        rewrite(tmp_path / "config.json", norm_eps=1e-5, _name_or_path=origin)
    else:
        as_published(tmp_path)
    assert error(tmp_path, theirs) < 1e-5
    assert models.build("tiny-dit", weights=tmp_path).weights_taken == ""


def test_a_conversion_with_the_official_epsilon_is_the_official_network(tmp_path):
    theirs = network(**OFFICIAL)
    theirs.save_pretrained(tmp_path)
    assert error(tmp_path, theirs) < 1e-5


SETTINGS = [
    ({"activation_fn": "gelu"}, "'activation_fn' is 'gelu', this DiT has 'gelu-approximate'"),
    ({"norm_eps": 1e-3}, "'norm_eps' is 0.001, neither the official network's 1e-06 nor diffusers' default 1e-05"),
    ({"norm_eps": "small"}, "'norm_eps' must lie in (0, 1)"),
    ({"num_attention_heads": 8, "attention_head_dim": 8}, "'num_attention_heads' is 8, this DiT has 4"),
    ({"sample_size": 16}, "'sample_size' is 16, this DiT has 8"),
    ({"patch_size": 1}, "'patch_size' is 1, this DiT has 2"),
    ({"num_embeds_ada_norm": 1000}, "'num_embeds_ada_norm' is 1000, this DiT has 5"),
    ({"_class_name": "PixArtTransformer2DModel"}, "'_class_name' is 'PixArtTransformer2DModel', expected DiT"),
    ({"downscale_freq_shift": 0.5}, "'norm_eps' must lie in (0, 1) and 'downscale_freq_shift' be 0 or 1"),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_settings_that_no_dit_here_has_are_refused(settings, message, tmp_path):
    network().save_pretrained(tmp_path)
    rewrite(tmp_path / "config.json", **settings)
    assert f"{tmp_path}/config.json: {message}" in refusal(tmp_path)
    with pytest.raises(InputError):  # before the first cell, too
        models.check_weights("tiny-dit", tmp_path / "diffusion_pytorch_model.safetensors")


SCHEDULES = [
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
    {"trained_betas": np.linspace(1e-3, 1e-2, 1000).tolist()},
    {"beta_end": 0.01, "num_train_timesteps": 500},
]


@pytest.mark.parametrize("settings", SCHEDULES)
def test_the_schedulers_betas_are_taken_over(settings, tmp_path):
    scheduler = diffusers.DDIMScheduler(**settings)
    pipeline(network(), scheduler, tmp_path)
    model = models.build("tiny-dit", weights=tmp_path)
    assert np.allclose(model.noise_schedule.betas, scheduler.betas.numpy(), rtol=1e-4, atol=1e-8)
    assert model.noise_schedule.title in model.weights_taken
    assert model.noise_schedule.first_timestep == 0


def test_the_published_schedule_is_our_own(tmp_path):
    pipeline(network(**OFFICIAL), diffusers.DDIMScheduler(clip_sample=False), tmp_path)
    as_published(tmp_path / "transformer")
    model = models.build("tiny-dit", weights=tmp_path)
    assert np.array_equal(model.noise_schedule.betas, linear().betas)
    assert model.weights_taken == "its scheduler's timestep_spacing leading left to the suite's sampler"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prediction_type": "v_prediction"}, "'prediction_type' is 'v_prediction', a DiT here predicts noise"),
        ({"prediction_type": "sample"}, "'prediction_type' is 'sample'"),
        ({"rescale_betas_zero_snr": True}, "'rescale_betas_zero_snr' is true"),
        ({"beta_schedule": "sigmoid"}, "'beta_schedule' is 'sigmoid', expected linear, scaled_linear, squared"),
        ({"trained_betas": [0.1, 2.0]}, "its betas must be numbers in (0, 1)"),
        ({"trained_betas": "many"}, "its betas must be numbers in (0, 1)"),
        ({"num_train_timesteps": 10**12}, "its betas must be numbers in (0, 1), at most 100000"),
        ({"beta_start": -1.0}, "its betas must be numbers in (0, 1)"),
        ({"beta_start": "low"}, "its betas must be numbers in (0, 1)"),
    ],
)
def test_a_scheduler_that_nothing_here_can_be_is_refused(settings, message, tmp_path):
    pipeline(network(), diffusers.DDIMScheduler(), tmp_path)
    rewrite(tmp_path / "scheduler/scheduler_config.json", **settings)
    assert f"scheduler/scheduler_config.json: {message}" in refusal(tmp_path)


def test_the_settings_are_part_of_the_cell(tmp_path):
    pipeline(network(), diffusers.DDIMScheduler(), tmp_path)
    cell = Cell("tiny-dit", Part("ddim", {"steps": 2}), None, Protocol())
    keys = {cell.key(Settings(weights=str(tmp_path)))}
    rewrite(tmp_path / "transformer/config.json", downscale_freq_shift=0)
    keys.add(cell.key(Settings(weights=str(tmp_path))))
    rewrite(tmp_path / "scheduler/scheduler_config.json", beta_end=0.01)
    keys.add(cell.key(Settings(weights=str(tmp_path))))
    assert len(keys) == 3
