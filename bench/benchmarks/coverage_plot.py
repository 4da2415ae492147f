"""The plot of the coverage study: one row an interval, one mark a setting, the promised rate as a line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from bench.host.files import write_bytes


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the study's plot as SVG, the same bytes for the same result."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "jackknife-coverage", "font.size": 10}):
        figure = _figure(result)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
        pyplot.close(figure)
    write_bytes(path, buffer.getvalue())


def _figure(result: dict[str, Any]) -> Any:
    from matplotlib import pyplot

    settings = result["settings"]
    names = list(settings[0]["coverage"])
    figure, axes = pyplot.subplots(figsize=(8.5, 0.62 * len(names) + 1.2))
    for i, setting in enumerate(settings):
        rows = [row + 0.13 * (i - (len(settings) - 1) / 2) for row in range(len(names))]
        shares = [setting["coverage"][name] for name in names]
        errors = [[s["share"] - s["low"] for s in shares], [s["high"] - s["share"] for s in shares]]
        label = f"d = {setting['dimensions']}, N = {setting['samples']}"
        values = [s["share"] for s in shares]
        axes.errorbar(values, rows, xerr=errors, fmt="o", markersize=4, elinewidth=1, label=label)
    axes.axvline(result["promised"], color="black", linewidth=0.8, linestyle="--")
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.5))
    axes.set_xlabel("share of intervals that hold the true value (dashed: the promised 95 %)")
    axes.grid(axis="x", linewidth=0.3)
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncol=3, frameon=False)
    return figure
