"""Labelled images to train on: a folder with one subfolder a class, or JPEG files packed into one npz.

`DIR/<class>/**/*.JPEG` is ImageNet's layout; Tiny ImageNet's `DIR/train/<class>/images/*.JPEG` reads the same way.
Classes are numbered in the natural order of their folders' names (2 before 10; bench.host.listing), or as the model's
`classes` names them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from bench.host.listing import files_under, folders_in
from bench.host.notice import say
from bench.quality.images.folder import OTHER_SUFFIXES, SUFFIXES, beyond_8_bits
from bench.quality.images.npy import read_npz, readable
from models.errors import InputError, first_line
from models.spec import ModelSpec

KEPT_BYTES = 2**30  # decoded images are kept up to this size, so that small ones are decoded once
PACKED = ("jpeg", "offsets", "labels", "wnids")
MAX_BYTES = 2**36  # of packed files, which are held in memory
Source = Path | tuple[str, bytes]  # a file, or the name of a packed one and its bytes


class Images:
    """Images cropped to `size`, by number. `name` says what they are, for cards and checkpoints."""

    def __init__(self, sources: Sequence[Source], labels: Tensor, size: int, name: str, threads: int = 1) -> None:
        self.sources, self.labels, self.size, self.name = sources, labels, size, name
        self.pool = ThreadPoolExecutor(threads)  # Pillow decodes and resizes outside the interpreter's lock
        self.kept: dict[int, Tensor] = {}
        self.keeps = len(sources) * 3 * size**2 <= KEPT_BYTES

    def __len__(self) -> int:
        return len(self.sources)

    def read(self, numbers: Sequence[int]) -> Tensor:
        """Images uint8 [n,3,size,size]. Raises InputError naming a file that cannot be decoded."""
        return torch.stack(list(self.pool.map(self._one, numbers)))

    def _one(self, number: int) -> Tensor:
        if number in self.kept:
            return self.kept[number]
        image = decode(self.sources[number], self.size)
        if self.keeps:
            self.kept[number] = image
        return image


def write_npz(images: Images, path: Path, batch: int = 256) -> None:
    """All images as the model sees them, uint8 [N,H,W,3] under `arr_0`: what evaluators take as a reference.

    Atomically; they are held in memory. Raises OutputError, and InputError for an image that cannot be decoded.
    """
    from bench.host.files import write_through

    parts = [images.read(range(start, min(start + batch, len(images)))) for start in range(0, len(images), batch)]
    pixels = torch.cat(parts).permute(0, 2, 3, 1).contiguous().numpy()
    write_through(path, lambda file: np.savez(file, arr_0=pixels))


def decode(source: Source, size: int) -> Tensor:
    """One image uint8 [3,size,size]; greyscale and palettes become RGB. Raises InputError for more than 8 bits hold."""
    where, file = (source, source) if isinstance(source, Path) else (source[0], io.BytesIO(source[1]))
    try:
        with Image.open(file) as image:
            if depth := beyond_8_bits(image):
                raise InputError(f"{where}: {depth}, expected 8; convert it first, nothing is cut off silently")
            return centre_crop(image.convert("RGB"), size)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "of no known format" if isinstance(error, UnidentifiedImageError) else first_line(error)
        raise InputError(f"{where}: not a readable image ({reason})") from error


def centre_crop(image: Image.Image, size: int) -> Tensor:
    """ADM's crop (Dhariwal & Nichol 2021): halve by area while that leaves enough, then bicubic, then the centre."""
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = size / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.asarray(image.crop((left, top, left + size, top + size)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def open_images(path: Path, spec: ModelSpec, threads: int = 1) -> Images:
    """The images of a folder or a packed npz with labels of the model's classes. Raises InputError."""
    if spec.resolution is None:
        raise InputError(f"{spec.name}: states no resolution, so images cannot be cropped for it")
    read = packed if path.is_file() else folder
    sources, labels, listing = read(path, spec)
    digest = hashlib.sha256("\n".join(listing).encode()).hexdigest()[:16]
    name = f"{len(sources):,} images of {spec.num_classes} classes in {path.name} (SHA-256 of the list {digest})"
    return Images(sources, torch.tensor(labels, dtype=torch.int64), spec.resolution, name, threads)


def folder(path: Path, spec: ModelSpec) -> tuple[list[Source], list[int], list[str]]:
    """Files, labels and relative paths under a folder of class folders. Raises InputError for a class with no image."""
    inner = path / "train"  # a class of that name holds images, no folders
    root = inner if inner.is_dir() and folders_in(inner) else path
    numbers = number_classes(root, folders_in(root), spec)
    files = [file.relative_to(root) for file in files_under(root, SUFFIXES, OTHER_SUFFIXES)]
    for stray in (file for file in files if len(file.parts) == 1):
        raise InputError(f"{root / stray}: an image beside the class folders, of no class")
    for name in numbers.keys() - {file.parts[0] for file in files}:
        raise InputError(f"{root / name}: holds no images ({', '.join(SUFFIXES)})")
    labelled = [(file, numbers[file.parts[0]]) for file in files if file.parts[0] in numbers]
    listing = [f"{label} {file} {(root / file).stat().st_size}" for file, label in labelled]  # reading all takes hours
    return [root / file for file, _ in labelled], [label for _, label in labelled], listing


def number_classes(root: Path, folders: list[str], spec: ModelSpec) -> dict[str, int]:
    """Folder -> label. Raises InputError unless they are the model's classes."""
    if spec.classes:
        missing = [name for name in spec.classes if name not in folders]
        if missing:
            raise InputError(f"{root}: has no folder '{missing[0]}' ({len(missing)} of {spec.name}'s classes missing)")
        return {name: label for label, name in enumerate(spec.classes)}
    if len(folders) != spec.num_classes:
        raise InputError(f"{root}: has {len(folders)} class folders, {spec.name} has {spec.num_classes} classes")
    if folders != sorted(folders):  # what was trained elsewhere may have numbered them otherwise
        order = (
            "class folders are numbered in natural order (2 before 10), torchvision's ImageFolder sorts them as text"
        )
        say(f"{root}: {order}")
    return {name: label for label, name in enumerate(folders)}


def packed(path: Path, spec: ModelSpec) -> tuple[list[Source], list[int], list[str]]:
    """Images of an npz: `jpeg` uint8, all files end to end, `offsets` [n+1], `labels` [n] and `wnids`, their names."""
    with readable(path, "an npz of packed images"):
        jpeg, offsets, labels, wnids = read_npz(path, PACKED, MAX_BYTES).values()
    names = [str(name) for name in wnids]
    check_packed(path, jpeg, offsets, labels, names)
    numbers = number_classes(path, names, spec)
    pieces = [jpeg[a:b].tobytes() for a, b in pairwise(offsets)]
    chosen = [(i, numbers[names[label]]) for i, label in enumerate(labels) if names[label] in numbers]
    for name in numbers.keys() - {names[label] for label in labels}:
        raise InputError(f"{path}: holds no images of the class '{name}'")
    listing = [f"{label} {hashlib.sha256(pieces[i]).hexdigest()}" for i, label in chosen]
    return [(f"{path.name}[{i}]", pieces[i]) for i, _ in chosen], [label for _, label in chosen], listing


def check_packed(path: Path, jpeg: np.ndarray, offsets: np.ndarray, labels: np.ndarray, names: list[str]) -> None:
    """Raise InputError unless the arrays hold files end to end, each with the number of one of the classes."""
    for key, array, wanted in (
        ("jpeg", jpeg, np.uint8),
        ("offsets", offsets, np.integer),
        ("labels", labels, np.integer),
    ):
        if array.ndim != 1 or not np.issubdtype(array.dtype, wanted) or not len(array):
            got = f"{array.dtype} {list(array.shape)}"
            raise InputError(f"{path}: '{key}' is {got}, expected {wanted.__name__} [n], at least one")
    if offsets[0] != 0 or offsets[-1] != len(jpeg) or not (np.diff(offsets.astype(np.int64)) > 0).all():
        raise InputError(f"{path}: 'offsets' must rise from 0 to {len(jpeg)}, the bytes of 'jpeg'")
    if len(offsets) != len(labels) + 1 or not (labels.min() >= 0 and labels.max() < len(names)):
        raise InputError(f"{path}: 'offsets' or 'labels' do not fit the images")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: 'wnids' names '{twice}' {names.count(twice)} times")
