"""What a cell's samples are looked at with: the autoencoder, the feature extractor and the reference of its model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

import models
from bench import extractors
from bench.cells import Cell, Settings
from bench.extractors import Extractor
from bench.features import TENSORS
from bench.reference import Reference, read
from models import small
from models.autoencoders import Autoencoder


@dataclass(frozen=True)
class Instruments:
    """`autoencoder` is None where latents are not made images, `extractor` where there are no features."""

    device: str = "cpu"
    autoencoder: Autoencoder | None = None
    extractor: Extractor | None = None
    reference: Reference | None = None

    @property
    def fingerprint(self) -> list[str | None]:
        """What images and features depend on besides the latents."""
        return [None if tool is None else tool.fingerprint for tool in (self.autoencoder, self.extractor)]

    def images(self, latents: Tensor) -> Tensor | None:
        """Images uint8 [B,1|3,H,W] of latents [B,C,H,W], on the CPU; None without an autoencoder."""
        return None if self.autoencoder is None else self.autoencoder.decode(latents.to(self.device)).cpu()

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Float32 features [B,d] of uint8 images [B,C,H,W] by name, on the CPU; none without an extractor."""
        if self.extractor is None:
            return {}
        found = self.extractor.extract(images)
        return {name: found[name].detach().float().cpu() for name in TENSORS if name in found}


def instruments(cell: Cell, settings: Settings) -> Instruments:
    """The instruments of a cell's model. Raises InputError where one that it names cannot be had."""
    spec, device = models.spec(cell.model), settings.device
    if spec.features is None or spec.reference is None:
        return Instruments(device)
    return Instruments(
        device,
        autoencoder=spec.pixels(device),
        extractor=extractors.build(spec.features, device=device),
        reference=read(small.reference_file(spec)),
    )
