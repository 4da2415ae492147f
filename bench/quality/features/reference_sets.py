"""Reference sets by name: shipped, published, or in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.quality.extractors import Extractor
from bench.quality.features.reference_set import ReferenceSet, read
from models.errors import InputError, expect_one_of
from models.fetch import fetch
from models.places import WEIGHTS

PUBLISHED = {  # the reference batches of ADM's evaluator (Dhariwal & Nichol 2021)
    "imagenet256": "imagenet/256/VIRTUAL_imagenet256_labeled.npz",
    "imagenet512": "imagenet/512/VIRTUAL_imagenet512.npz",
}


PUBLISHED_AT = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/"


def load(source: str | Path, *, features: str | None = None, extractor: Extractor | None = None) -> ReferenceSet:
    """The reference set in a file, at an address, or of a name: a shipped one, or one of `PUBLISHED`, to download.

    Files are our own, stored features, the ADM evaluator's npz or clean-fid's statistics. Where an npz does not say
    whether it is of `adm` or `clean` features, `features` does. With `extractor`, features of the images that an ADM
    file holds are extracted too, for precision, recall and KID; that may take hours and is done once.
    Raises InputError with one line that names the source.
    """
    path = locate(source)
    if path.suffix == ".npz":
        from bench.quality.features.published_statistics import read_npz

        return read_npz(path, str(source), features, extractor)
    return replace(read(path), name=str(source)) if path == shipped().get(str(source)) else read(path)


def locate(source: str | Path) -> Path:
    """The file of a reference set. Raises InputError for an unknown name, a missing file, a failed download."""
    name, path = str(source), Path(source)
    if name.startswith(("http://", "https://")):
        return fetch(name)
    if path.is_file():
        return path
    if name in PUBLISHED:
        return fetch(PUBLISHED_AT + PUBLISHED[name])
    if len(path.parts) > 1 or path.suffix:
        raise InputError(f"{source}: no such reference file")
    expect_one_of("reference", name, [*shipped(), *PUBLISHED])
    return shipped()[name]


def shipped() -> dict[str, Path]:
    """Features of real images that the package carries, by name."""
    return {path.parent.name: path for path in WEIGHTS.glob("*/features.safetensors")}
