"""Weights of the full-size models: fetched, converted from every published layout, refused where they differ."""

import argparse
import hashlib
from dataclasses import replace

import golden_vectors
import pytest
import torch
from diffusers import DiTTransformer2DModel
from file_server import Files, serving
from safetensors.torch import save_file

import models
from bench.cost.plan_cost import plan_macs
from methods.plan import uncached
from models.errors import InputError
from models.official import weights_file
from models.spec import Download, Official, build_empty, build_random

GOLDEN = {
    "dit-xl-2": "DiT-XL/2",
    "dit-l-2": "DiT-L/2",
    "dit-b-2": "DiT-B/2",
    "dit-s-2": "DiT-S/2",
    "dit-xl-2-512": "DiT-XL/2-512",
    "uvit-h-2": "U-ViT-H/2",
    "uvit-l-2": "U-ViT-L/2",
}
TINY_DIT = {"input_size": 8, "patch_size": 2, "in_channels": 4, "hidden_size": 32, "depth": 3, "num_heads": 2}
TINY_UVIT = {"img_size": 8, "patch_size": 2, "in_chans": 4, "embed_dim": 32, "depth": 4, "num_heads": 2}


@pytest.mark.parametrize("name", GOLDEN)
def test_parameters_and_macs_are_the_official_ones(name):
    spec, model = models.spec(name), build_empty(models.spec(name))
    expected = golden_vectors.load("flops")[1]["models"][GOLDEN[name]]
    conv = (
        {"parameters": 9 * 4 * 4 + 4, "macs": 9 * 4 * 4 * 32 * 32} if spec.config.get("conv") else {}
    )  # recorded without
    assert sum(p.numel() for p in model.parameters()) == expected["params"] + conv.get("parameters", 0)
    assert plan_macs(model, uncached(1, model.num_branches)) == expected["macs"]["total"] + conv.get("macs", 0)


def test_on_the_meta_device_a_model_is_structure_alone():
    model = models.build("dit-xl-2", weights="random", device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.name == "dit-xl-2"


def test_every_full_size_model_says_what_its_evaluation_needs():
    full = [spec for spec in map(models.spec, models.names()) if spec.num_classes == 1000]
    assert len(full) >= 12
    for spec in full:
        assert spec.latent_shape == (4, spec.resolution // 8, spec.resolution // 8)
        assert spec.autoencoder == "sd-vae-ft-ema"
        assert spec.official is not None
        assert spec.official.downloads or spec.official.note
        guided = (1.5, 3) if spec.name.startswith("dit") else (1.4, None)
        assert (spec.guidance_scale, spec.guidance_channels) == guided


@pytest.fixture
def tiny(monkeypatch):
    """The full-size models under their names, made tiny: everything else about them is the real thing."""
    shipped = models._shipped()
    small = {
        "dit-xl-2": replace(shipped["dit-xl-2"], config=TINY_DIT | {"num_classes": 5}),
        "dit-l-2": replace(shipped["dit-l-2"], config=TINY_DIT | {"num_classes": 5, "depth": 2}),
        "uvit-h-2": replace(shipped["uvit-h-2"], config=TINY_UVIT | {"num_classes": 6, "conv": False}),
    }
    monkeypatch.setattr(models, "_shipped", lambda: small)
    return small


def perturbed(spec):
    """Random weights without adaLN-Zero's zeros, which would hide most of the network."""
    model = build_random(spec)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if name != "pos_embed" or not parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += 0.1 * noise if parameter.requires_grad else 0
    return model.eval().requires_grad_(False)


def inputs(model):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, *model.latent_shape, generator=generator), torch.tensor([10.0, 500.0]), torch.tensor([0, 3])


@pytest.mark.parametrize("name", ["dit-xl-2", "uvit-h-2"])
@pytest.mark.parametrize("kind", ["bare.pt", "trainer.pt", "distributed.pt", "ours.safetensors", "half.safetensors"])
def test_every_layout_loads_from_a_path(name, kind, tiny, tmp_path):
    model = perturbed(tiny[name])
    state, path = model.state_dict(), tmp_path / kind
    if kind == "trainer.pt":
        torch.save({"model": {}, "ema": state, "opt": {"lr": 1}, "args": argparse.Namespace(model="DiT-XL/2")}, path)
    elif kind == "distributed.pt":
        torch.save({f"module.{key}": value for key, value in state.items()}, path)
    elif kind == "bare.pt":
        torch.save(state, path)
    else:
        save_file({key: value.half() if "half" in kind else value for key, value in state.items()}, path)
    loaded = models.build(name, weights=path)
    assert not any(p.requires_grad or p.is_meta or p.dtype != torch.float32 for p in loaded.parameters())
    x = inputs(model)
    assert torch.allclose(loaded(*x), model(*x), atol=2e-2 if "half" in kind else 0, rtol=0)
    assert (
        models.build(name, weights=path, dtype=torch.bfloat16).embed(x[0].bfloat16(), *x[1:])[0].dtype == torch.bfloat16
    )


def diffusers_dit():
    torch.manual_seed(0)
    theirs = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        out_channels=8,
        num_layers=3,
        sample_size=8,
        num_embeds_ada_norm=5,
        norm_eps=1e-6,  # of the official code; the default is 1e-5
    )
    theirs = theirs.eval().requires_grad_(False)
    for parameter in theirs.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    first = theirs.transformer_blocks[0].norm1.emb.state_dict()
    for block in theirs.transformer_blocks:  # published files hold one embedder, copied into every block
        block.norm1.emb.load_state_dict(first)
        block.norm1.emb.time_proj.downscale_freq_shift = 0  # of the official code; diffusers' own default is 1
    return theirs


