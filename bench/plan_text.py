"""A plan as text and as a picture: evaluations down, branches across."""

from __future__ import annotations

from pathlib import Path

from methods.plan import BRANCH, OFFSET, STATE, Plan

MARKS = {BRANCH: ".", STATE: "s", OFFSET: "o"}  # "#" is a computed branch
LEGEND = "# computed   . reused branch   s skipped, state kept   o skipped, offset kept"


def rows(plan: Plan) -> list[str]:
    """One string an evaluation, one character a branch."""
    lines = []
    for spans in plan.rows:
        line = ["#"] * plan.branches
        for span in spans:
            line[span.start : span.stop] = MARKS[span.keep] * (span.stop - span.start)
        lines.append("".join(line))
    return lines


def draw(plan: Plan, title: str, path: str | Path) -> None:
    """PNG heat map of the plan. Raises OutputError where it cannot be written."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.colors import ListedColormap

    from bench.files import write_bytes

    codes = [["#.so".index(mark) for mark in row] for row in rows(plan)]
    figure, axes = pyplot.subplots(figsize=(2 + plan.branches * 0.16, 1.5 + len(plan) * 0.11))
    axes.imshow(codes, cmap=ListedColormap(["#0072b2", "#f0e442", "#e69f00", "#cc79a7"]), vmin=0, vmax=3, aspect="auto")
    axes.set(title=title, xlabel="branch (even: attn, odd: mlp)", ylabel="evaluation")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, bbox_inches="tight")
    pyplot.close(figure)
    write_bytes(Path(path), content.getvalue())
