"""DiT and U-ViT forwards, and the pieces that the executor runs, against the official implementations."""

import pytest
import torch
from golden_vectors import build_model, load, relative, requires

from models.denoiser import Denoiser
from models.dit import DiT
from models.uvit import UViT

TOLERANCE = 5e-6  # of max|reference|; another attention kernel moves the outputs by 6e-7
UVITS = ("uvit_forward.official_like", "uvit_forward.qkv_bias", "uvit_forward.conv", "uvit_forward.mlp_time_embed")
RECORDED = [
    pytest.param("dit_forward", DiT, marks=requires("dit_forward")),
    *[pytest.param(name, UViT, marks=requires(name)) for name in UVITS],
]


def timestep_of(key: str, tensors: dict, batch: int) -> torch.Tensor:
    """`out.t250` -> 250 for every image; `out.mixed_t` -> the recorded timesteps; `out.int_t` -> 321."""
    label = key.split(".", 1)[1]
    if label == "int_t":
        return torch.full((batch,), 321)
    return tensors[label] if label in tensors else torch.full((batch,), float(label[1:]))


@pytest.mark.parametrize(("name", "model_class"), RECORDED)
def test_forward(name: str, model_class: type[Denoiser]) -> None:
    T, _ = load(name)
    model = build_model(name, model_class)
    keys = [key for key in T if key.startswith("out.")]
    assert len(keys) >= 8
    for key in keys:
        out = model(T["x"], timestep_of(key, T, len(T["x"])), T.get("y"))
        assert relative(out, T[key]) < TOLERANCE, key


@requires("dit_forward")
def test_three_channel_guidance() -> None:
    """Both halves see the first half's x; channels 0..2 are guided, the others stay per half."""
    T, J = load("dit_forward")
    model = build_model("dit_forward", DiT)
    x = T["x_cfg"].chunk(2)[0].repeat(2, 1, 1, 1)
    for t in J["timesteps"]:
        out = model(x, torch.full((len(x),), t), T["y_cfg"])
        cond, uncond = out[:, :3].chunk(2)
        guided = (uncond + J["cfg_scale"] * (cond - uncond)).repeat(2, 1, 1, 1)
        assert relative(torch.cat([guided, out[:, 3:]], dim=1), T[f"out_cfg.t{t}"]) < TOLERANCE


def block_tokens(model: Denoiser, x: torch.Tensor, t: torch.Tensor, y: torch.Tensor | None) -> tuple[list, list]:
    """Tokens after every block and every branch's output before its gate, through the executor's pieces."""
    h, c = model.embed(x, t, y)
    blocks, branches = [], []
    for block in range(model.num_blocks):
        h = model.enter_block(block, h, blocks[model.skips[block]] if block in model.skips else None)
        for index in (2 * block, 2 * block + 1):
            branches.append(model.branch(index, h, c))
            h = model.residual(index, h, branches[-1], c)
        blocks.append(h)
    return blocks, branches


@pytest.mark.parametrize(("name", "model_class"), RECORDED)
def test_pieces(name: str, model_class: type[Denoiser]) -> None:
    T, J = load(name)
    model = build_model(name, model_class)
    t = torch.full((len(T["x"]),), float(J["probe_timestep"]))
    blocks, branches = block_tokens(model, T["x"], t, T.get("y"))
    pieces = {f"probe.block{k}": h for k, h in enumerate(blocks)}
    pieces |= {"probe.block0.attn_out": branches[0], "probe.block0.mlp_out": branches[1]}
    if model_class is DiT:
        pieces |= {"probe.t_emb": model.t_embedder(t), "probe.y_emb": model.y_embedder(T["y"])}
    else:
        pieces["probe.final_norm"] = model.norm(blocks[-1])
    recorded = {key for key in T if key.startswith("probe.")}
    assert recorded <= set(pieces)
    for key in recorded:
        assert relative(pieces[key], T[key]) < TOLERANCE, key