@pytest.mark.parametrize("where", ["model.safetensors", "model.bin", "folder", "pipeline"])
@pytest.mark.parametrize("positions", [True, False])
def test_diffusers_transformers_give_equal_outputs(where, positions, tiny, tmp_path):
    theirs = diffusers_dit()
    state = theirs.state_dict()
    if positions:
        state["pos_embed.pos_embed"] = theirs.pos_embed.pos_embed
    else:
        state.pop("pos_embed.pos_embed", None)
    path = tmp_path / where
    if where == "model.bin":
        torch.save(state, path)
    elif where == "model.safetensors":
        save_file({key: value.clone() for key, value in state.items()}, path)
    else:
        folder = path / "transformer" if where == "pipeline" else path
        folder.mkdir(parents=True)
        torch.save(state, folder / "diffusion_pytorch_model.bin")
    ours = models.build("dit-xl-2", weights=path)
    x, t, y = inputs(ours)
    assert (ours(x, t, y) - theirs(x, t, y).sample).abs().max() <= 1e-5


def test_diffusers_files_that_no_dit_can_be_are_one_line(tiny, tmp_path):
    state = diffusers_dit().state_dict()
    key = "transformer_blocks.1.norm1.emb.timestep_embedder.linear_1.weight"
    torch.save(state | {key: state[key] + 1}, tmp_path / "own.bin")
    with pytest.raises(InputError, match=r"own\.bin: 'transformer_blocks\.1\..*' differs from the other blocks'"):
        models.build("dit-xl-2", weights=tmp_path / "own.bin")
    key = "transformer_blocks.2.attn1.to_v.weight"
    torch.save({k: v for k, v in state.items() if k != key}, tmp_path / "cut.bin")
    with pytest.raises(InputError, match=r"cut\.bin: 'transformer_blocks\.2\.attn1\.to_v\.weight' is missing"):
        models.build("dit-xl-2", weights=tmp_path / "cut.bin")
    with pytest.raises(InputError, match=r"a folder without diffusion_pytorch_model\.safetensors or"):
        models.build("dit-xl-2", weights=tmp_path)


def test_weights_of_another_model_say_whose_they_are(tiny, tmp_path):
    torch.save(perturbed(tiny["dit-l-2"]).state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"dit-xl-2: .*w\.pt: does not fit; missing blocks\.2\..*dit-l-2's shapes"):
        models.build("dit-xl-2", weights=tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"missing .*, unexpected .*; these are dit-l-2's shapes"):
        models.build("uvit-h-2", weights=tmp_path / "w.pt")
    torch.save(
        perturbed(replace(tiny["dit-l-2"], config=TINY_DIT | {"num_classes": 9})).state_dict(), tmp_path / "w.pt"
    )
    with pytest.raises(InputError, match=r"'y_embedder.*' has shape \[10, 32\], expected \[6, 32\]$"):
        models.build("dit-xl-2", weights=tmp_path / "w.pt")


def test_official_weights_are_fetched_in_either_layout(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    original, theirs = perturbed(tiny["dit-xl-2"]), diffusers_dit()
    torch.save(original.state_dict(), tmp_path / "w.pt")
    torch.save(theirs.state_dict(), tmp_path / "w.bin")
    body = (tmp_path / "w.pt").read_bytes()
    with serving(Files({"/w.pt": body, "/w.bin": (tmp_path / "w.bin").read_bytes()}, cut=[2000])) as files:
        downloads = {
            "original": Download(f"{files.url}/w.pt", "w.pt", hashlib.sha256(body).hexdigest()),
            "diffusers": Download(f"{files.url}/w.bin", "w.bin"),
        }
        tiny["dit-xl-2"] = replace(tiny["dit-xl-2"], official=Official(downloads))
        for _ in range(2):  # the second time from the cache
            loaded = models.build("dit-xl-2", weights="official")
            assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), original.parameters(), strict=True))
        x, t, y = inputs(original)
        other = models.build("dit-xl-2", weights="official:diffusers")
        assert (other(x, t, y) - theirs(x, t, y).sample).abs().max() <= 1e-5
        with pytest.raises(InputError, match="unknown layout of dit-xl-2's official weights 'diffuser'; did you mean"):
            models.build("dit-xl-2", weights="official:diffuser")
        assert [path for path, _ in files.requests] == ["/w.pt", "/w.pt", "/w.bin"]


def test_models_without_published_weights_say_what_to_do():
    for name, message in {
        "dit-l-2": "dit-l-2: no official weights can be fetched; none were ever published: pass a file of your own, or "
        "train them: ditbench train dit-l-2",
        "uvit-h-2": r"download imagenet256_uvit_huge\.pth from https://drive\.google\.com/.* pass its path as weights",
        "uvit-m-2": "none were ever published at this size",
    }.items():
        with pytest.raises(InputError, match=message):
            models.build(name, weights="official")
    with pytest.raises(InputError, match=r"dit-xl-2 ships no weights: give --weights .*official, which fetches"):
        models.build("dit-xl-2")
    with pytest.raises(InputError, match=r"uvit-h-2 ships no weights: .*; download imagenet256_uvit_huge\.pth from"):
        models.build("uvit-h-2")
    small = models.spec("dit-mnist")
    assert weights_file(small, "official") == weights_file(small, None) == small.weights
    assert weights_file(small, "random") is None
