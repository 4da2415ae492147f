"""The README's results section, from committed results: `python -m bench.readme` rewrites it and its figures.

The short table shows, for every model, the front, the uncached samplers that nothing dominates and, for every cache
method at every step count, the setting that does best against fewer steps. The report has all cells.
"""

from __future__ import annotations

from pathlib import Path

from bench import pareto
from bench.files import write_bytes
from bench.report.figures import write_figures
from bench.report.group import Group, groups_of
from bench.report.tables import markdown_table
from bench.results import read_results
from bench.schema.cell import Cell, look_up
from models.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("results/small-full")
FIGURES = Path("docs/images")
BEGIN, END = (
    "<!-- results: written by `python -m bench.readme`, checked by tests/test_readme.py -->",
    "<!-- /results -->",
)


def section(directory: Path) -> str:
    """The results section in Markdown. Raises InputError where the directory holds no results."""
    results = read_results(directory)
    groups = [g for g in groups_of(results, pareto.analyse(results.cells)) if g.number == 0]
    if not groups:
        raise InputError(f"{directory}: no results to show")
    return "\n".join(model_section(group) for group in groups)


def model_section(group: Group) -> str:
    """One model: how it was measured, the plot, the short table."""
    figure = (FIGURES / f"pareto-{group.model}.png").as_posix()
    return (
        f"### {group.model}\n\n{provenance(group)}\n\n![Quality against latency on {group.model}]({figure})\n\n"
        f"Of {len(group.cells)} cells: the front, uncached samplers that nothing dominates and, for every cache\n"
        "method at every step count, the setting that does best against fewer steps. The report shows all.\n\n"
        f"{markdown_table(group, telling(group))}\n"
    )


def provenance(group: Group) -> str:
    """How the numbers were measured, in one sentence."""
    cell = group.cells[0]
    commits = dict.fromkeys(str(look_up(c, "environment.commit"))[:7] for c in group.cells)
    settings, machine = cell["settings"], cell["environment"]
    return (
        f"{cell['quality']['samples']:,} samples a cell (seeds from {cell['quality']['seed']}), guidance "
        f"{settings['guidance_scale']:g}, timed in batches of {cell['timing']['batch']} in {settings['dtype']} on "
        f"{settings['threads']} thread(s) of {machine.get('cpu')}, torch {machine.get('torch')}, protocol "
        f"{cell['protocol']}, commit {', '.join(commits)}. Rerun: `ditbench run {cell['suite']}`."
    )


def telling(group: Group) -> list[Cell]:
    """The cells of the short table, slowest first."""
    chosen: dict[tuple, Cell] = {}
    for cell in group.timed:
        verdict = group.verdict(cell)
        if verdict.get("pareto") == "front" or (cell.get("cache") is None and verdict.get("pareto") != "dominated"):
            chosen[(cell["slug"],)] = cell
        if cell.get("cache") is None:
            continue
        kind = (cell["sampler"]["name"], cell["sampler"]["steps"], cell["cache"]["name"])
        best = chosen.get(kind)
        if best is None or gap(group, cell) < gap(group, best):
            chosen[kind] = cell
    distinct = {cell["slug"]: cell for cell in chosen.values()}
    return sorted(distinct.values(), key=lambda c: -c["timing"]["latency_ms"]["median"])


def gap(group: Group, cell: Cell) -> float:
    """Difference to fewer steps at equal latency; infinite where it is not known."""
    value = group.verdict(cell).get("fd_gap")
    return float("inf") if value is None else value


def main() -> None:
    """Rewrite the section between the README's markers, and the figures that it shows."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    write_figures(ROOT / RESULTS, ROOT / FIGURES)
    write_bytes(readme, f"{head}{BEGIN}\n\n{section(ROOT / RESULTS)}\n{END}{tail}".encode())


if __name__ == "__main__":
    main()
