"""What running cells costs: images, multiply-accumulates, hours at a rate, disk."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import models
from bench.suite.cells import Cell

FLOAT32 = 4  # bytes: what latents and features are stored in
INCEPTION = 2048 + 2023 + 1008  # pooled and spatial features and logits of one image
VALUES = {"adm": INCEPTION, "clean": INCEPTION}  # of the extractors whose features weigh something


@dataclass(frozen=True)
class Cost:
    """Of sampling alone: features and decoding are a few per cent, timing is bench/measure/timing/expected.py's."""

    cells: int
    unplanned: int  # cells without a plan, in none of the following
    images: int
    macs: int
    disk_bytes: int

    def hours(self, macs_per_s: float) -> float:
        """Of all its MACs at a rate in MACs a second."""
        return self.macs / macs_per_s / 3600

    def sentence(self, macs_per_s: float | None = None, measured: bool = False) -> str:
        """One line for people; without a rate the time is unknown."""
        rest = f"; {self.unplanned} more not counted: of a plugin, or without a plan" if self.unplanned else ""
        if self.unplanned and not self.cells:
            return f"Cost unknown{rest}"
        cells = f"Cost of {self.cells} cell{'' if self.cells == 1 else 's'}"
        if self.cells and not self.images:
            return f"{cells}: speed alone, no images{rest}"
        time = "time unknown until the first cell is done"
        if macs_per_s:
            hours = self.hours(macs_per_s)
            time = (
                f"{hours_text(hours)} at the rate measured so far"
                if measured
                else f"at least {hours_text(hours)} at these rates"
            )
        disk = f"{scaled(self.disk_bytes)}B of latents and features"
        work = f"{self.images:,} images, {scaled(self.macs)}MAC, {time}, {disk}"
        return f"{cells}: {work}{rest}"


def scaled(value: float) -> str:
    """A number with three digits and an SI prefix: `1.19 E`."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if value < 999.5:
            return f"{value:.3g} {prefix}"
        value /= 1000
    return f"{value:.3g} E"


def cost_of(planned: Iterable[tuple[Cell, int | None]]) -> Cost:
    """The sum over cells, each with the MACs of one image or None where it has no plan."""
    cells = unplanned = images = macs = disk = 0
    for cell, macs_of_image in planned:
        if macs_of_image is None:
            unplanned += 1
            continue
        samples = cell.protocol.samples
        cells, images, macs = cells + 1, images + samples, macs + samples * macs_of_image
        latents = math.prod(models.spec(cell.model).latent_shape)
        disk += samples * FLOAT32 * (latents + VALUES.get(cell.protocol.quality.features or "", 0))
    return Cost(cells, unplanned, images, macs, disk)


def measured_rate(results: Iterable[Any]) -> float | None:
    """MACs a second over stored cells that sampled, everything that a cell does included; None before there is one."""
    sampled = [cell for cell in results if cell.is_ok and cell.work.macs and cell.quality.samples]
    macs = sum(cell.work.macs * cell.quality.samples for cell in sampled)
    seconds = sum(cell.seconds for cell in sampled)
    return macs / seconds if macs and seconds else None


def hours_text(hours: float) -> str:
    """Days, hours, minutes or seconds."""
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{math.ceil(60 * hours)} min" if hours > 1 / 60 else f"{scaled(3600 * hours)}s"
