"""The picture of a router: its scores, and the loss that they were learned by."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

UNDECIDED = "#d9d9d9"  # evaluations that are always computed whole


def draw_router(path: Path, scores: Tensor, losses: Sequence[tuple[int, float]], title: str) -> None:
    """A PNG or SVG, written atomically: scores [evaluations,branches] in [0, 1] or NaN, above the loss curve.

    Raises OutputError where the file cannot be written.
    """
    from bench.host.files import write_bytes

    content = io.BytesIO()
    figure(scores, losses, title).savefig(content, format=path.suffix[1:], dpi=120)
    write_bytes(path, content.getvalue())


def figure(scores: Tensor, losses: Sequence[tuple[int, float]], title: str):
    """The matplotlib figure."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7, 8), layout="constrained")
    above, below = drawn.subplots(2, 1, height_ratios=(3, 1))
    image = above.imshow(
        scores.numpy(), cmap=colormaps["viridis"].with_extremes(bad=UNDECIDED), vmin=0, vmax=1, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    above.set(title=title, xlabel="branch (even: attention, odd: MLP)", ylabel="evaluation (grey: always computed)")
    drawn.colorbar(image, ax=above, label="score")
    if losses:
        below.plot(*zip(*losses, strict=True), color="#0072B2", linewidth=1)
    below.set(xlabel="step of the optimiser", ylabel="loss")
    below.grid(alpha=0.3)
    return drawn
