"""Published implementations of cache methods with our weights: what bench/benchmarks/peers times.

Each sampler is a loop in the order of operations of diffusers' DiTPipeline, with its DDIMScheduler and without the
decoder: guidance on all noise channels, both halves through network and scheduler. Networks and caches are those of the
engines (bench/engines). Before every trajectory the library's own reset is called, without which its cache would leak
from one into the next. The official code has a loop of its own (bench/benchmarks/published_loop.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import methods
from bench import engines
from bench.benchmarks.published_loop import PublishedLoop
from bench.engines import Engine
from bench.sampling import make_plan
from models.dit import DiT

OFFICIAL = "official loop"


@dataclass
class Loop:
    """DDIM with guidance by a library. `calls` are the branches run by the last call."""

    model: DiT
    steps: int
    scale: float
    reset: Callable[[], None] = lambda: None  # before every trajectory
    calls: list[int] = field(default_factory=list)
    engine: Engine = field(init=False)
    network: Any = field(init=False)
    scheduler: Any = field(init=False)
    official: OfficialLoop | None = None  # instead of a library

    def run_by(self, engine: str) -> None:
        """Take a library's network, and a pipeline's scheduler. Raises ImportError where one is not installed."""
        from diffusers import DDIMScheduler

        self.engine = engines.find(engine)()
        self.network = self.engine.network(self.model)
        self.scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False)

    @torch.no_grad()  # as released
    def __call__(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Samples [B,C,H,W] from noise [B,C,H,W] and labels [B]."""
        self.reset()
        self.calls.clear()
        return self.by_library(noise, labels) if self.official is None else self.official(noise, labels)

    def by_library(self, noise: Tensor, labels: Tensor) -> Tensor:
        scheduler = self.scheduler
        scheduler.set_timesteps(self.steps)  # in every call, as pipelines do
        x, channels = torch.cat([noise, noise]), noise.shape[1]
        y = torch.cat([labels, torch.full_like(labels, self.model.null_label)])
        for t in scheduler.timesteps:
            half = x[: len(noise)]
            x = scheduler.scale_model_input(torch.cat([half, half]), t)
            out = self.engine.evaluate(self.network, x, t[None].expand(len(x)), y)
            cond, uncond = out[:, :channels].chunk(2)
            guided = uncond + self.scale * (cond - uncond)
            x = scheduler.step(torch.cat([guided, guided]), t, x).prev_sample
        return x[: len(noise)]

    def count(self) -> None:
        """Record every attention and feed-forward that is really run, inside of whatever wraps it."""
        if self.official is not None:
            self.official.calls = self.calls
            return
        for branch, module in enumerate(self.engine.branches(self.network)):
            module.register_forward_pre_hook(lambda *_, branch=branch: self.calls.append(branch))


class OfficialLoop(PublishedLoop):
    """Notes the branches that it runs in `calls`, where that is a list."""

    calls: list[int] | None = None

    def branch(self, k: int, index: int, h: Tensor, block: Any, modulation: tuple[Tensor, ...]) -> Tensor:
        if self.calls is not None:
            self.calls.append(index)
        return super().branch(k, index, h, block, modulation)


def official(loop: Loop) -> None:
    """The official code's operations in their order, at the steps and with the guidance of diffusers' pipeline.

    Raises NotImplementedError for other weights than float32: the released code has no half precision.
    """
    if loop.model.pos_embed.dtype != torch.float32:
        raise NotImplementedError(f"the released code has no {loop.model.pos_embed.dtype}".replace("torch.", ""))
    sampler = methods.build("ddim", steps=loop.steps, spacing="leading")
    plan = make_plan(loop.model, sampler, None)
    loop.official = OfficialLoop(loop.model, sampler, plan, loop.scale, loop.model.latent_shape[0])


def uncached(loop: Loop) -> None:
    """diffusers' DiT as it is."""
    loop.run_by("diffusers")


def cached_by(engine: str, cache: str, **fixed: Any) -> Callable[..., None]:
    """What switches a cache method of an engine on, with the engine's own reset."""

    def apply(loop: Loop, **given: Any) -> None:
        loop.run_by(engine)
        loop.reset = loop.engine.cache(cache)(**fixed, **given).apply(loop.network, loop.steps)

    return apply


taylorseer = cached_by("diffusers", "taylorseer", factors="float32")

PEERS: dict[str, tuple[str, Callable[..., None]]] = {  # the library's distribution, and what applies its cache
    "official": (OFFICIAL, official),
    "uncached": ("diffusers", uncached),
    "smoothcache": ("dit-smoothcache", cached_by("smoothcache", "smoothcache")),
    "taylorseer": ("diffusers", taylorseer),
    "first-block-cache": ("diffusers", cached_by("diffusers", "first-block-cache")),
    "dbcache": ("cache-dit", cached_by("cache-dit", "dbcache")),
    "hicache": ("hicache-pp", cached_by("hicache-pp", "hicache")),
}
