"""DiT sampled the way published code samples it: what the compiled path is compared with.

A straightforward loop with the operations of the released implementations in their order: modulations made in every
block of every step, both guidance halves carried through network and sampler, coefficients taken from float64 tables
at every step, and variance and noise computed whether or not DDIM at eta = 0 uses them. Kept outputs live in a
dictionary. It reads the parameters of a models.dit.DiT, so both sides run the same weights; the golden vectors of the
official implementations hold it to its word (tests/test_published_loop.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention, silu

from methods.ddim import DDIM
from methods.plan import Plan
from models.dit import DiT

ETA = 0.0


class PublishedLoop:
    """DDIM with guidance on a DiT; `plan` may reuse branches (FORA, L2C), whose outputs are kept before their gates."""

    def __init__(
        self, model: DiT, sampler: DDIM, plan: Plan, guidance_scale: float, guidance_channels: int = 3
    ) -> None:
        self.model, self.plan, self.scale, self.channels = model, plan, guidance_scale, guidance_channels
        self.tables = sampler.tables(model.noise_schedule)
        self.computed = [set(np.flatnonzero(row)) for row in plan.computed]
        self.reused = set(np.flatnonzero(~plan.computed.all(axis=0)))
        self.kept: dict[int, Tensor] = {}

    @torch.no_grad()  # as released
    def __call__(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Samples [B,C,H,W] from noise [B,C,H,W] and labels [B]."""
        x = torch.cat([noise, noise])
        y = torch.cat([labels, torch.full_like(labels, self.model.null_label)])
        steps = len(self.tables)
        for k, i in enumerate(reversed(range(steps))):
            x = self.step(k, x, torch.tensor([i] * len(x), device=x.device), y)
        self.kept.clear()
        return x.chunk(2)[0]

    def step(self, k: int, x: Tensor, i: Tensor, y: Tensor) -> Tensor:
        """x_{i-1} [2B,C,H,W] by DDIM, mean and variance of the posterior computed on the way."""
        steps = torch.tensor(self.tables.timestep_map, device=x.device)
        out, variance = self.guided(k, x, steps[i], y).split(x.shape[1], dim=1)
        low = self.entry("posterior_log_variance_clipped", i, x)
        high = spread(np.log(self.tables.betas), i, x)
        share = (variance + 1) / 2
        log_variance = share * high + (1 - share) * low
        log_variance.exp()
        alpha_bar = self.tables.alphas_cumprod
        recip, recip_m1 = np.sqrt(1 / alpha_bar), np.sqrt(1 / alpha_bar - 1)
        clean = spread(recip, i, x) * x - spread(recip_m1, i, x) * out
        _ = self.entry("posterior_mean_coef1", i, x) * clean + self.entry("posterior_mean_coef2", i, x) * x
        eps = (spread(recip, i, x) * x - clean) / spread(recip_m1, i, x)
        now, before = self.entry("alphas_cumprod", i, x), self.entry("alphas_cumprod_prev", i, x)
        sigma = ETA * torch.sqrt((1 - before) / (1 - now)) * torch.sqrt(1 - now / before)
        noise = torch.randn_like(x)
        mean = clean * torch.sqrt(before) + torch.sqrt(1 - before - sigma**2) * eps
        not_last = (i != 0).float().view(-1, *[1] * (x.ndim - 1))
        return mean + not_last * sigma * noise

    def entry(self, table: str, i: Tensor, x: Tensor) -> Tensor:
        return spread(getattr(self.tables, table), i, x)

    def guided(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """[2B,2C,H,W]: both halves start from the first half's x and end with the same guided channels."""
        half = x[: len(x) // 2]
        out = self.forward(k, torch.cat([half, half]), t, y)
        eps, rest = out[:, : self.channels], out[:, self.channels :]
        cond, uncond = torch.split(eps, len(eps) // 2)
        guided = uncond + self.scale * (cond - uncond)
        return torch.cat([torch.cat([guided, guided]), rest], dim=1)

    def forward(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        model = self.model
        h = model.x_embedder.proj(x).flatten(2).transpose(1, 2) + model.pos_embed
        c = model.t_embedder.mlp(sinusoids(t, 256)) + model.y_embedder.embedding_table(y)
        blocks: list[Any] = list(model.blocks)
        for b, block in enumerate(blocks):
            modulation = block.adaLN_modulation[1](silu(c)).chunk(6, dim=1)
            h = h + self.branch(k, 2 * b, h, block, modulation[:2]) * modulation[2].unsqueeze(1)
            h = h + self.branch(k, 2 * b + 1, h, block, modulation[3:5]) * modulation[5].unsqueeze(1)
        final = model.final_layer
        shift, scale = final.adaLN_modulation[1](silu(c)).chunk(2, dim=1)
        h = final.linear(modulate(norm(h), shift, scale))
        p, g = model.patch_size, model.grid
        patches = torch.einsum("nhwpqc->nchpwq", h.reshape(len(h), g, g, p, p, model.out_channels))
        return patches.reshape(len(h), model.out_channels, g * p, g * p)

    def branch(self, k: int, index: int, h: Tensor, block: Any, modulation: tuple[Tensor, ...]) -> Tensor:
        if index not in self.computed[k]:
            return self.kept[index]
        x = modulate(norm(h), *modulation)
        out = mlp(block.mlp, x) if index % 2 else attention(block.attn, x)
        if index in self.reused:
            self.kept[index] = out
        return out


def attention(layer: Any, x: Tensor) -> Tensor:
    N, T, D = x.shape
    qkv = layer.qkv(x).reshape(N, T, 3, layer.num_heads, D // layer.num_heads).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    return layer.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(N, T, D))


def mlp(layer: Any, x: Tensor) -> Tensor:
    return layer.fc2(gelu(layer.fc1(x), approximate="tanh"))


def norm(h: Tensor) -> Tensor:
    return layer_norm(h, h.shape[-1:], eps=1e-6)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


def sinusoids(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half).to(t.device)
    angles = t[:, None].float() * frequencies[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


def spread(table: np.ndarray, i: Tensor, x: Tensor) -> Tensor:
    """Entries of a float64 table [steps] at i [2B], float32, in the shape of x."""
    values = torch.from_numpy(table).to(i.device)[i].float().view(-1, *[1] * (x.ndim - 1))
    return values + torch.zeros(x.shape, device=x.device)
