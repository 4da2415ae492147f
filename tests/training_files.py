"""Files to train on: folders of small pictures, one subfolder a class, and latents."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file


def picture(colour: int, size: tuple[int, int] = (16, 20), mode: str = "RGB") -> Image.Image:
    pixels = np.full((size[1], size[0], 3), 20, dtype=np.uint8)
    pixels[:, : size[0] // 2] = colour
    return Image.fromarray(pixels).convert(mode)


def make_folder(root: Path, pattern: str = "{}/{}.png", classes: str = "abc", count: int = 3) -> Path:
    for number, name in enumerate(classes):
        for i in range(count):
            path = root / pattern.format(name, i)
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(40 * number + i + 100, mode="L" if i == 2 else "RGB").save(path)
    return root


def latents_file(path: Path, **changes: torch.Tensor) -> Path:
    content = {"latents": torch.zeros(4, 3, 8, 8).half(), "labels": torch.tensor([0, 1, 2, 0])} | changes
    save_file({key: value for key, value in content.items() if value is not None}, path)
    return path
