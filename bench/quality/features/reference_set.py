"""Reference sets: what samples are compared with. Moments of real images' features, and features where stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save as serialize
from torch import Tensor

from bench.host.files import write_bytes
from bench.quality.features import feature_set
from bench.quality.features.feature_set import FeatureSet, read_safetensors, require_rows
from bench.quality.metrics.frechet import Moments, moments
from models.errors import InputError, first_line

FORMAT = "ditbench-reference-1"
LAYERS = ("pool", "spatial")


@dataclass(frozen=True)
class ReferenceSet:
    """Moments over all `samples` images of a reference set, in the features of one extractor.

    `pool` are the moments behind FID, `spatial` those behind sFID. `features` [M,d] float32, for precision, recall
    and KID, may hold fewer images than `samples`. None is what the source does not have; so is `samples` where it
    does not say. `sha256` is of the images or, where only statistics were published, of the file.
    """

    name: str
    fingerprint: str  # of the extractor; samples with another one are never compared with this
    sha256: str
    samples: int | None
    pool: Moments
    spatial: Moments | None = None
    features: Tensor | None = None

    def __post_init__(self) -> None:
        if self.features is None:
            return
        require_rows(f"{self.name}: features", self.features)
        if self.features.shape[1] != len(self.pool.mean):
            sizes = f"{self.features.shape[1]} dimensions, the moments {len(self.pool.mean)}"
            raise InputError(f"{self.name}: the features have {sizes}")

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all. Raises OutputError when it cannot be written."""
        tensors = {} if self.features is None else {"features": self.features.contiguous().numpy()}
        for layer in LAYERS:
            if getattr(self, layer) is not None:
                tensors[f"{layer}_mean"] = np.ascontiguousarray(getattr(self, layer).mean)
                tensors[f"{layer}_covariance"] = np.ascontiguousarray(getattr(self, layer).covariance)
        metadata = {"format": FORMAT, "name": self.name, "fingerprint": self.fingerprint, "sha256": self.sha256}
        metadata["samples"] = "" if self.samples is None else str(self.samples)
        write_bytes(Path(path), serialize(tensors, metadata))


def read(path: Path) -> ReferenceSet:
    """A file that `ReferenceSet.save` or `FeatureSet.save` wrote."""
    names = ["features", *(f"{layer}_{part}" for layer in LAYERS for part in ("mean", "covariance"))]
    if format_of(path) == feature_set.FORMAT:
        return from_features(FeatureSet.load(path), path.stem)
    tensors, metadata = read_safetensors(path, FORMAT, names)
    try:
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
        parts = {
            layer: stored_moments(path, layer, arrays[f"{layer}_mean"], arrays[f"{layer}_covariance"])
            for layer in LAYERS
            if f"{layer}_mean" in arrays
        }
        samples = int(metadata["samples"]) if metadata["samples"] else None
        if samples is not None and samples < 2:
            raise ValueError(f"it says that it is of {samples} images")
        name, fingerprint, sha256 = (metadata[key] for key in ("name", "fingerprint", "sha256"))
        pool, spatial = parts["pool"], parts.get("spatial")
        return ReferenceSet(name, fingerprint, sha256, samples, pool, spatial, tensors.get("features"))
    except KeyError as error:
        raise InputError(f"{path}: the reference lacks {error}") from error
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: not a valid reference ({first_line(error)})") from error


def stored_moments(path: Path, layer: str, mean: np.ndarray, covariance: np.ndarray) -> Moments:
    """Moments from a file. Raises InputError unless they are finite and symmetric, positive semidefinite and fit."""
    try:
        checked = Moments(mean, covariance)
    except InputError as error:
        raise InputError(f"{path}: {layer} {error}") from error
    if not is_positive_semidefinite(checked.covariance):
        raise InputError(f"{path}: {layer} moments: the covariance is not positive semidefinite")
    return checked


def format_of(path: Path) -> str | None:
    """The format that a safetensors file states. Raises InputError where it is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable reference ({first_line(error)})") from error


def from_features(features: FeatureSet, name: str) -> ReferenceSet:
    """The reference that a set of features is. Raises InputError below two images."""
    spatial = None if features.spatial is None else moments(features.spatial.numpy())
    pool = moments(features.pool.numpy())
    return ReferenceSet(name, features.fingerprint, features.images_sha256, len(features), pool, spatial, features.pool)


def is_positive_semidefinite(covariance: np.ndarray) -> bool:
    """Whether Σ + εI has a Cholesky factor, ε = 1e-6 Tr Σ: what storing it in float32 may have taken away."""
    jitter = 1e-6 * max(float(np.trace(covariance)), np.finfo(np.float64).tiny)
    try:
        np.linalg.cholesky(covariance + jitter * np.eye(len(covariance)))
    except np.linalg.LinAlgError:
        return False
    return True
