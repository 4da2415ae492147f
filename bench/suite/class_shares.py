"""Whether a suite's samples hold every class often enough for the error of a Fréchet distance to be known."""

from __future__ import annotations

from collections.abc import Iterable

import models
from bench.statistics.replicates import fitting_samples
from bench.suite.cells import Cell
from bench.suite.protocol import NO_FEATURES
from models.errors import InputError


def require_every_class(cells: Iterable[Cell], where: str) -> None:
    """Raises InputError, with the nearest number that fits, where a judged model has a class of fewer than two samples.

    Labels are balanced, so every class has its share of the samples. Suites without samples or features judge nothing.
    """
    rules = {cell.model: cell.protocol for cell in cells if not cell.broken}
    for model, protocol in rules.items():
        spec = models.spec(model)
        features = protocol.quality.features or spec.features
        nearest = fitting_samples(protocol.samples, spec.num_classes)
        if protocol.samples and features not in (None, NO_FEATURES) and nearest != protocol.samples:
            raise InputError(
                f"{where}: 'samples' must hold each of the {spec.num_classes} classes of {model} twice, "
                f"got {protocol.samples}; the nearest that does is {nearest}"
            )
