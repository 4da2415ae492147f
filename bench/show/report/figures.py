"""The report's plots and plans as figures for a paper or a README; the same cells give the same bytes."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from bench.host.files import expect_writable_folder, write_bytes
from bench.judge.ranking import ranked
from bench.show.report.axes import Measure
from bench.show.report.group import Group, groups_of
from bench.show.report.heatmaps import has_plan
from bench.show.report.pareto_figure import pareto_figure
from bench.show.report.plan_figure import ACROSS, DOWN, plan_figure
from bench.show.report.plots import measures_of
from bench.store.results import Results, read_results
from bench.store.stored_cell import StoredCell
from models.errors import InputError

Size = tuple[float, float]
COLUMN, FULL = (3.3, 3.0), (6.9, 4.2)  # inches: one column of a two-column paper, and its whole width
# Whatever text a cell holds is shown as it is, never read as mathematics. TrueType (42) is what publishers accept.
STYLE: Any = {
    "font.size": 7, "axes.titlesize": 7.5, "legend.fontsize": 6.5, "axes.linewidth": 0.6, "text.parse_math": False,
    "text.usetex": False, "pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "ditbench",
}  # fmt: skip
# No date and no version in the file; None leaves an entry out.
STAMPS: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
    "png": {"Software": None},
}


def write_figures(
    directory: Path | str, out: Path | str, form: str = "pdf", watch: Callable[[list[str]], Iterable[str]] = iter
) -> list[Path]:
    """Write every plot in both widths and every plan of a result directory below `out`; returns the files' paths.

    `form` is one of STAMPS; `watch` passes the files' names on, one as each is drawn. Nothing is written before
    everything has been drawn. Raises InputError where there is nothing to draw, or a file cannot be written.
    """
    expect_writable_folder(Path(out))
    drawings = dict(figures(read_results(directory), form))
    if not drawings:
        raise InputError(f"{directory}: nothing to draw (no two cells with a quality and a latency, and no plan)")
    drawn = {Path(out) / name: drawings[name]() for name in watch(list(drawings))}
    for path, content in drawn.items():
        write_bytes(path, content)
    return list(drawn)


def figures(results: Results, form: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """(file name, what draws it) of every plot, `-wide` over the whole width of a page, and of the plans."""
    for group in groups_of(results, ranked(results.cells)):
        stem = group.model if not group.number else f"{group.model}-{group.number + 1}"
        for i, measure in enumerate(measures_of(group)):
            name = f"pareto-{stem}" if not i else f"pareto-{stem}-{measure.key.replace('_', '-')}"
            yield f"{name}.{form}", partial(_pareto, group, measure, COLUMN, form)
            yield f"{name}-wide.{form}", partial(_pareto, group, measure, FULL, form)
        planned = [cell for cell in group.cells if has_plan(cell)]
        for start in range(0, len(planned), ACROSS * DOWN):
            page = f"-{start // (ACROSS * DOWN) + 1}" if len(planned) > ACROSS * DOWN else ""
            yield f"plans-{stem}{page}.{form}", partial(_plans, planned[start : start + ACROSS * DOWN], form)


def pareto(group: Group, measure: Measure, size: Size, forms: Iterable[str] = tuple(STAMPS)) -> dict[str, bytes]:
    """One plot as files, by format; `size` in inches."""
    with matplotlib.rc_context(STYLE):
        return saved(pareto_figure(group, measure, size), forms)


def _pareto(group: Group, measure: Measure, size: Size, form: str) -> bytes:
    return pareto(group, measure, size, [form])[form]


def _plans(cells: Sequence[StoredCell], form: str) -> bytes:
    with matplotlib.rc_context(STYLE):
        return saved(plan_figure(cells, FULL[0]), [form])[form]


def saved(figure: Figure, forms: Iterable[str]) -> dict[str, bytes]:
    """The figure's files, laid out once."""
    files = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that the font lacks
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for form in forms:
            file = io.BytesIO()
            figure.savefig(file, format=form, dpi=300, metadata=STAMPS[form])
            files[form] = file.getvalue()
    return files
