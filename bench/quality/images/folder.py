"""A folder of image files, read in natural order by a few threads; a file that would need a conversion is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.host.environment import cores
from bench.host.listing import files_under
from models.errors import InputError, first_line

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
OTHER_SUFFIXES = (  # images, but not read
    *(".apng", ".avif", ".dds", ".dib", ".dng", ".exr", ".gif", ".hdr", ".heic", ".heif", ".ico", ".j2c", ".j2k"),
    *(".jfif", ".jp2", ".jpe", ".jpf", ".jpx", ".jxl", ".pbm", ".pcx", ".pfm", ".pnm", ".psd", ".qoi", ".sgi", ".tga"),
)
CHANNELS = {"L": 1, "RGB": 3}
EXPECTED = {1: "8-bit grey", 3: "8-bit RGB", None: "8-bit grey or RGB"}


class ImageFolder:
    """All image files of a folder and its subfolders as bench.host.listing orders them; other files are passed over."""

    def __init__(self, folder: Path, channels: int | None = None) -> None:
        self.name, self.folder = str(folder), folder
        self.paths = files_under(folder, SUFFIXES, OTHER_SUFFIXES)
        if not self.paths:
            raise InputError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
        self.count, self.channels = len(self.paths), channels
        first = read_image(self.paths[0], channels)
        self.shape = (first.shape[0], first.shape[1], first.shape[2])

    def batches(self, size: int) -> Iterator[Tensor]:
        """uint8 [B,C,H,W]; the next batch is decoded while the caller works on this one."""
        with ThreadPoolExecutor(min(8, cores())) as pool:
            ahead: list[Future[Tensor]] = []
            for start in range(0, self.count + size, size):
                following = [pool.submit(self.read, path) for path in self.paths[start : start + size]]
                if ahead:
                    yield torch.stack([future.result() for future in ahead])
                ahead = following

    def names(self) -> list[str]:
        """The images' paths in the folder, without their suffixes: equal ones belong together."""
        return [path.relative_to(self.folder).with_suffix("").as_posix() for path in self.paths]

    def read(self, path: Path) -> Tensor:
        """uint8 [C,H,W]. Raises InputError for another shape than the first image's."""
        image = read_image(path, self.channels)
        if tuple(image.shape) != self.shape:
            shapes = f"{list(image.shape)} (C, H, W), but {self.paths[0].name} has {list(self.shape)}"
            raise InputError(f"{path}: shape {shapes}; nothing is resized silently")
        return image


def read_image(path: Path, channels: int | None = None) -> Tensor:
    """One image, uint8 [C,H,W]. Raises InputError where it is damaged or would have to be converted."""
    try:
        with Image.open(path) as image:
            problem = unsuitable(image, channels)
            if problem:
                message = f"{problem}, expected {EXPECTED[channels]}; convert it first, nothing is converted silently"
                raise InputError(f"{path}: {message}")
            array = np.array(image)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({first_line(error)})") from error
    return torch.from_numpy(array if array.ndim == 3 else array[:, :, None]).permute(2, 0, 1).contiguous()


def unsuitable(image: Image.Image, channels: int | None) -> str | None:
    """What an image is that is not an 8-bit grey or RGB one; None where it is one of the wanted channels."""
    if problem := beyond_8_bits(image):
        return problem
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return "an alpha channel"
    if image.mode not in CHANNELS:
        return {"P": "a palette", "1": "1 bit a pixel"}.get(image.mode, f"{image.mode} colours")
    if channels not in (None, CHANNELS[image.mode]):
        return "a grey image" if image.mode == "L" else "a colour image"
    return None


def beyond_8_bits(image: Image.Image) -> str | None:
    """What 8 bits cannot hold of an image: further frames, or values that Pillow would cut off or round silently."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        return f"{frames} frames"
    if image.mode[0] in "IF" or any(deep(tile[3]) for tile in getattr(image, "tile", ())):
        return "more than 8 bits a channel"
    return None


def deep(how: object) -> bool:
    """Whether Pillow's arguments of a decoder ("RGB;16B", or PPM's raw mode and largest value) say more than 8 bits."""
    largest = how[1] if isinstance(how, tuple) and len(how) == 2 else 0
    return ";16" in str(how) or (isinstance(largest, int) and largest > 255)
