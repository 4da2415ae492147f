"""Weights from untrusted files: safetensors, or torch files without pickled objects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.averages import Weights, choose
from models.errors import InputError, first_line
from models.file_kind import is_safetensors, no_weights
from models.folders import shards
from models.torch_file import advice, read_torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Misfit(InputError):
    """The file's tensors are not those of the model. `shapes` says what they are."""

    def __init__(self, message: str, shapes: dict[str, torch.Size]) -> None:
        super().__init__(message)
        self.shapes = shapes


def read_content(path: str | Path) -> Any:
    """What a file of weights holds, mapped into memory where the format allows. Nothing in the file is executed.

    The format is what the first bytes say, whatever the suffix. An index of sharded weights gives all shards' tensors.
    Raises InputError with one line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    if path.name.endswith(".json"):
        return merged(path)
    if path.suffix != ".safetensors" and not is_safetensors(path):
        return read_torch(path, "file of tensors")
    kind = no_weights(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        if kind or path.stat().st_size == 0:
            raise InputError(f"{path}: not a file of weights: it is {kind}") from error
        raise InputError(f"{path}: damaged safetensors file ({first_line(error)})") from error


def merged(index: Path) -> dict[str, Tensor]:
    """The tensors of all shards that an index names. Raises InputError where one is absent or holds others."""
    tensors: dict[str, Tensor] = {}
    for shard in shards(index):
        for key, tensor in read_content(shard).items():
            if key in tensors:
                raise InputError(f"{shard}: '{key}' is there, and in another shard of {index.name} too")
            tensors[key] = tensor
    return tensors


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file of which nothing is known; an averaged one where it is named as such. As read_content.

    Raises InputError for a file that holds anything else beside it.
    """
    content = read_content(path)
    tensors = choose(content, (), {}, path).tensors
    if isinstance(content, Mapping) and content.keys() & tensors.keys():
        other = next((key for key, value in content.items() if not isinstance(value, Tensor)), None)
        if other is not None:
            raise InputError(f"{path}: not a plain file of tensors: '{other}' is a {type(content[other]).__name__}")
    return tensors


def read_weights(path: str | Path, module: nn.Module, also: Iterable[str] = ()) -> Weights:
    """The weights in a file for a module, averaged ones before raw ones; their names may be those in `also` too.

    Raises InputError as read_content, and where it cannot be said which of several copies is meant.
    """
    parameters = dict(module.named_parameters())
    return choose(read_content(path), {*module.state_dict(), *also}, parameters, path)


def load_into(module: nn.Module, path: str | Path) -> None:
    """Load a file of weights strictly, in the module's dtype; says which keys are missing, unexpected or misshapen."""
    load_tensors(module, read_weights(path, module).tensors, path)


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
        check_values(key, tensor, wanted[key], source)
        target = wanted[key].device if device is None else device
        ready[key] = tensor.to(device=target, dtype=wanted[key].dtype, copy=True)
    module.load_state_dict(ready, assign=device is not None)


def check_values(key: str, tensor: Tensor, wanted: Tensor, source: str | Path) -> None:
    """Raise InputError unless a tensor holds plain numbers of the wanted kind, all of them finite."""
    exact = not wanted.is_floating_point() and not wanted.is_complex()  # a counter, or a table of indices
    check_plain(key, tensor, source, (wanted.dtype,) if exact else FLOATS)
    if not exact and not torch.isfinite(tensor).all():
        raise InputError(f"{source}: '{key}' holds values that are not finite")


def check_plain(key: str, tensor: Tensor, source: str | Path, types: tuple[torch.dtype, ...] = FLOATS) -> None:
    """Raise InputError unless a tensor is a dense one of one of the types, whole, unquantised and with values."""
    if type(tensor) not in (Tensor, nn.Parameter):
        name = f"{type(tensor).__module__}.{type(tensor).__name__}"
        raise InputError(f"{source}: '{key}' is a {name} ({advice(name)})")
    if tensor.is_meta:
        raise InputError(f"{source}: '{key}' is on the meta device: it has a shape and no values")
    if tensor.layout != torch.strided or tensor.is_quantized:
        layout = "quantised" if tensor.is_quantized else f"sparse ({tensor.layout})"
        raise InputError(f"{source}: '{key}' is {layout}, expected a plain tensor")
    if tensor.dtype not in types:
        actual, *expected = (str(dtype).removeprefix("torch.") for dtype in (tensor.dtype, *types))
        raise InputError(f"{source}: '{key}' is {actual}, expected {' or '.join(expected)}")


def check(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str | Path) -> None:
    """Raise Misfit unless keys and shapes are the wanted ones."""
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    problems = [f"missing {_some(missing)}, unexpected {_some(unexpected)}"] if missing or unexpected else []
    for key in wanted.keys() & tensors.keys():
        if tensors[key].shape != wanted[key].shape:
            shape, expected = list(tensors[key].shape), list(wanted[key].shape)
            problems.append(f"'{key}' has shape {shape}, expected {expected}")
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
