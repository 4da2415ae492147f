"""What every denoiser offers: the structure that plans are made for and the pieces that the executor runs."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.structure import Structure


class Denoiser(Structure, nn.Module):
    """A transformer that predicts noise from `x_t, t, y`, as a chain of residual branches. Running `embed`, then for
    every block `enter_block` and its two branches, then `unembed`, is the forward pass; the executor runs
    the same pieces but may leave branches out. Tokens `h` are [B,T,D]; `c` is what the branches are
    conditioned on (DiT: its modulations; U-ViT: None, its time and label are tokens).
    """

    name: str = ""  # the registered name, set by models.build
    weights_taken: str = ""  # which of a file's weights, set by models.build: "averaged ('ema')"; empty: all there are

    def conditions(self, timesteps: Sequence[float], y: Tensor) -> list[Any]:
        """What does not depend on x, for every evaluation of a trajectory of labels `y` [B]: each goes to `embed`."""
        return [None] * len(timesteps)

    @abstractmethod
    def embed(self, x: Tensor, t: Tensor, y: Tensor, c: Any = None) -> tuple[Tensor, Any]:
        """x [B,C,H,W], t [B], y [B] int64 -> tokens h [B,T,D] and conditioning c, taken as given unless None."""

    def enter_block(self, block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        """Tokens before the block's first branch; joins the long skip where there is one."""
        return h

    @abstractmethod
    def branch(self, index: int, h: Tensor, c: Any) -> Tensor:
        """The branch's output [B,T,D] before its gate: what L2C and FORA keep."""

    @property
    def splits_branches(self) -> bool:
        """Whether `branch` is `layer(branch_input)`, so that a part of a branch can be computed."""
        return type(self).layer is not Denoiser.layer and type(self).branch_input is not Denoiser.branch_input

    def layer(self, index: int) -> Any:
        """The branch's module, an Attention or an Mlp: [B,T,D] -> [B,T,D]; an Mlp takes any tokens [B,K,D]."""
        raise NotImplementedError

    def branch_input(self, index: int, h: Tensor, c: Any) -> Tensor:
        """What the branch's module receives [B,T,D]: normalised and, on DiT, modulated."""
        raise NotImplementedError

    def residual(self, index: int, h: Tensor, out: Tensor, c: Any) -> Tensor:
        """Tokens after the branch: h + gate * out, the gate from the current timestep."""
        return h + out

    @abstractmethod
    def unembed(self, h: Tensor, c: Any) -> Tensor:
        """Tokens [B,T,D] -> model output [B,C or 2C,H,W]."""

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Noise prediction [B,C or 2C,H,W] of `x` [B,C,H,W] at network timesteps `t` [B], labels `y` [B]."""
        h, c = self.embed(x, t, y)
        kept: dict[int, Tensor] = {}
        for block in range(self.num_blocks):
            h = self.enter_block(block, h, kept.pop(self.skips[block]) if block in self.skips else None)
            for index in (2 * block, 2 * block + 1):
                h = self.residual(index, h, self.branch(index, h, c), c)
            if block in self.skips.values():
                kept[block] = h
        return self.unembed(h, c)

    def error_scale(self, t: Tensor) -> Tensor | float:
        """By what errors of the noise count in training, at network timesteps t [B]: 1 where noise is predicted."""
        return 1.0

    def num_parameters(self) -> int:
        """How many numbers the weights hold."""
        return sum(parameter.numel() for parameter in self.parameters())


def timestep_embedding(t: Tensor, dim: int, shift: int = 0) -> Tensor:
    """Sinusoids of `t` [B] -> [B,dim], float32, cosines first: frequencies 10000^(-i / (dim/2 - shift)).

    DDPM's table with `shift` 0; diffusers trains DiTs with 1 (its `downscale_freq_shift`).
    """
    exponents = torch.arange(dim // 2, dtype=torch.float32, device=t.device)
    frequencies = torch.exp(exponents * (-math.log(10000) / (dim // 2 - shift)))
    angles = t[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention with one packed qkv projection, packed (K H D)."""

    def __init__(self, dim: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"width {dim} is not a multiple of {num_heads} heads")
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(D/H)) V of x [B,T,D], projected: [B,T,D]."""
        q, k, v = self.project(x)
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(x.shape))

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of x [B,T,D]: [3,B,H,T,D/H]."""
        B, T, _ = x.shape
        return self.qkv(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)


class Mlp(nn.Module):
    """Linear, GELU, linear. DiT uses the tanh GELU, U-ViT the exact one."""

    def __init__(self, dim: int, hidden: int, approximate: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU(approximate=approximate)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """fc2(GELU(fc1(x))), x [..., D] -> [..., D]."""
        return self.fc2(self.act(self.fc1(x)))
