"""Torch files read as data: torch's restricted unpickler, and one line about what it refuses."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from models.errors import InputError
from models.file_kind import no_weights


class Aside:
    """Stands in for a harmless object beside the weights: it takes what is said of it and keeps nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")
NUMPY = ("dtype", "ndarray", *(f"{core}.multiarray.{name}" for core in ("core", "_core")
                               for name in ("scalar", "_reconstruct")))  # fmt: skip
HARMLESS = [
    "argparse.Namespace",  # the official trainers store their arguments
    *(f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in PATHS),
    *(f"numpy.{name}" for name in NUMPY),
]
ADVICE = {  # beginning of a class's module -> what it means and what to do
    "torch.distributed": "sharded: save full tensors (tensor.full_tensor(), or full_state_dict=True in "
    "torch.distributed.checkpoint.state_dict.StateDictOptions)",
    "torchao": "quantised: save the weights before quantize_, or dequantize() them",
    "bitsandbytes": "quantised: save the weights before quantisation, or dequantize() them",
    "optimum.quanto": "quantised: save the weights before quantisation, or dequantize() them",
}
OTHERWISE = "save the state_dict, without other objects"


def read_torch(path: Path, what: str) -> Any:
    """What a torch file holds: tensors, containers and numbers; nothing in it is executed.

    Objects of the HARMLESS classes are there as `Aside`. Raises InputError with one line that names the class of any
    other object, or says what else the file is; `what` was expected.
    """
    kind = no_weights(path)
    if kind:
        raise InputError(f"{path}: not a plain {what}: it is {kind}")
    names: list[Any] = [(Aside, name) for name in HARMLESS]
    try:
        with torch.serialization.safe_globals(names), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sparse, quantised and old tensors, which are refused later
            return torch.load(path, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(path))
    except Exception as error:  # the unpickler raises whatever damaged bytes lead it to
        raise InputError(f"{path}: not a plain {what}{_reason(error)}") from error


def advice(name: str) -> str:
    """What to do about a class of tensors or objects that is no plain weight."""
    return next((text for module, text in ADVICE.items() if name.startswith(module)), OTHERWISE)


def _reason(error: Exception) -> str:
    """Which class was in the way, out of torch's paragraphs; else the kind of damage."""
    match = re.search(r"GLOBAL ([\w.]+)|``(torch\.distributed\.tensor)`` must be imported", str(error))
    if match is None:
        return f", or damaged ({type(error).__name__})"
    name = match[1] or f"{match[2]}.DTensor"
    return f": it holds a {name}, which is not unpickled ({advice(name)})"
