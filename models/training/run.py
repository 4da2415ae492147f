"""`ditbench train NAME`: train one of the shipped models, store its weights and its card."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from models import spec as find_spec
from models.errors import InputError, expect_one_of
from models.spec import WEIGHTS, ModelSpec, build_random
from models.training import digits
from models.training.denoiser import DenoisingLoss
from models.training.latents import Latents, in_memory
from models.training.loop import Trainer
from models.training.recipe import Recipe
from models.training.shipped import expect_not_shipped

PARTS = ("digit-autoencoder", "digit-classifier")  # the denoisers need both


def trainable() -> list[str]:
    """Names that `train` takes: the parts, and every model with a training recipe."""
    from models import names

    return [*PARTS, *(n for n in names() if find_spec(n).training)]


def train(name: str, out: Path | None = None, force: bool = False, **overrides: Any) -> Path:
    """Train `name` and store weights and card in `out` (default: the package's own weights folder).

    `overrides` replace fields of the recipe. An interrupted run resumes from `out`/checkpoint.pt. Raises InputError for
    an unknown name, a checkpoint of another recipe, an unusable folder, or shipped weights in it without `force`.
    """
    from models.training.card import write_card
    from models.training.reference import write_references

    expect_one_of("trainable model", name, trainable())
    folder = WEIGHTS / name if out is None else out
    expect_not_shipped(folder / "weights.safetensors", WEIGHTS, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    model, loss, recipe, evaluate = _part(name, overrides) if name in PARTS else _denoiser(find_spec(name), overrides)
    trainer = Trainer(model, loss, recipe, folder / "checkpoint.pt")
    trained = trainer.run()
    save_weights(trained, folder / "weights.safetensors")
    write_card(name, folder, trained, recipe, trainer.progress, evaluate)
    if out is None:
        write_references(name)
    return folder


def _part(name: str, overrides: dict[str, Any]) -> tuple[nn.Module, Callable, Recipe, Callable]:
    module = importlib.import_module(f"models.training.{name.replace('-', '_')}")
    recipe = Recipe(**vars(module.recipe) | overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return module.build(), module.loss, recipe, module.evaluate


def _denoiser(spec: ModelSpec, overrides: dict[str, Any]) -> tuple[nn.Module, Callable, Recipe, Callable]:
    from models.training.accuracy import label_accuracy

    recipe = Recipe(**spec.training | overrides)
    model = build_random(spec, recipe.seed)
    loss = DenoisingLoss(model, digit_data(spec), recipe.batch, recipe.label_dropout)
    return model, loss, recipe, lambda model: label_accuracy(spec, model)


@torch.inference_mode()
def digit_data(spec: ModelSpec) -> Latents:
    """Latents [5000,C,H,W] of all digits, in the order of `digits.load`."""
    images, labels = digits.load()
    return in_memory(spec.pixels().encode(images).clone(), labels, "digits")


def save_weights(model: nn.Module, path: Path) -> None:
    """Store a state dict as float16 safetensors, atomically. Raises OutputError."""
    from bench.files import write_bytes

    tensors = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    write_bytes(path, save({k: v.contiguous() for k, v in tensors.items()}))
