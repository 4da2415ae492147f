"""A plan as text and as a picture: evaluations down, branches across."""

from __future__ import annotations

from pathlib import Path

from bench.schema.plan_rows import MEANINGS, rows
from methods.plan import Plan

COLORS = {"#": "#0072b2", ".": "#f0e442", "s": "#e69f00", "o": "#cc79a7", "+": "#009e73"}  # Okabe and Ito


def draw(plan: Plan, title: str, path: str | Path) -> None:
    """PNG heat map of the plan. Raises OutputError where it cannot be written."""
    import io

    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from bench.host.files import write_bytes

    codes = [[list(COLORS).index(mark) for mark in row] for row in rows(plan)]
    figure = Figure(figsize=(2 + plan.branches * 0.16, 2 + len(plan) * 0.11))
    axes = figure.add_subplot()
    axes.imshow(codes, cmap=ListedColormap(list(COLORS.values())), vmin=0, vmax=len(COLORS) - 1, aspect="auto")
    axes.set(title=title, xlabel="branch (even: attention, odd: MLP)", ylabel="evaluation")
    used = {mark: meaning for mark, meaning in MEANINGS.items() if any(mark in row for row in rows(plan))}
    patches = [Patch(color=COLORS[mark], label=meaning) for mark, meaning in used.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=2, frameon=False)
    figure.set_layout_engine("constrained")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_bytes(Path(path), content.getvalue())
