"""A plan as text and as a picture: evaluations down, branches across."""

from __future__ import annotations

from pathlib import Path

from bench.schema.plan_marks import MARKS
from bench.schema.plan_rows import rows
from bench.show.report.heatmaps import COLORS
from methods.plan import Plan


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
    used = [mark for mark in MARKS.values() if any(mark.character in row for row in rows(plan))]
    patches = [Patch(color=COLORS[mark.character], label=mark.meaning) for mark in used]
    figure.legend(handles=patches, loc="outside lower center", ncols=2, frameon=False)
    figure.set_layout_engine("constrained")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_bytes(Path(path), content.getvalue())
