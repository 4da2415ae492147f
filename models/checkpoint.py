"""Weights from untrusted files: safetensors, or torch files without pickled objects."""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.errors import InputError

WRAPPERS = ("ema", "model", "state_dict")  # the official trainers wrap their state dicts; the averaged weights first


class Misfit(InputError):
    """The file's tensors are not those of the model. `shapes` says what they are."""

    def __init__(self, message: str, shapes: dict[str, torch.Size]) -> None:
        super().__init__(message)
        self.shapes = shapes


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file, mapped into memory where the format allows. Nothing in the file is executed.

    Raises InputError with one line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged safetensors file ({error})") from error
    except Exception as error:  # torch explains its restricted unpickler at length
        raise InputError(f"{path}: not a plain file of tensors, or damaged ({type(error).__name__})") from error
    if isinstance(content, Mapping):
        for wrapper in WRAPPERS:
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
                break
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{path}: expected a mapping of names to tensors")
    return dict(content)


def _read_torch(path: Path) -> object:
    """Torch's restricted unpickler; the official trainers store their arguments, an argparse namespace, too."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(path))


def load_into(module: nn.Module, path: str | Path) -> None:
    """Load a file of weights strictly, in the module's dtype; says which keys are missing, unexpected or misshapen."""
    load_tensors(module, read_tensors(path), path)


def load_tensors(
    module: nn.Module, tensors: dict[str, Tensor], source: str | Path, device: str | torch.device | None = None
) -> None:
    """Load `tensors`, emptied on the way, into a module; a module on the meta device is materialised on `device`.

    Tensors move one at a time, so that there are never two whole copies of the weights beside the file.
    Raises Misfit where keys or shapes differ, InputError for values that are not finite.
    """
    wanted = module.state_dict()
    check(tensors, wanted, source)
    ready = {}
    for key in wanted:
        tensor = tensors.pop(key)
        check_finite(key, tensor, source)
        target = wanted[key].device if device is None else device
        ready[key] = tensor.to(device=target, dtype=wanted[key].dtype, copy=True)
    module.load_state_dict(ready, assign=device is not None)


def check_finite(key: str, tensor: Tensor, source: str | Path) -> None:
    """Raise InputError for a tensor with NaN or infinity."""
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise InputError(f"{source}: '{key}' holds values that are not finite")


def check(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str | Path) -> None:
    """Raise Misfit unless keys and shapes are the wanted ones."""
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    problems = [f"missing {_some(missing)}, unexpected {_some(unexpected)}"] if missing or unexpected else []
    for key in wanted.keys() & tensors.keys():
        if tensors[key].shape != wanted[key].shape:
            found, expected = list(tensors[key].shape), list(wanted[key].shape)
            problems.append(f"'{key}' has shape {found}, expected {expected}")
    if problems:
        more = f" and {len(problems) - 2} more shapes differ" if len(problems) > 2 else ""
        shapes = {key: tensor.shape for key, tensor in tensors.items()}
        raise Misfit(f"{source}: does not fit; {'; '.join(problems[:2])}{more}", shapes)


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(keys: list[str]) -> str:
    if not keys:
        return "nothing"
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
