"""diffusers' DiTTransformer2DModel with our weights, and diffusers' own cache hooks.

Two constants are those of the weights: diffusers' network has others by default (docs/diffusers.md). The hooks want a
cache context around every call, which diffusers' DiTPipeline does not set, and are reset before every trajectory, which
nothing in diffusers does for this network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.engines.engine import Engine, EngineCache, Reset
from methods.method import Parameter

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser

VERSION = "0.42.1"
MODULES = {"both": ("attn1", "ff"), "attention": ("attn1",), "mlp": ("ff",)}  # of a block
DEFAULT = "default"  # the patterns that the library comes with
MLP_RATIO = 4  # of its DiT: no setting of it


class FirstBlockCache(EngineCache):
    """FirstBlockCacheConfig: all blocks but the first are skipped where the first one's residual changed little."""

    name = "first-block-cache"
    title = "First-block cache"
    parameters = {"threshold": Parameter(float, 0.05, 0.0, 1e6, help="largest relative change that is reused")}
    off = {"threshold": 0.0}
    tiny = {"threshold": 0.3}

    def apply(self, network: Any, evaluations: int) -> Reset:
        from diffusers.hooks import FirstBlockCacheConfig, apply_first_block_cache

        apply_first_block_cache(network, FirstBlockCacheConfig(threshold=self.params["threshold"]))
        return reset_hooks(network)


class TaylorSeer(EngineCache):
    """TaylorSeerCacheConfig. Its default patterns match no module of a DiT: `modules` says which are meant."""

    name = "taylorseer"
    title = "TaylorSeer"
    parameters = {
        "interval": Parameter(int, 5, 1, 1000, help="evaluations between refreshes, cache_interval"),
        "order": Parameter(int, 1, 0, 8, help="highest order of the extrapolation, max_order"),
        "warmup": Parameter(int, 3, 0, 1000, help="evaluations computed at the start, disable_cache_before_step"),
        "factors": Parameter(str, "bfloat16", choices=("bfloat16", "float32"), help="dtype of what is kept"),
        "modules": Parameter(str, "both", choices=(*MODULES, DEFAULT), help="which branches; default: its patterns"),
    }
    off = {"interval": 1}
    tiny = {"interval": 3, "warmup": 2}

    def apply(self, network: Any, evaluations: int) -> Reset:
        import torch
        from diffusers.hooks import TaylorSeerCacheConfig, apply_taylorseer_cache

        given = self.params
        named = [rf"transformer_blocks\.\d+\.{module}" for module in MODULES.get(given["modules"], ())]
        config = TaylorSeerCacheConfig(
            cache_interval=given["interval"],
            max_order=given["order"],
            disable_cache_before_step=given["warmup"],
            taylor_factors_dtype=getattr(torch, given["factors"]),
            cache_identifiers=named or None,
        )
        apply_taylorseer_cache(network, config)
        return reset_hooks(network)


class OnDiffusers(Engine):
    """An engine whose uncached network is diffusers' DiT, untouched."""

    def takes_not(self, model: Denoiser) -> str | None:
        from models.dit import DiT

        if type(model) is not DiT:
            return f"engine '{self.name}' has the class-conditional DiT alone, this model is a {type(model).__name__}"
        if model.mlp_width != MLP_RATIO * model.width:
            wide = f"MLPs of {model.mlp_width} features at a width of {model.width}"
            return f"engine '{self.name}' has MLPs {MLP_RATIO} times as wide as the tokens alone, this model has {wide}"
        return None

    def network(self, model: Any) -> Any:
        return transformer_of(model)

    def evaluate(self, network: Any, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return network(x, timestep=t, class_labels=y).sample

    def branches(self, network: Any) -> list[Any]:
        """Inside of whatever wraps an attention or a feed-forward."""
        return [module for block in network.transformer_blocks for module in (block.attn1.to_q, block.ff.net[2])]


class Diffusers(OnDiffusers):
    """As released, at one version: hooks and their names change between versions."""

    name = "diffusers"
    packages = {"diffusers": VERSION}
    caches = (FirstBlockCache, TaylorSeer)

    def evaluate(self, network: Any, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        from diffusers.models.cache_utils import CacheMixin

        with CacheMixin.cache_context(network, "guided"):
            return super().evaluate(network, x, t, y)


def transformer_of(model: Any) -> Any:
    """diffusers' DiTTransformer2DModel on the tensors of a DiT of ours. Raises ImportError without diffusers."""
    import torch
    from diffusers import DiTTransformer2DModel

    heads = model.blocks[0].attn.num_heads
    with torch.device("meta"):  # no weights are drawn: all are ours
        theirs: Any = DiTTransformer2DModel(
            num_attention_heads=heads,
            attention_head_dim=model.width // heads,
            in_channels=model.latent_shape[0],
            out_channels=model.out_channels,
            num_layers=model.num_blocks,
            sample_size=model.latent_shape[1],
            patch_size=model.patch_size,
            num_embeds_ada_norm=model.label_rows - 1,  # the table has one more
            norm_eps=model.blocks[0].norm2.eps,
        )
    theirs.load_state_dict(diffusers_names(model), assign=True)
    theirs.pos_embed.pos_embed = model.pos_embed.detach()  # in no state dict
    for block in theirs.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = model.t_embedder.frequency_shift  # likewise
    return theirs.eval().requires_grad_(False)


def diffusers_names(model: Any) -> dict[str, Tensor]:
    """The state dict of a DiT under diffusers' names: q, k and v apart, embedders in every block, own or copied."""
    from models.layouts import EMBEDDERS, IN_BLOCK, RENAMED

    ours, renamed = model.state_dict(), dict[str, Any]()
    layers = dict(RENAMED)
    for b in range(model.num_blocks):
        layers |= {f"transformer_blocks.{b}.{new}": f"blocks.{b}.{old}" for new, old in IN_BLOCK.items()}
        where = f"own_embedders.{b - 1}." if b and model.own_embedders else ""
        layers |= {f"transformer_blocks.{b}.{new}": where + old for new, old in EMBEDDERS.items()}
    for kind in ("weight", "bias"):
        renamed |= {f"{new}.{kind}": ours[f"{old}.{kind}"] for new, old in layers.items() if f"{old}.{kind}" in ours}
        for b in range(model.num_blocks):
            parts = ours[f"blocks.{b}.attn.qkv.{kind}"].chunk(3)
            renamed |= {f"transformer_blocks.{b}.attn1.to_{n}.{kind}": p for n, p in zip("qkv", parts, strict=True)}
    return renamed


def reset_hooks(network: Any) -> Reset:
    from diffusers.hooks.hooks import HookRegistry

    return HookRegistry.check_if_exists_or_initialize(network).reset_stateful_hooks
