"""What an evaluation and a trajectory must give: a sampler broadcasts another shape, and another precision is silent.

Half precision may become float32 on the way, as where a network's last layer does; nothing may become more precise
than that and the trajectory's noise, which is of the dtype that a result records.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.denoiser import Denoiser


def check_weights(model: Denoiser, noise: Tensor) -> None:
    """Raise ValueError where a method has made the denoiser more precise than its inputs."""
    weight = next(iter(model.parameters()), None)
    if weight is not None and not fits(weight.dtype, noise.dtype):
        raise ValueError(f"the denoiser's weights are {weight.dtype}, its inputs {noise.dtype}")


def check_state(what: str, x: object, noise: Tensor) -> None:
    """Raise ValueError unless a sampler's x is a tensor of the noise's shape [B,C,H,W] and no more precise."""
    if not (isinstance(x, Tensor) and x.shape == noise.shape and fits(x.dtype, noise.dtype)):
        raise ValueError(f"{what} {described(x)}, expected {described(noise)}")


def check_output(k: int, out: object, x: Tensor, images: int) -> None:
    """Raise ValueError unless evaluation k of x [B,C,H,W] gave [N,C,H,W] or [N,2C,H,W], no more precise than x.

    N is `images`: B, or 2B with guidance.
    """
    C, *size = x.shape[1:]
    wanted = ([images, C, *size], [images, 2 * C, *size])
    if not (isinstance(out, Tensor) and list(out.shape) in wanted and fits(out.dtype, x.dtype)):
        expected = f"{wanted[0]} or {wanted[1]} of {x.dtype}"
        raise ValueError(f"evaluation {k} of the denoiser gave {described(out)}, expected {expected}")


def fits(dtype: torch.dtype, recorded: torch.dtype) -> bool:
    """Whether numbers of a dtype are no more precise than float32 or what is recorded."""
    return dtype.is_floating_point and dtype.itemsize <= max(recorded.itemsize, torch.float32.itemsize)


def described(value: object) -> str:
    """Shape and dtype, as `[8, 4, 32, 32] of torch.float32`; of what is no tensor the type."""
    return f"{list(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
