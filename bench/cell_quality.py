"""A cell's quality: distribution metrics from features, and pairwise fidelity to two uncached trajectories."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import models
from bench import extractors, paired, quality, trajectories
from bench import reference as references
from bench.cells import Cell
from bench.features import extract_features
from bench.sampling import balanced_labels
from models import small
from models.spec import ModelSpec

PAIRED_REFERENCE = ("psnr", "latent_error")  # what is also stored against the suite's reference method


def distribution(cell: Cell, images: Tensor) -> dict[str, Any]:
    """Metrics of the decoded images [samples,C,H,W] against the model's real images."""
    spec = models.spec(cell.model)
    reference = references.read(small.reference_file(spec))
    extractor = extractors.build(spec.features or "")
    features = extract_features(extractor, images)
    labels = balanced_labels(range(len(images)), spec.num_classes)
    return {
        "seed": cell.protocol.seed,
        "features": spec.features,
        "reference": spec.reference,
        **quality.evaluate(features, reference, labels, recognises_labels=extractor.recognises_labels),
    }


def has_distribution(spec: ModelSpec) -> bool:
    """Whether the model ships a decoder, features and a reference; without them only latents are compared."""
    return None not in (spec.features, spec.reference)


def fidelity(cell: Cell, latents: Tensor, images: Tensor | None, others: dict[str, Tensor | None]) -> dict[str, Any]:
    """Paired metrics against the latents in `others`: "" (the same sampler uncached) and "_reference".

    The keys are null where there is nothing else to compare with.
    """
    found: dict[str, Any] = dict.fromkeys([*PAIRED_REFERENCE, "identical"])
    found |= dict.fromkeys(f"{name}_reference" for name in PAIRED_REFERENCE)
    for suffix, other in others.items():
        if other is None:
            continue
        if images is None:
            values = {"latent_error": float(paired.latent_error(latents, other).mean())}
        else:
            values = paired.paired_fidelity(latents, images, other, trajectories.decode(cell, other))
        chosen = PAIRED_REFERENCE if suffix else tuple(values)
        found |= {name + suffix: values[name] for name in chosen if name in values}
    return found


def measure_quality(
    cell: Cell, latents: Tensor, images: Tensor | None, others: dict[str, Tensor | None]
) -> dict[str, Any]:
    """The `quality` part of a result."""
    with torch.inference_mode():
        common = {"samples": len(latents), "seed": cell.protocol.seed}
        shown = {} if images is None else distribution(cell, images)
        return common | shown | fidelity(cell, latents, images, others)
