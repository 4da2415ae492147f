"""What the documents say of the committed results: `python -m bench.show.readme` rewrites it, and the figures.

The README has the answer and a few lines, docs/results.md a table a model: what is on the front or unmatched, the
uncached samplers that nothing dominates and, for every cache method at every step count, the setting that does best
against fewer steps. The report has all.
"""

from __future__ import annotations

from pathlib import Path

from bench.host.files import write_bytes
from bench.host.places import REPOSITORY
from bench.judge.pareto import analyse
from bench.show.readme_answer import answer_section
from bench.show.report.axes import BARS
from bench.show.report.bias import bias_sentence
from bench.show.report.figures import FULL, pareto
from bench.show.report.group import Group, groups_of
from bench.show.report.markup import markdown_table, markdown_text
from bench.show.report.plots import measures_of
from bench.show.report.provenance import measured
from bench.show.report.tables import short_table
from bench.show.report.timing_notes import rounds_sentence, warning_sentence
from bench.store.results import read_results
from bench.store.stored_cell import StoredCell
from models.errors import InputError

RESULTS = Path("results/small-full")
FIGURES = Path("docs/images")
README, TABLES = Path("README.md"), Path("docs/results.md")
BEGIN, END = (
    "<!-- results: written by `python -m bench.show.readme`, checked by tests/test_readme.py -->",
    "<!-- /results -->",
)


def sections(directory: Path) -> dict[Path, str]:
    """The results sections in Markdown, by document. Raises InputError where the directory holds no results."""
    groups = groups_to_show(directory)
    return {
        README: answer_section(groups, (FIGURES / figure_name(groups[0], "png")).as_posix()),
        TABLES: "\n".join(model_section(group) for group in groups),
    }


def figure_name(group: Group, form: str) -> str:
    return f"pareto-{group.model}.{form}"


def groups_to_show(directory: Path) -> list[Group]:
    """Every model's largest group."""
    results = read_results(directory)
    groups = [group for group in groups_of(results, analyse(results.cells)) if not group.number]
    if not groups:
        raise InputError(f"{directory}: no results to show")
    return groups


def plot(group: Group) -> dict[str, bytes]:
    """The plot of a group as SVG and PNG, by format; empty where there is nothing to plot."""
    measures = measures_of(group)
    return pareto(group, measures[0], FULL, ("svg", "png")) if measures else {}


def model_section(group: Group) -> str:
    """One model: how it was measured, the plot, the short table."""
    figure = f"{FIGURES.name}/{figure_name(group, 'png')}"
    return (
        f"## {group.model}\n\n{measured(group.cells)} Rerun: `ditbench run {group.cells[0].suite}`.\n\n"
        f"![Quality against latency on {group.model}]({figure})\n\n"
        f"Of {len(group.cells)} cells: what is on the front or unmatched, uncached samplers that nothing dominates\n"
        "and, for every cache method at every step count, the setting that does best against fewer steps. The report\n"
        "shows all.\n\n"
        f"{markdown_table(*short_table(group, telling(group)))}\n"
        f"{notes(group)}\n"
    )


def notes(group: Group) -> str:
    """What a reader must know to trust the figures above no more than they deserve."""
    lines = [choice_sentence(group), bias_sentence(group), BARS, rounds_sentence(group.cells),
             warning_sentence(group.cells)]  # fmt: skip
    return "\n".join(f"- {markdown_text(line)}" for line in lines if line) + "\n"


def choice_sentence(group: Group) -> str:
    """That the best of each sweep were chosen on the data that judges them; empty where nothing was compared."""
    compared = sum("fd_gap" in group.verdict(cell) for cell in group.cells)
    if not compared:
        return ""
    return (
        f"The cached settings shown were chosen from {compared} comparisons with fewer steps on the same data that "
        "judge them, which flatters their differences. Intervals and verdicts hold for each comparison by itself and "
        "are not adjusted for the choice."
    )


def telling(group: Group) -> list[StoredCell]:
    """The cells of the short table, slowest first."""
    chosen: dict[tuple, StoredCell] = {}
    for cell in group.timed:
        verdict = group.verdict(cell).get("pareto")
        if verdict in ("front", "unmatched") or (not cell.is_cached and verdict != "dominated"):
            chosen[(cell.slug,)] = cell
        if cell.cache is None:
            continue
        kind = (cell.sampler.name, cell.sampler.steps, cell.cache.name)
        best = chosen.get(kind)
        if best is None or gap(group, cell) < gap(group, best):
            chosen[kind] = cell
    distinct = {cell.slug: cell for cell in chosen.values()}
    return sorted(distinct.values(), key=lambda cell: -group.latency(cell)[1])


def gap(group: Group, cell: StoredCell) -> float:
    """Difference to fewer steps at equal latency; infinite where it is not known."""
    value = group.verdict(cell).get("fd_gap")
    return float("inf") if value is None else value


def main() -> None:
    """Rewrite what stands between the documents' markers, and the figures that they show."""
    for group in groups_to_show(REPOSITORY / RESULTS):
        for form, content in plot(group).items():
            write_bytes(REPOSITORY / FIGURES / figure_name(group, form), content)
    for document, section in sections(REPOSITORY / RESULTS).items():
        head, rest = (REPOSITORY / document).read_text("utf-8").split(BEGIN)
        _, tail = rest.split(END)
        write_bytes(REPOSITORY / document, f"{head}{BEGIN}\n\n{section}\n{END}{tail}".encode())


if __name__ == "__main__":
    main()
