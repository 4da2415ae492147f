"""The layouts in which weights of these architectures are published, as our state dicts (the official names)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
EMBEDDERS = {  # every block has them in diffusers; in weights that were converted they are copies, which a DiT has once
    "norm1.emb.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "norm1.emb.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "norm1.emb.class_embedder.embedding_table": "y_embedder.embedding_table",
}
OWN = re.compile(r"own_embedders\.(\d{1,5})\.(.+)\.(weight|bias)")  # of a DiT: those of block 1, 2, …
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

    Copies of the first block's embedders are left out. Raises InputError where one of q, k, v is missing.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if key == "pos_embed.pos_embed":
            renamed["pos_embed"] = tensor
            continue
        name, kind = _renamed(key)
        renamed[f"{name}.{kind}"] = tensor
    for joined in sorted({key.replace(".to_q.", ".qkv.") for key in renamed if ".to_q." in key}):
        parts = [joined.replace(".qkv.", f".to_{part}.") for part in "qkv"]
        missing = next((part for part in parts if part not in renamed), None)
        if missing:
            raise InputError(f"{source}: '{_diffusers_attention(missing)}' is missing")
        renamed[joined] = torch.cat([renamed.pop(part) for part in parts])
    copies = {} if differing_embedder(renamed) else own_embedders(renamed)
    return {key: tensor for key, tensor in renamed.items() if key not in copies}


def own_embedders(tensors: Iterable[str]) -> dict[str, str]:
    """Names of the later blocks' embedders in a DiT's state dict, and of the same tensors of the first block's."""
    found = {key: OWN.fullmatch(key) for key in tensors}
    return {key: f"{match[2]}.{match[3]}" for key, match in found.items() if match and match[2] in EMBEDDERS.values()}


def differing_embedder(tensors: Mapping[str, Tensor]) -> str | None:
    """diffusers' name of the first tensor of a block's embedders that is no copy of the first block's, if any.

    Copies are what a conversion of the official weights makes; those of diffusers' network are trained apart.
    """
    for key, first in own_embedders(tensors).items():
        if first not in tensors or not torch.equal(tensors[first], tensors[key]):
            return _diffusers_embedder(key)
    return None


def _renamed(key: str) -> tuple[str, str]:
    """(our name, weight or bias) of a key of diffusers; q, k, v still apart, unknown names as they are."""
    name, _, kind = key.rpartition(".")
    match = re.fullmatch(r"transformer_blocks\.(\d{1,5})\.(.+)", name)
    if match is None:
        return RENAMED.get(name, name), kind
    block, part = match[1], match[2]
    if part in EMBEDDERS:
        return (f"own_embedders.{int(block) - 1}." if int(block) else "") + EMBEDDERS[part], kind
    if part in ("attn1.to_q", "attn1.to_k", "attn1.to_v"):
        return f"blocks.{block}.attn.{part.removeprefix('attn1.')}", kind
    return (f"blocks.{block}.{IN_BLOCK[part]}" if part in IN_BLOCK else name), kind


def _diffusers_embedder(key: str) -> str:
    block, layer, kind = OWN.fullmatch(key).groups()  # type: ignore[union-attr]  # a key of own_embedders
    part = next(theirs for theirs, ours in EMBEDDERS.items() if ours == layer)
    return f"transformer_blocks.{int(block) + 1}.{part}.{kind}"


def _diffusers_attention(key: str) -> str:
    return key.replace("blocks.", "transformer_blocks.", 1).replace(".attn.", ".attn1.")
