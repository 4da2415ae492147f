"""Weights from untrusted files: safetensors, or torch files without pickled objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.errors import InputError


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file. Nothing in the file is executed. Raises InputError with one line."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    try:
        content = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, weights_only=True, map_location="cpu")
        )
    except SafetensorError as error:
        raise InputError(f"{path}: damaged safetensors file ({error})") from error
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a plain file of tensors ({first[:120]})") from error
    if isinstance(content, Mapping):
        for wrapper in ("ema", "model", "state_dict"):  # the official trainers wrap their state dicts
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
                break
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{path}: expected a mapping of names to tensors")
    return dict(content)


def load_into(module: nn.Module, path: str | Path) -> None:
    """Load weights strictly, in the module's dtype; says which keys are missing, unexpected or misshapen."""
    tensors, wanted = read_tensors(path), module.state_dict()
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unexpected:
        raise InputError(f"{path}: does not fit; missing {_some(missing)}, unexpected {_some(unexpected)}")
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape:
            raise InputError(f"{path}: '{key}' has shape {list(tensor.shape)}, expected {list(wanted[key].shape)}")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: '{key}' holds values that are not finite")
    module.load_state_dict(tensors)


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(keys: list[str]) -> str:
    if not keys:
        return "nothing"
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
