"""Mixed precision: weights and losses in float32, products in the recipe's dtype (Micikevicius et al. 2018)."""

from __future__ import annotations

import torch

from models.errors import expect_one_of

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def dtype_name(given: str) -> str:
    """The full name of a dtype, which may be given short. Raises InputError with the nearest one."""
    name = SHORT.get(given, given)
    expect_one_of("dtype", name, DTYPES)
    return name


def autocast(device: torch.device, dtype: str) -> torch.autocast:
    """The context in which losses are computed; it changes nothing for float32."""
    return torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "float32")


def gradient_scaler(device: torch.device, dtype: str) -> torch.amp.GradScaler:
    """Keeps small gradients above float16's smallest number; does nothing for the others, whose range is float32's."""
    return torch.amp.GradScaler(device.type, enabled=dtype == "float16")
