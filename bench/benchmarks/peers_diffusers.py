"""Published implementations of cache methods, on diffusers' DiT with our weights: what bench/benchmarks/peers.py times.

Each sampler is a loop in the order of operations of diffusers' DiTPipeline, with its DDIMScheduler and without the
decoder: guidance on all noise channels, both halves through network and scheduler. Two constants are set so that
diffusers' network is the official one (docs/diffusers.md); they cost no time. Before every trajectory the library's own
reset is called, without which its cache would leak from one into the next.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from models.layouts import EMBEDDERS, IN_BLOCK, RENAMED

COMPONENTS = ("attn1", "ff")  # of a block of diffusers' DiT


def transformer_of(model: Any) -> Any:
    """diffusers' DiTTransformer2DModel with the weights of a DiT of ours. Raises ImportError without diffusers."""
    from diffusers import DiTTransformer2DModel

    heads = model.blocks[0].attn.num_heads
    theirs: Any = DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=model.width // heads,
        in_channels=model.latent_shape[0],
        out_channels=model.out_channels,
        num_layers=model.num_blocks,
        sample_size=model.latent_shape[1],
        patch_size=model.patch_size,
        num_embeds_ada_norm=model.null_label,
        norm_eps=1e-6,  # of the official network; diffusers' default is 1e-5
    )
    theirs.load_state_dict(diffusers_names(model))
    theirs.pos_embed.pos_embed = model.pos_embed.detach()  # in no state dict
    for block in theirs.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = 0  # likewise; diffusers' is 1
    return theirs.eval().requires_grad_(False)


def diffusers_names(model: Any) -> dict[str, Tensor]:
    """The state dict of a DiT under diffusers' names: q, k and v apart, an embedder in every block."""
    ours, renamed = model.state_dict(), dict[str, Tensor]()
    layers = dict(RENAMED)
    for b in range(model.num_blocks):
        layers |= {f"transformer_blocks.{b}.{new}": f"blocks.{b}.{old}" for new, old in IN_BLOCK.items()}
        layers |= {f"transformer_blocks.{b}.{new}": old for new, old in EMBEDDERS.items()}
    for kind in ("weight", "bias"):
        renamed |= {f"{new}.{kind}": ours[f"{old}.{kind}"] for new, old in layers.items() if f"{old}.{kind}" in ours}
        for b in range(model.num_blocks):
            parts = ours[f"blocks.{b}.attn.qkv.{kind}"].chunk(3)
            renamed |= {f"transformer_blocks.{b}.attn1.to_{n}.{kind}": p for n, p in zip("qkv", parts, strict=True)}
    return renamed


@dataclass
class Loop:
    """DDIM with guidance on diffusers' DiT. `calls` are attention and feed-forward modules run by the last call."""

    transformer: Any
    null_label: int
    steps: int
    scale: float
    reset: Callable[[], None] = lambda: None  # before every trajectory
    calls: list[str] = field(default_factory=list)

    @torch.no_grad()  # as released
    def __call__(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Samples [B,C,H,W] from noise [B,C,H,W] and labels [B]."""
        from diffusers import DDIMScheduler

        scheduler: Any = DDIMScheduler(beta_schedule="linear", clip_sample=False)
        scheduler.set_timesteps(self.steps)
        self.reset()
        self.calls.clear()
        x, channels = torch.cat([noise, noise]), noise.shape[1]
        y = torch.cat([labels, torch.full_like(labels, self.null_label)])
        for t in scheduler.timesteps:
            half = x[: len(noise)]
            x = scheduler.scale_model_input(torch.cat([half, half]), t)
            with context(self.transformer):
                out = self.transformer(x, timestep=t[None].expand(len(x)), class_labels=y).sample
            cond, uncond = out[:, :channels].chunk(2)
            guided = uncond + self.scale * (cond - uncond)
            x = scheduler.step(torch.cat([guided, guided]), t, x).prev_sample
        return x[: len(noise)]

    def count(self) -> None:
        """Record every attention and feed-forward that is really run, inside of whatever wraps it."""
        for name, module in self.transformer.named_modules():
            if name.endswith(("attn1.to_q", "ff.net.2")):  # a cached module's own forward may be wrapped
                module.register_forward_pre_hook(lambda *_, name=name: self.calls.append(name))


@contextlib.contextmanager
def context(transformer: Any) -> Iterator[None]:
    """The cache context that diffusers' hooks want around every call; its DiTPipeline sets none."""
    from diffusers.models.cache_utils import CacheMixin

    with CacheMixin.cache_context(transformer, "guided"):
        yield


def reset_hooks(transformer: Any) -> Callable[[], None]:
    from diffusers.hooks.hooks import HookRegistry

    return HookRegistry.check_if_exists_or_initialize(transformer).reset_stateful_hooks


def uncached(loop: Loop) -> None:
    """diffusers' DiT as it is."""


def first_block_cache(loop: Loop, threshold: float) -> None:
    """diffusers' hook of that name."""
    from diffusers.hooks import FirstBlockCacheConfig, apply_first_block_cache

    apply_first_block_cache(loop.transformer, FirstBlockCacheConfig(threshold=threshold))
    loop.reset = reset_hooks(loop.transformer)


def taylorseer(loop: Loop, interval: int, order: int, warmup: int) -> None:
    """diffusers' hook on both branches: its default patterns match none of a DiT's modules. Factors in float32."""
    from diffusers.hooks import TaylorSeerCacheConfig, apply_taylorseer_cache

    config = TaylorSeerCacheConfig(
        cache_interval=interval,
        max_order=order,
        disable_cache_before_step=warmup,
        taylor_factors_dtype=torch.float32,
        cache_identifiers=[rf"transformer_blocks\.\d+\.{name}" for name in COMPONENTS],
    )
    apply_taylorseer_cache(loop.transformer, config)
    loop.reset = reset_hooks(loop.transformer)


def smoothcache(loop: Loop, schedule: dict[str, list[int]]) -> None:
    """SmoothCache's own helper on both branches; the line that it prints at every module's call is left out."""
    with contextlib.redirect_stdout(None):
        helper_file = importlib.import_module("SmoothCache.smooth_cache_helper")
    helper_file.print = lambda *_: None  # type: ignore[attr-defined]
    block = type(loop.transformer.transformer_blocks[0])
    named = dict(zip(COMPONENTS, (schedule["attn"], schedule["mlp"]), strict=True))
    helper = helper_file.SmoothCacheHelper(loop.transformer, block, list(COMPONENTS), named)
    helper.enable()
    loop.reset = helper.reset_state  # its step counters never return to 0 by themselves


def dbcache(loop: Loop, front: int, threshold: float, warmup: int) -> None:
    """cache-dit on the bare transformer, its context refreshed before every trajectory."""
    import cache_dit

    config = cache_dit.DBCacheConfig(
        num_inference_steps=loop.steps,
        Fn_compute_blocks=front,
        Bn_compute_blocks=0,
        residual_diff_threshold=threshold,
        max_warmup_steps=warmup,
    )
    cache_dit.enable_cache(loop.transformer, cache_config=config)
    loop.reset = lambda: cache_dit.refresh_context(loop.transformer, num_inference_steps=loop.steps)


PEERS: dict[str, tuple[str, Callable[..., None]]] = {  # the library's distribution, and what applies its cache
    "uncached": ("diffusers", uncached),
    "smoothcache": ("dit-smoothcache", smoothcache),
    "taylorseer": ("diffusers", taylorseer),
    "first-block-cache": ("diffusers", first_block_cache),
    "dbcache": ("cache-dit", dbcache),
}
