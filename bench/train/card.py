"""The card that a trained model ships with: what it learned from, how, how long, and how good it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.train.loop import Trainer
from models.checkpoint import load_into, sha256
from models.denoiser import Denoiser
from models.errors import InputError

WIDEST = 1600  # pixels of the sample grid


def write_card(
    name: str, folder: Path, model: nn.Module, trainer: Trainer, data: str, card_metrics: Callable[[nn.Module], dict]
) -> dict[str, Any]:
    """Write card.json, README.md, loss.png and, for denoisers whose latents can be decoded, samples.png."""
    from bench.host.files import write_bytes, write_json

    recipe, progress, world = trainer.recipe, trainer.progress, trainer.world
    weights = folder / "weights.safetensors"
    load_into(model.eval(), weights)  # judged as shipped, in float16
    card = {
        "name": name,
        "data": data,
        "parameters": sum(p.numel() for p in model.parameters()),
        "recipe": recipe.described(),
        "images": progress.step * recipe.batch,
        "seconds": round(progress.seconds, 1),
        "processes": world.size,
        "device": world.device_name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "weights_sha256": sha256(weights),
        "evaluation": card_metrics(model),
        "losses": [[step, round(loss, 5)] for step, loss in progress.losses],
    }
    draw_losses(card, folder / "loss.png")
    pictures = "![loss curve](loss.png)"
    if isinstance(model, Denoiser) and try_to_draw(name, model, folder / "samples.png"):
        pictures += "\n\n![samples, one column a class](samples.png)"
    write_json(folder / "card.json", card)
    write_bytes(folder / "README.md", card_text(title(name, data), card, pictures).encode())
    return card


def title(name: str, data: str) -> str:
    """The heading of a card."""
    from bench.train.digits import DESCRIPTION
    from models import names, spec

    architecture = f"{getattr(spec(name).network, '__name__', 'denoiser')} trained on " if name in names() else ""
    return f"{name}: {architecture}{'digits' if data == DESCRIPTION else data}" if architecture else name


def card_text(title: str, card: dict[str, Any], pictures: str) -> str:
    """The card for people, in Markdown."""
    facts = {
        "data": card["data"],
        "parameters": f"{card['parameters']:,}",
        "training": "{steps:,} steps of {batch} images, seed {seed}".format(**card["recipe"]),
        "time": f"{card['seconds'] / 60:.0f} minutes on {card['processes']} × {card['device']}, torch {card['torch']}",
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


def try_to_draw(name: str, model: Denoiser, path: Path) -> bool:
    """Draw samples unless the autoencoder is missing: a model may be trained on latents without it."""
    try:
        draw_samples(name, model, path)
    except InputError as error:
        print(f"no samples drawn: {error}", file=sys.stderr)
        return False
    return True


def draw_samples(name: str, model: Denoiser, path: Path, rows: int = 6) -> None:
    """A grid of guided DDIM-50 samples, one column a class, as many classes as the width allows."""
    from bench.sampling import balanced_labels, sample, seeded_noise
    from methods import build
    from models import spec

    chosen, device = spec(name), next(model.parameters()).device
    columns = min(chosen.num_classes, max(4, WIDEST // (chosen.resolution or 32)))
    images = []
    for row in range(rows):
        index = range(row * columns, (row + 1) * columns)
        latents = sample(
            model,
            build("ddim", steps=50),
            noise=seeded_noise(index, chosen.latent_shape).to(device),
            labels=balanced_labels(index, columns).to(device),
            guidance_scale=chosen.guidance_scale,
            guidance_channels=chosen.guidance_channels,
        )
        images.append(chosen.decode(latents.cpu()))
    write_png(tile(torch.cat(images), columns), path)


def tile(images: Tensor, columns: int) -> Tensor:
    """uint8 [N,1|3,H,W] -> one picture [rows*H, columns*W, 1|3], in reading order."""
    _, C, H, W = images.shape
    return images.view(-1, columns, C, H, W).permute(0, 3, 1, 4, 2).reshape(-1, columns * W, C)


def write_png(picture: Tensor, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture.squeeze(-1).numpy()).save(path, optimize=True)
