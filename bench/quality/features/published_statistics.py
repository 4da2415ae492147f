"""Statistics that others published: the ADM evaluator's reference batches, and clean-fid's files. Read as they are.

ADM's npz holds `mu, sigma` of the 2048 pooled features and `mu_s, sigma_s` of the 2023 spatial ones over a whole data
set, and 10,000 of its images in `arr_0`, 2 GB that are only opened where precision, recall and KID are wanted.
clean-fid's holds `mu, sigma` alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.quality import extractors
from bench.quality.extractors import Extractor
from bench.quality.features.reference_set import ReferenceSet, stored_moments
from bench.quality.images import npy
from bench.quality.metrics.frechet import Moments
from models.errors import InputError
from models.fetch import recorded_sha256

DIMENSIONS = {"pool": 2048, "spatial": 2023}
KEYS = {"pool": ("mu", "sigma"), "spatial": ("mu_s", "sigma_s")}
KINDS = ("adm", "clean")
MAX_BYTES = 2 * 8 * DIMENSIONS["pool"] ** 2  # of an array; sigma is float64, half of that


def read_npz(path: Path, name: str, features: str | None = None, extractor: Extractor | None = None) -> ReferenceSet:
    """A reference set in the original Inception's features, from an npz of statistics.

    With `mu_s` the features are `adm`; without, what `features` says, else `clean`. With an `extractor` of the same
    fingerprint the images in the file give features too. Raises InputError for missing keys, pickled objects, wrong
    shapes, values that are not finite, covariances that are not symmetric or not positive semidefinite.
    """
    arrays, members = read_arrays(path)
    parts = {layer: moments_of(path, layer, arrays) for layer, keys in KEYS.items() if set(keys) <= arrays.keys()}
    kind = kind_of(path, features, "spatial" in parts)
    fingerprint = extractors.find(kind).fingerprint_of()  # type: ignore[attr-defined]
    reference_set = ReferenceSet(name, fingerprint, recorded_sha256(path), None, parts["pool"], parts.get("spatial"))
    if extractor is None or extractor.fingerprint != fingerprint or "arr_0" not in members:
        return reference_set
    from bench.quality.features.extraction import features_of
    from bench.quality.images.array import ImageArray

    return replace(reference_set, features=features_of(ImageArray(path, extractor.channels), extractor).pool)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The statistics in an npz, and the names of all its arrays; no pickled object is loaded."""
    with npy.readable(path, "a readable npz of statistics"):
        members = npy.members_of(path)
        wanted = [key for keys in KEYS.values() for key in keys if key in members]
        arrays = npy.read_npz(path, wanted, MAX_BYTES)
    for key in ("mu", "sigma"):
        if key not in members:
            hint = "; to compare with its images, make a reference of them first" if "arr_0" in members else ""
            raise InputError(f"{path}: a reference needs 'mu' and 'sigma', got {', '.join(members) or 'nothing'}{hint}")
    if len(missing := {*KEYS["spatial"]} - arrays.keys()) == 1:
        raise InputError(f"{path}: '{missing.pop()}' is missing, its other half is there")
    return arrays, members


def has_images(path: Path) -> bool:
    """Whether an npz of statistics holds images too, of which features can be extracted."""
    return path.suffix == ".npz" and "arr_0" in read_arrays(path)[1]


def moments_of(path: Path, layer: str, arrays: dict[str, np.ndarray]) -> Moments:
    mean, covariance = (arrays[key] for key in KEYS[layer])
    wanted = DIMENSIONS[layer]
    for key, array, shape in zip(KEYS[layer], (mean, covariance), ((wanted,), (wanted, wanted)), strict=True):
        if array.shape != shape or array.dtype.kind != "f":
            got = f"{array.dtype} {list(array.shape)}"
            raise InputError(f"{path}: '{key}' must be floats of shape {list(shape)}, got {got}")
    return stored_moments(path, layer, mean, covariance)


def kind_of(path: Path, features: str | None, spatial: bool) -> str:
    """Which preprocessing the statistics are of. Raises InputError where that contradicts `features`."""
    if spatial and features not in (None, "adm"):
        raise InputError(f"{path}: is a reference set in 'adm' features, samples are in '{features}'")
    if not spatial and features not in (None, *KINDS):
        raise InputError(f"{path}: is a reference set in Inception features, samples are in '{features}'")
    return "adm" if spatial else features or "clean"
