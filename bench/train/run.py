"""`ditbench train NAME`: train a denoiser, or one of the parts of the small ones; store its weights and its card."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from bench.host.files import expect_writable_folder, make_folder
from bench.train import digits
from bench.train.blocks import Checkpointed
from bench.train.denoiser import Data, DenoisingLoss
from bench.train.distributed import World
from bench.train.latents import Latents, in_memory
from bench.train.loop import Trainer
from bench.train.recipe import Recipe
from bench.train.recipes import recipe_of
from bench.train.shipped import expect_not_shipped
from models import spec as find_spec
from models.errors import InputError, expect_one_of
from models.places import WEIGHTS
from models.spec import ModelSpec, build_random

PARTS = ("digit-autoencoder", "digit-classifier")  # the denoisers of digits need both
DIGIT_AUTOENCODER = PARTS[0]
RUNS = Path("runs")
JUDGED_BATCHES = 16


@dataclass
class Setting:
    """Where and on what a run takes place; not what it is."""

    data: Path | None = None  # images or latents; None: the digits
    world: World = field(default_factory=World)
    accumulate: int = 1  # gradients a step and process
    checkpointing: bool = False
    threads: int = 1  # that decode images
    save_every_s: float = 60.0


@dataclass
class Subject:
    """What is trained, and how it is judged."""

    model: nn.Module
    loss: Callable[[nn.Module, torch.Generator], torch.Tensor]
    recipe: Recipe
    card_metrics: Callable[[Any], dict[str, float]]
    data: str
    replica: nn.Module | None = None


def trainable() -> list[str]:
    """Names that `train` takes: the parts, and every model."""
    from models import names

    return [*PARTS, *names()]


def train(
    name: str, out: Path | None = None, force: bool = False, setting: Setting | None = None, **overrides: Any
) -> Path:
    """Train `name` and store weights and card in `out` (default: the package's own folder of shipped weights).

    `overrides` replace fields of the recipe. An interrupted run resumes from `out`/checkpoint.pt. Raises InputError for
    an unknown name, data that do not fit, a checkpoint of another recipe, an unusable folder, or shipped weights in it
    without `force`.
    """
    from bench.train.card import write_card
    from bench.train.reference_set import write_reference_sets

    setting = setting or Setting()
    expect_one_of("trainable model", name, trainable())
    folder = out or default_folder(name)
    expect_not_shipped(folder / "weights.safetensors", WEIGHTS, force)
    expect_writable_folder(folder)
    subject = _part(name, setting, overrides) if name in PARTS else _denoiser(find_spec(name), setting, overrides)
    make_folder(folder)
    checkpoint = folder / "checkpoint.pt"
    trainer = Trainer(subject.model, subject.loss, subject.recipe, checkpoint, setting.world, subject.replica)
    trained = trainer.run(setting.save_every_s)
    if setting.world.leads:
        save_weights(trained, folder / "weights.safetensors")
        write_card(name, folder, trained, trainer, subject.data, subject.card_metrics)
    if out is None and name in PARTS:
        write_reference_sets(name)
    return folder


def default_folder(name: str) -> Path:
    """The package's own where the weights are shipped with it, else one under runs/."""
    shipped = name in PARTS or find_spec(name).weights is not None
    return (WEIGHTS if shipped else RUNS) / name


def _part(name: str, setting: Setting, overrides: dict[str, Any]) -> Subject:
    whole = setting.world.size * setting.accumulate == 1 and not setting.checkpointing
    if setting.data is not None or not whole or setting.world.device.type != "cpu":
        raise InputError(f"{name}: is trained on the digits, by one process on the CPU and whole batches")
    module = importlib.import_module(f"bench.train.{name.replace('-', '_')}")
    recipe = Recipe(**vars(module.recipe) | overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return Subject(module.build(), module.loss, recipe, module.card_metrics, digits.DESCRIPTION)


def _denoiser(spec: ModelSpec, setting: Setting, overrides: dict[str, Any]) -> Subject:
    from bench.train.accuracy import label_accuracy

    recipe, world = recipe_of(spec, overrides), setting.world
    recipe.divide(world.size, setting.accumulate)
    data = training_data(spec, setting)
    recipe.data = data.name
    model = build_random(spec, recipe.seed).to(world.device)
    if not model.can_be_guided:
        recipe.label_dropout = 0.0
    part = recipe.batch // recipe.parts
    loss = DenoisingLoss(model, data, part, recipe.label_dropout, recipe.discretised)
    of_digits = setting.data is None
    card_metrics = (lambda m: label_accuracy(spec, m)) if of_digits else (lambda m: mean_loss(loss, m, recipe.dtype))
    replica = world.replicate(Checkpointed(model) if setting.checkpointing else model)
    return Subject(model, loss, recipe, card_metrics, data.name, None if replica is model else replica)


def training_data(spec: ModelSpec, setting: Setting) -> Data:
    """The data that was asked for; the digits for a model of digits. Raises InputError where there is none."""
    from bench.train.data import open_data

    if setting.data is not None:
        return open_data(setting.data, spec, setting.world, setting.threads)
    if spec.autoencoder != DIGIT_AUTOENCODER:
        raise InputError(f"{spec.name}: needs --data, a folder of images with one subfolder a class, or of latents")
    return digit_data(spec)


@torch.inference_mode()
def digit_data(spec: ModelSpec) -> Latents:
    """Latents [5000,C,H,W] of all digits, in the order of `digits.load`."""
    images, labels = digits.load()
    return in_memory(spec.pixels().encode(images).clone(), labels, digits.DESCRIPTION)


@torch.no_grad()
def mean_loss(loss: DenoisingLoss, model: nn.Module, dtype: str) -> dict[str, float]:
    """The averaged weights' loss on fixed draws of the training data."""
    from bench.train.precision import autocast

    generator = torch.Generator().manual_seed(10**9)
    with autocast(next(model.parameters()).device, dtype):
        losses = [loss(model, generator).item() for _ in range(JUDGED_BATCHES)]
    return {"loss_images": len(losses) * loss.batch, "loss_of_averaged_weights": sum(losses) / len(losses)}


def save_weights(model: nn.Module, path: Path) -> None:
    """Store a state dict as float16 safetensors, atomically. Raises OutputError."""
    from bench.host.files import write_bytes

    tensors = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    write_bytes(path, save({k: v.cpu().contiguous() for k, v in tensors.items()}))
