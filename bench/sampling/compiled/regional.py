"""What torch.compile sees, where it is asked for: a few functions that serve every block, weights as arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

BACKEND = "inductor"
GROUP = 8  # kept tensors summed by one kernel: longer runs take several, so that few variants are compiled


@cache
def regional(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The compiled function, one for the whole process: each new shape is compiled at its first use."""
    return torch.compile(function, dynamic=False, backend=BACKEND)


def weights(layer: nn.Linear) -> tuple[Tensor, Tensor | None]:
    return layer.weight, layer.bias


def norm(h: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Layer norm of h [N,T,D], times scale plus shift, each [N,1,D] or [D]."""
    return layer_norm(h, h.shape[-1:], eps=eps) * scale + shift


def attention_branch(
    h: Tensor,
    shift: Tensor,
    scale: Tensor,
    eps: float,
    qkv: Tensor,
    qkv_bias: Tensor | None,
    proj: Tensor,
    proj_bias: Tensor,
    heads: int,
) -> Tensor:
    """Attention of the norm of h [N,T,D] -> [N,T,D]."""
    N, T, D = h.shape
    packed = linear(norm(h, shift, scale, eps), qkv, qkv_bias)
    q, k, v = packed.view(N, T, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    return linear(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(N, T, D), proj, proj_bias)


def mlp_branch(
    h: Tensor,
    shift: Tensor,
    scale: Tensor,
    eps: float,
    fc1: Tensor,
    bias1: Tensor,
    fc2: Tensor,
    bias2: Tensor,
    approximate: str,
) -> Tensor:
    """The MLP of the norm of h [N,T,D] -> [N,T,D]."""
    return linear(gelu(linear(norm(h, shift, scale, eps), fc1, bias1), approximate=approximate), fc2, bias2)


def gated_sum(h: Tensor, gates: list[Tensor], kept: list[Tensor]) -> Tensor:
    """h + Σ gate * kept, one pass over everything."""
    for gate, tensor in zip(gates, kept, strict=True):
        h = h + gate * tensor
    return h


def fused_sum(h: Tensor, gates: list[Tensor], kept: list[Tensor]) -> Tensor:
    """`gated_sum`, compiled, in groups."""
    for n in range(0, len(kept), GROUP):
        h = regional(gated_sum)(h, gates[n : n + GROUP], kept[n : n + GROUP])
    return h
