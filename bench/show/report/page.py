"""The report: one HTML file that needs nothing else, and the tables, all from a result directory. Measures nothing."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bench.host.files import write_bytes
from bench.judge.decided import judged
from bench.show.batch_table import write_batches
from bench.show.pages import TEMPLATES, templates
from bench.show.report import heatmaps, provenance, published, samples, speed, tables, timing_notes
from bench.show.report import plots as report_plots
from bench.show.report.answer import answer
from bench.show.report.axes import BARS
from bench.show.report.bias import bias_sentence
from bench.show.report.column import records, views
from bench.show.report.exports import FORMATS, exported
from bench.show.report.first_screen import first_screen
from bench.show.report.format import MISSING, duration
from bench.show.report.group import Group, groups_of
from bench.show.report.legend import legend
from bench.show.report.rulings import ruling_lines
from bench.show.table import csv_bytes, frame
from bench.store.results import Results, read_results
from bench.store.stored_cell import Name, StoredCell


@dataclass(frozen=True)
class Written:
    """A report that was written: where its page lies, and the groups that it shows."""

    path: Path
    groups: list[Group]


def write_report(directory: Path | str, out: Path | str | None = None) -> Path:
    """Write the report of a result directory; returns its path (`out`, or DIR/report.html). As `written`."""
    return written(directory, out).path


def written(directory: Path | str, out: Path | str | None = None) -> Written:
    """Write the report of a result directory, to `out` or DIR/report.html.

    In DIR, wherever the page goes: results.csv, the same table as table.json, table.md and table.tex, and batches.csv
    where several were timed. Raises InputError where there are no results, or a file cannot be written; a cell file
    that cannot be trusted is listed on the page and none of its numbers is used.
    """
    directory = Path(directory)
    results = read_results(directory)
    analysis = judged(results)
    groups = groups_of(results, analysis)
    target = directory / "report.html" if out is None else Path(out)
    for form, suffix in FORMATS.items():
        name = "results.csv" if form == "csv" else f"table.{suffix}"
        write_bytes(directory / name, exported(form, results.cells, groups, analysis).encode())
    write_batches(results.cells, directory / "batches.csv")
    write_bytes(target, render(results, analysis, groups).encode())
    return Written(target, groups)


def render(results: Results, analysis: dict[Name, dict[str, Any]], groups: list[Group]) -> str:
    """The page as text."""
    models = [model_context(group, results.directory) for group in groups]
    table = base64.b64encode(csv_bytes(frame(results.cells, analysis))).decode()
    return (
        templates()
        .get_template("report.html")
        .render(
            title=results.title,
            description=results.suite.description,
            style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
            script=Markup((TEMPLATES / "report.js").read_text("utf-8")),
            models=models,
            bars=BARS,
            tips={group.row_id(cell): tip(group, cell) for group in groups for cell in group.cells},
            plan_legend=heatmaps.legend_of(results.cells),
            unfinished=[c for c in results.cells if not c.is_ok],
            results=results,
            csv=f"data:text/csv;base64,{table}",
            protocol=provenance.protocol_facts(results),
            settings=provenance.settings_facts(results),
            random_weights=provenance.has_random_weights(results),
            machine=provenance.environment_facts(results),
            commands=provenance.commands(results),
            sources=published.sources(m["published"] for m in models),
            duration=duration,
        )
    )


def model_context(group: Group, directory: Path) -> dict[str, Any]:
    """Everything that the page shows of one group."""
    columns, rows = tables.page_rows(group)
    return {
        "group": group,
        "first": first_screen(group, directory),
        "answer": answer(group),
        "rulings": ruling_lines(group),
        "plots": plots(group),
        "legend": legend(group),
        "columns": columns,
        "views": views(columns),
        "rows": rows,
        "heat_maps": heatmaps.heat_maps(group),
        "strips": samples.strips(group, directory),
        "published": published.lines(group),
        "conditions": speed.conditions(group),
        "speed": speed.speed_table(group, tables.table_of(group)),
        "batches": speed.batch_table(group),
        "warned": timing_notes.warned(group.timed),
        "bias": bias_sentence(group),
        "rounds": timing_notes.rounds_sentence(group.timed),
        "warning": timing_notes.warning_sentence(group.timed),
    }


@dataclass(frozen=True)
class Plot:
    """One measure's plot: its key, the choice's name, and the picture."""

    key: str
    name: str
    svg: Markup


def plots(group: Group) -> list[Plot]:
    """The plots of a group, the Fréchet distance first."""
    return [
        Plot(m.key, report_plots.label_of(m, group), report_plots.ParetoPlot(group, m).svg())
        for m in report_plots.measures_of(group)
    ]


def tip(group: Group, cell: StoredCell) -> dict[str, Any]:
    """What is shown when a point is pointed at: the setting's name, its verdict and its numbers."""
    (row,) = records(tables.table_of(group, [cell]))
    wanted = (group.heading, "Accuracy", "Latency, ms", "Speed-up", "vs fewer steps", "Branches computed", "Training")
    lines = [[c.heading, c.text(row)] for c in tables.columns(group) if c.heading in wanted]
    return {
        "name": cell.method,
        "verdict": group.ruling(cell).word,
        "lines": [line for line in lines if line[1] != MISSING],
    }
