"""Reference sets of the real digits, stored beside the weights: what samples are compared with."""

from __future__ import annotations

from bench.train import digits
from models import names, spec
from models.small import reference_file


def write_reference_sets(features: str) -> None:
    """Extract all 5,000 digits again for every model whose images are judged by the extractor `features`."""
    from bench.quality import extractors
    from bench.quality.features.feature_set import extract_features

    images, _ = digits.load()
    chosen = {reference_file(s) for s in map(spec, names()) if s.features == features and s.reference}
    for path in chosen:
        path.parent.mkdir(parents=True, exist_ok=True)
        extract_features(extractors.build(features), images, batch=250).save(path)
