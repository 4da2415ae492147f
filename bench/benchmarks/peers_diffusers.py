"""Published implementations of cache methods, on diffusers' DiT with our weights: what bench/benchmarks/peers.py times.

Each sampler is a loop in the order of operations of diffusers' DiTPipeline, with its DDIMScheduler and without the
decoder: guidance on all noise channels, both halves through network and scheduler. Network and caches are those of the
engines (bench/engines). Before every trajectory the library's own reset is called, without which its cache would leak
from one into the next.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench import engines
from bench.engines.diffusers import MODULES, Diffusers

LIBRARY = Diffusers()
COMPONENTS = MODULES["both"]


@dataclass
class Loop:
    """DDIM with guidance on diffusers' DiT. `calls` are the branches run by the last call."""

    transformer: Any
    null_label: int
    steps: int
    scale: float
    reset: Callable[[], None] = lambda: None  # before every trajectory
    calls: list[int] = field(default_factory=list)

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
            out = LIBRARY.evaluate(self.transformer, x, t[None].expand(len(x)), y)
            cond, uncond = out[:, :channels].chunk(2)
            guided = uncond + self.scale * (cond - uncond)
            x = scheduler.step(torch.cat([guided, guided]), t, x).prev_sample
        return x[: len(noise)]

    def count(self) -> None:
        """Record every attention and feed-forward that is really run, inside of whatever wraps it."""
        for branch, module in enumerate(LIBRARY.branches(self.transformer)):
            module.register_forward_pre_hook(lambda *_, branch=branch: self.calls.append(branch))


def uncached(loop: Loop) -> None:
    """diffusers' DiT as it is."""


def cached_by(engine: str, cache: str) -> Callable[..., None]:
    """What switches a cache method of an engine on, with the engine's own reset."""

    def apply(loop: Loop, **given: Any) -> None:
        loop.reset = engines.find(engine).cache(cache)(**given).apply(loop.transformer, loop.steps)

    return apply


def taylorseer(loop: Loop, **given: Any) -> None:
    """diffusers' hook on both branches, its factors in float32."""
    cached_by("diffusers", "taylorseer")(loop, factors="float32", **given)


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


PEERS: dict[str, tuple[str, Callable[..., None]]] = {  # the library's distribution, and what applies its cache
    "uncached": ("diffusers", uncached),
    "smoothcache": ("dit-smoothcache", smoothcache),
    "taylorseer": ("diffusers", taylorseer),
    "first-block-cache": ("diffusers", cached_by("diffusers", "first-block-cache")),
    "dbcache": ("cache-dit", cached_by("cache-dit", "dbcache")),
}
