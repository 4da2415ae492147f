"""A plugin's model, checked when it is registered, so that no command meets its faults later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models.errors import InputError, expect_name, first_line
from models.spec import ModelSpec, build_empty


def accept(spec: ModelSpec, file: str | None) -> ModelSpec:
    """The spec with its weights' place resolved: a relative path is beside the plugin's file.

    Raises InputError for a name that cannot be a folder's, weights that are no path and a structure that cannot be
    built. Absent weights are no fault yet: `weights="random"` needs none.
    """
    from models.denoiser import Denoiser

    expect_name("a model's name", spec.name)
    if spec.weights is not None and not isinstance(spec.weights, str | Path):
        raise InputError(f"model '{spec.name}': weights must be a path, got {spec.weights!r}")
    try:
        model = build_empty(spec)
    except Exception as error:  # somebody else's architecture or configuration
        raise InputError(f"model '{spec.name}' cannot be built: {first_line(error)}") from error
    if not isinstance(model, Denoiser):
        raise InputError(f"model '{spec.name}': {type(model).__name__} is no models.Denoiser")
    folder = Path(file).parent if file else Path()
    return spec if spec.weights is None else replace(spec, weights=folder / spec.weights)
