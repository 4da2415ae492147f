"""What a cell's samples are looked at with: an autoencoder, a feature extractor and a reference set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from torch import Tensor

import models
from bench.quality import extractors
from bench.quality.extractors import Extractor
from bench.quality.features import reference_sets
from bench.quality.features.feature_set import extract_rows
from bench.quality.features.reference_set import ReferenceSet
from bench.quality.images.checks import require_images
from bench.suite.cells import Cell, Settings
from bench.suite.protocol import NO_FEATURES
from models.autoencoders import Autoencoder
from models.errors import THEIRS, InputError, in_words

Tool = TypeVar("Tool")


@dataclass(frozen=True)
class Instruments:
    """`autoencoder` is None where latents are not made images, `extractor` and `reference` where they are not judged.

    `omitted` says why, by the first metric that is not there for it.
    """

    device: str = "cpu"
    autoencoder: Autoencoder | None = None
    extractor: Extractor | None = None
    reference: ReferenceSet | None = None
    omitted: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> list[str | None]:
        """What images and features depend on besides the latents."""
        return [None if tool is None else tool.fingerprint for tool in (self.autoencoder, self.extractor)]

    def images(self, latents: Tensor) -> Tensor | None:
        """Images uint8 [B,1|3,H,W] of latents [B,C,H,W], on the CPU; None without an autoencoder.

        Raises InputError where the autoencoder returns something else.
        """
        if self.autoencoder is None:
            return None
        images = self.autoencoder.decode(latents.to(self.device)).cpu()
        require_images(f"what '{self.autoencoder.name}' decodes", images)
        if len(images) != len(latents):
            raise InputError(f"'{self.autoencoder.name}' decodes {len(latents)} latents into {len(images)} images")
        return images

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Float32 features [B,d] of uint8 images [B,C,H,W] by name, on the CPU; none without an extractor.

        Raises InputError as extract_rows.
        """
        return {} if self.extractor is None else extract_rows(self.extractor, images)


def instruments(cell: Cell, settings: Settings, *, statistics_alone: bool = False) -> Instruments:
    """A cell's instruments: what the suite states, else what its model's file names.

    A published reference that comes with images has their features extracted, once; not with `statistics_alone`.

    Raises InputError where one that the suite states cannot be had; one of the model's own is omitted.
    """
    spec, wanted, device = models.spec(cell.model), cell.protocol.quality, settings.device
    omitted: dict[str, str] = {}

    def have(metric: str, stated: bool, tool: Callable[[], Tool]) -> Tool | None:
        try:
            return tool()
        except InputError as error:
            if stated:
                raise
            omitted[metric] = str(error)
            return None

    features = wanted.features or spec.features
    stated = wanted.features not in (None, NO_FEATURES)
    autoencoder = have("psnr", stated or wanted.images is not None, lambda: spec.pixels(device))
    if features in (None, NO_FEATURES) or autoencoder is None:
        reason = f"{cell.model} names no features" if features is None else "the suite wants no features"
        omitted["fd"] = omitted.get("psnr", reason)
        return Instruments(device, autoencoder, omitted=omitted)
    extractor = have("fd", stated, lambda: extractors.build(features, weights=wanted.weights, device=device))
    reference = None
    if extractor is not None:
        name = wanted.reference or (spec.reference if wanted.features in (None, spec.features) else None)
        stated = wanted.reference is not None
        reference = have("fd", stated, lambda: fitting_reference_set(name, extractor, not statistics_alone))
    return Instruments(device, autoencoder, extractor, reference, omitted)


def fitting_reference_set(name: str | None, extractor: Extractor, images: bool) -> ReferenceSet:
    """The reference set of this name or file. Raises InputError unless it is of the extractor's features."""
    if name is None:
        raise InputError(f"no reference is stated for the features '{extractor.name}'")
    reference_set = reference_sets.load(name, features=extractor.name, extractor=extractor if images else None)
    if reference_set.fingerprint != extractor.fingerprint:
        made_by = f"it was made by '{reference_set.fingerprint}', the samples' features by '{extractor.fingerprint}'"
        raise InputError(f"reference {name} cannot be compared with: {made_by}")
    return reference_set


def check_instruments(cells: Sequence[Cell], settings: Settings) -> dict[str, str]:
    """Before hours are spent: reasons, by model, why distribution metrics will be missing from its cells.

    Raises InputError, with the model's name, where something that the suite states cannot be had.
    """
    reasons = {}
    for model, cell in {cell.model: cell for cell in cells if cell.broken is None}.items():
        try:
            tools = instruments(cell, replace(settings, device="cpu"), statistics_alone=True)
        except THEIRS as error:  # an extractor of a plugin may raise anything
            said = in_words(error)
            raise InputError(f"{model}: {said}; --features none runs without distribution metrics") from error
        if "fd" in tools.omitted:
            reasons[model] = tools.omitted["fd"]
    return reasons
