"""A plugin's model, checked when it is registered, so that no command meets its faults later."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import THEIRS, InputError, expect_name, expect_one_of, first_line
from models.spec import ModelSpec, build_empty

if TYPE_CHECKING:
    from models.denoiser import Denoiser


def accept(spec: ModelSpec, file: str | None) -> ModelSpec:
    """The spec with its weights' place resolved: a relative path is beside the plugin's file.

    Raises InputError for a name that cannot be a folder's, weights that are no path, a structure that cannot be built
    and classes or guidance that the network does not have. Absent weights are no fault yet: `weights="random"` needs
    none.
    """
    from models.denoiser import Denoiser

    expect_name("a model's name", spec.name)
    if spec.weights is not None and not isinstance(spec.weights, str | Path):
        raise InputError(f"model '{spec.name}': weights must be a path, got {spec.weights!r}")
    try:
        model = build_empty(spec)
    except THEIRS as error:  # somebody else's architecture or configuration
        raise InputError(f"model '{spec.name}' cannot be built: {first_line(error)}") from error
    if not isinstance(model, Denoiser):
        raise InputError(f"model '{spec.name}': {type(model).__name__} is no models.Denoiser")
    check_numbers(spec)
    check_classes(spec, model)
    if spec.guidance_scale != 1 and not model.can_be_guided:
        raise InputError(f"model '{spec.name}': guidance_scale is {spec.guidance_scale}, without a null class it is 1")
    folder = Path(file).parent if file else Path()
    return spec if spec.weights is None else replace(spec, weights=folder / spec.weights)


def check_classes(spec: ModelSpec, model: Denoiser) -> None:
    """Raise InputError unless the spec counts the classes that its network has a label for, the null class apart.

    One too many would sample the null class as if it were a class; one too few would never sample the last.
    """
    if isinstance(spec.num_classes, bool) or not isinstance(spec.num_classes, int) or spec.num_classes < 1:
        raise InputError(f"model '{spec.name}': num_classes must be a number from 1 on, got {spec.num_classes!r}")
    if 0 <= model.null_label != spec.num_classes:  # negative: no label is read
        labels = f"labels for {model.null_label}" + (" beside the null class" if model.can_be_guided else "")
        raise InputError(f"model '{spec.name}': num_classes is {spec.num_classes}, its network has {labels}")


def check_numbers(spec: ModelSpec) -> None:
    """Raise InputError unless guidance, resolution and autoencoder are what sampling and pages take them for."""
    from models import autoencoders

    scale = spec.guidance_scale
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 <= scale < math.inf:
        raise InputError(f"model '{spec.name}': guidance_scale must be a number from 0 on, got {scale!r}")
    for key in ("resolution", "guidance_channels"):
        value = getattr(spec, key)
        if value is not None and (type(value) is not int or value < 1):
            raise InputError(f"model '{spec.name}': {key} must be a number from 1 on, got {value!r}")
    if spec.autoencoder is not None:
        expect_one_of(f"autoencoder of model '{spec.name}'", spec.autoencoder, autoencoders.names())
