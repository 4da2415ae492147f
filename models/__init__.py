"""Named denoisers. A file of this package, or a plugin, that defines `spec` (or `specs`) registers a model."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from models.errors import InputError, expect_one_of
from models.spec import ModelSpec, build_empty, build_random

if TYPE_CHECKING:  # loading torch takes two seconds, which a command that only reads results should not
    import torch
    from torch import Tensor

    from models.denoiser import Denoiser

__all__ = ["Denoiser", "InputError", "ModelSpec", "build", "names", "plugin_file", "register", "spec"]

_plugins: dict[str, ModelSpec] = {}
_plugin_files: dict[str, Path] = {}
_refused: dict[str, str] = {}  # models of plugins that cannot be what they say -> why


@cache
def _shipped() -> dict[str, ModelSpec]:
    specs: dict[str, ModelSpec] = {}
    files: dict[str, str] = {}
    for info in pkgutil.iter_modules(__path__):
        for s in specs_in(importlib.import_module(f"models.{info.name}")) if _names_a_spec(info) else []:
            if specs.setdefault(s.name, s) is not s:
                first = files[s.name]
                raise InputError(f"models/{first}.py and models/{info.name}.py both define the model '{s.name}'")
            files.setdefault(s.name, info.name)
    return specs


def _names_a_spec(info: pkgutil.ModuleInfo) -> bool:
    """Whether a file of this package assigns `spec` or `specs`, read without running it: the others load torch."""
    if info.ispkg:
        return False
    file = Path(info.module_finder.path, f"{info.name}.py")  # type: ignore[union-attr]
    return re.search(r"^specs?\b[^=\n]*=", file.read_text("utf-8"), re.MULTILINE) is not None


def specs_in(module: ModuleType) -> list[ModelSpec]:
    """The specs that a module defines."""
    candidates = [getattr(module, "spec", None), *getattr(module, "specs", ())]
    return [s for s in candidates if isinstance(s, ModelSpec)]


def register(module: ModuleType) -> list[str]:
    """Register the models that a plugin module defines; returns their names.

    One that `accept` refuses is not among them; whoever asks for it learns why. Raises InputError where all of them are
    refused, and for a name of a shipped model. A shipped spec that the module merely imports is no definition.
    """
    from models.third_party import accept

    shipped = _shipped()
    added = {s.name: s for s in specs_in(module) if shipped.get(s.name) is not s}
    for name in added.keys() & shipped.keys():
        raise InputError(f"{module.__name__}: the model name '{name}' is taken")
    file = getattr(module, "__file__", None)
    accepted: dict[str, ModelSpec] = {}
    for name, s in added.items():
        try:
            accepted[name] = accept(s, file)
        except InputError as error:
            if len(added) == 1:
                raise
            _refused[str(name)] = str(error)
            _say(f"{file or module.__name__}: {error}")
    if added and not accepted:
        raise InputError("; ".join(_refused[str(name)] for name in added))
    _plugins.update(accepted)
    if file:
        _plugin_files.update(dict.fromkeys(accepted, Path(file)))
    return sorted(accepted)


def plugin_file(name: str) -> Path | None:
    """The file of the plugin that defines a model, on which its results depend; None for shipped models."""
    return _plugin_files.get(name)


def names() -> list[str]:
    return sorted(_shipped() | _plugins)


def spec(name: str) -> ModelSpec:
    """The spec of a named model. Raises InputError with the nearest name, or why a plugin's model was refused."""
    known = _shipped() | _plugins
    if name in _refused and name not in known:
        raise InputError(_refused[name])
    expect_one_of("model", name, known, plugins=True)
    return known[name]


def build(
    name: str,
    *,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Denoiser:
    """A denoiser in eval mode, without gradients; in float32 unless another `dtype` is given.

    `weights` is a path (original, diffusers' or our layout), "official" or "official:LAYOUT" (fetched once), "random",
    or None for the shipped weights of a small model. Raises InputError for an unknown name and for weights that are
    absent, damaged or of another shape. On the meta device there is structure alone, at no cost.
    """
    import torch

    from models.official import weights_file

    chosen, dtype = spec(name), dtype or torch.float32
    path = weights_file(chosen, weights)
    if torch.device(device).type == "meta":
        model = build_empty(chosen)
    else:
        model = build_random(chosen) if path is None else _loaded(chosen, path, device, dtype)
    model.name = name
    return model.eval().requires_grad_(False).to(device=device, dtype=dtype)


def _loaded(chosen: ModelSpec, path: Path, device: str | torch.device, dtype: torch.dtype) -> Denoiser:
    """The model with the weights in a file, without a moment at which it holds others."""
    from models.checkpoint import load_tensors

    ours = chosen.network.__module__.startswith("models.")  # a plugin's may hold more than its state dict says
    model = build_empty(chosen).to(dtype=dtype) if ours else build_random(chosen)
    with _whose_shapes(chosen):
        load_tensors(model, _tensors(model, path), path, device if ours else None)
    return model


def check_weights(name: str, path: Path) -> None:
    """Raise InputError, as `build` would, unless a file's keys, shapes and values can be the model's."""
    from models.checkpoint import check, check_values

    chosen = spec(name)
    empty = build_empty(chosen)
    with _whose_shapes(chosen):
        tensors = _tensors(empty, path)
        wanted = empty.state_dict()
        check(tensors, wanted, path)
        for key, tensor in tensors.items():
            check_values(key, tensor, wanted[key], path)


def _tensors(model: Denoiser, path: Path) -> dict[str, Tensor]:
    """A file's weights under the model's names; the model learns which they are, and takes over their settings."""
    from models import diffusers_folder
    from models.averages import said_by
    from models.checkpoint import read_weights
    from models.layouts import known_names, official_names

    weights = read_weights(path, model, known_names(model))
    tensors = official_names(weights.tensors, model, path)
    settings = diffusers_folder.adopt(model, path, tensors)
    model.weights_taken = "; ".join(filter(None, [weights.taken or said_by(path), *settings.done]))
    if model.weights_taken:
        _say(f"{path}: weights taken: {model.weights_taken}")
    if settings.assumed:
        _say(settings.assumed)
    return tensors


@cache
def _say(line: str) -> None:
    """One line on stderr, once a process."""
    print(line, file=sys.stderr)


@contextmanager
def _whose_shapes(chosen: ModelSpec) -> Iterator[None]:
    """Say which named models weights would fit that do not fit this one."""
    from models.checkpoint import Misfit

    try:
        yield
    except Misfit as error:
        fitting = [name for name in names() if _shapes(name) == error.shapes]
        hint = f"; these are {' and '.join(fitting)}'s shapes" if fitting else ""
        raise InputError(f"{chosen.name}: {error}{hint}") from error


def _shapes(name: str) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in build_empty(spec(name)).state_dict().items()}


def __getattr__(name: str) -> Any:
    if name != "Denoiser":
        raise AttributeError(f"module 'models' has no attribute '{name}'")
    from models.denoiser import Denoiser

    return Denoiser
