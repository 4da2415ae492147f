"""The layouts in which weights of these architectures are published, as our state dicts (the official names)."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from models.dit import DiT, sincos_positions
from models.errors import InputError

RENAMED = {  # diffusers' DiTTransformer2DModel -> DiT
    "pos_embed.proj": "x_embedder.proj",
    "proj_out_1": "final_layer.adaLN_modulation.1",
    "proj_out_2": "final_layer.linear",
}
IN_BLOCK = {
    "norm1.linear": "adaLN_modulation.1",
    "attn1.to_out.0": "attn.proj",
    "ff.net.0.proj": "mlp.fc1",
    "ff.net.2": "mlp.fc2",
}
EMBEDDERS = {  # diffusers keeps one copy a block of what DiT has once
    "norm1.emb.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "norm1.emb.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "norm1.emb.class_embedder.embedding_table": "y_embedder.embedding_table",
}
BLOCK_PARTS = (*IN_BLOCK, *EMBEDDERS, *(f"attn1.to_{part}" for part in "qkv"))


def known_names(module: nn.Module) -> set[str]:
    """The names under which a module's weights are published, apart from its own: diffusers' of a DiT."""
    if not isinstance(module, DiT):
        return set()
    layers = [*RENAMED, *(f"transformer_blocks.{b}.{part}" for b in range(module.num_blocks) for part in BLOCK_PARTS)]
    return {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def official_names(tensors: dict[str, Tensor], module: nn.Module, source: str | Path) -> dict[str, Tensor]:
    """A state dict of any known layout under the official names. What it does not recognise stays as it is.

    Raises InputError where a diffusers file cannot be a DiT's.
    """
    if any(key.startswith("transformer_blocks.") for key in tensors):
        tensors = from_diffusers(tensors, source)
    if isinstance(module, DiT) and "pos_embed" not in tensors:  # a fixed table, which a file may leave out
        tensors = {**tensors, "pos_embed": sincos_positions(module.width, module.grid)}
    return tensors


def from_diffusers(tensors: dict[str, Tensor], source: str | Path) -> dict[str, Tensor]:
    """The state dict of diffusers' DiTTransformer2DModel as DiT's; q, k and v are joined into one projection.

    Raises InputError where blocks have embedders of their own, which DiT cannot express, or one of q, k, v is missing.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if key == "pos_embed.pos_embed":
            renamed["pos_embed"] = tensor
            continue
        name, kind = _renamed(key)
        new = f"{name}.{kind}"
        if new not in renamed:
            renamed[new] = tensor
        elif not torch.equal(renamed[new], tensor):
            raise InputError(f"{source}: '{key}' differs from the other blocks'; a DiT has one embedder for all blocks")
    for joined in sorted({key.replace(".to_q.", ".qkv.") for key in renamed if ".to_q." in key}):
        parts = [joined.replace(".qkv.", f".to_{part}.") for part in "qkv"]
        missing = next((part for part in parts if part not in renamed), None)
        if missing:
            raise InputError(f"{source}: '{_diffusers_attention(missing)}' is missing")
        renamed[joined] = torch.cat([renamed.pop(part) for part in parts])
    return renamed


def _renamed(key: str) -> tuple[str, str]:
    """(our name, weight or bias) of a key of diffusers; q, k, v still apart, unknown names as they are."""
    name, _, kind = key.rpartition(".")
    match = re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)", name)
    if match is None:
        return RENAMED.get(name, name), kind
    block, part = match[1], match[2]
    if part in EMBEDDERS:
        return EMBEDDERS[part], kind
    if part in ("attn1.to_q", "attn1.to_k", "attn1.to_v"):
        return f"blocks.{block}.attn.{part.removeprefix('attn1.')}", kind
    return (f"blocks.{block}.{IN_BLOCK[part]}" if part in IN_BLOCK else name), kind


def _diffusers_attention(key: str) -> str:
    return key.replace("blocks.", "transformer_blocks.", 1).replace(".attn.", ".attn1.")
