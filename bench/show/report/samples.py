"""The first samples of every method, side by side on the same seeds, from the images that a run stored."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open

from bench.show.report.group import Group
from bench.show.report.phrases import distance, ms
from bench.store.stored_cell import StoredCell

COLUMNS = 10
MAX_PIXELS = 96  # pixels: larger images are shown smaller


@dataclass(frozen=True)
class Strip:
    """Ten samples of one method as one image, or a note on why there are none."""

    name: str
    caption: str
    uri: str | None
    note: str
    width: int = 0
    height: int = 0


def strips(group: Group, directory: Path) -> list[Strip]:
    """A strip for every cell of a group that is shown, the reference first; empty where no samples are stored."""
    return strips_of(group, directory, sorted(group.shown, key=lambda cell: cell is not group.reference))


def strips_of(group: Group, directory: Path, cells: Sequence[StoredCell]) -> list[Strip]:
    """A strip for each of some cells; empty where no samples are stored."""
    folder = directory / "samples" / group.model
    if not folder.is_dir():
        return []
    return [_strip(cell, group, folder / f"{cell.slug}.safetensors") for cell in cells]


def _strip(cell: StoredCell, group: Group, path: Path) -> Strip:
    known = [distance(group, cell)] if cell.quality.value("fd") else []
    caption = ", ".join([*known, *([ms(group, cell)] if cell.timing.latency_ms else [])])
    if not path.is_file():
        return Strip(cell.method, caption, None, "no samples stored for this cell")
    try:
        images = read_images(path)
    except (OSError, SafetensorError, ValueError) as error:
        return Strip(cell.method, caption, None, f"samples cannot be read: {' '.join(str(error).split())}")
    height, width = images.shape[0], images.shape[1]
    return Strip(cell.method, caption, data_uri(images), "", width, height)


def read_images(path: Path) -> np.ndarray:
    """The first 10 images as one strip, uint8 [H, 10 W, 1 or 3]. Raises ValueError if there are none such."""
    with safe_open(path, framework="numpy") as file:
        if "images" not in file.keys():  # noqa: SIM118 (not a dict)
            raise ValueError("the file has no 'images'")
        images = file.get_slice("images")[:COLUMNS]
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"expected uint8 images [n, 1 or 3, H, W], found {images.dtype} {list(images.shape)}")
    return np.concatenate(list(images.transpose(0, 2, 3, 1)), axis=1)


def data_uri(strip: np.ndarray) -> str:
    """A strip as a PNG in a data URI, at most MAX_PIXELS pixels high."""
    image = Image.fromarray(strip.squeeze(2) if strip.shape[2] == 1 else strip)
    if image.height > MAX_PIXELS:
        size = (round(image.width * MAX_PIXELS / image.height), MAX_PIXELS)
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
