"""What samples are judged by besides their errors: Fréchet distance to the reference set and accuracy, with errors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.measure.samples.instruments import Instruments, instruments
from bench.quality.distribution import accuracy_with_error
from bench.quality.metrics.frechet import Target
from bench.quality.metrics.frechet_uncertainty import frechet_with_error
from bench.statistics.jackknife import jackknife_groups, paired_difference
from bench.studies.lab.subject import Subject
from bench.suite.cells import Cell, Part, Settings
from bench.suite.protocol import Protocol
from models.errors import InputError

IMAGES = 100  # decoded at once


class Judge:
    """Of one model's samples of the same seeds. Raises InputError where there is nothing to judge them by."""

    def __init__(self, subject: Subject, seeds: range) -> None:
        cell = Cell(subject.spec.name, Part("ddim", {"steps": 2}), None, Protocol())
        self.tools: Instruments = instruments(cell, Settings())
        if self.tools.extractor is None or self.tools.reference is None:
            raise InputError(f"{subject.spec.name}: samples cannot be judged: {'; '.join(self.tools.omitted.values())}")
        self.labels = subject.labels(seeds).numpy()
        self.groups = jackknife_groups(len(seeds), self.labels)
        self.target = Target(self.tools.reference.pool)

    def __call__(self, latents: Tensor) -> dict[str, Any]:
        """`fd` and `accuracy` of latents [seeds,C,H,W] with `_se` and `_jackknife`, the values without each group."""
        parts = [self.tools.features(self.tools.images(part)) for part in latents.split(IMAGES)]  # type: ignore[arg-type]
        features = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        judged = frechet_with_error("fd", features["pool"].numpy(), self.target, self.groups, self.labels)
        return judged | accuracy_with_error(features["logits"], self.labels, self.groups)


def change(now: dict[str, Any], before: dict[str, Any], measure: str) -> dict[str, float]:
    """`measure` now less before, paired: value, low, high."""
    jackknives = now[f"{measure}_jackknife"], before[f"{measure}_jackknife"]
    gap = paired_difference(*jackknives, (now[measure], before[measure]))
    return {"value": gap.corrected, "low": gap.low, "high": gap.high}
