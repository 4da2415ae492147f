"""The report: one HTML file that needs nothing else, and the tables, all from a result directory. Measures nothing."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bench.host.collector import gc_off
from bench.host.files import expect_writable, write_bytes
from bench.judge.decided import decisions, judged
from bench.show.batch_table import write_batches
from bench.show.pages import TEMPLATES, templates
from bench.show.report import engines, heatmaps, provenance, published, samples, speed, tables, timing_notes
from bench.show.report import plots as report_plots
from bench.show.report.answer import answer
from bench.show.report.axes import BARS
from bench.show.report.bias import bias_sentence
from bench.show.report.column import views
from bench.show.report.exports import FORMATS, exports
from bench.show.report.first_screen import first_screen
from bench.show.report.format import MISSING, duration
from bench.show.report.group import Group, groups_of
from bench.show.report.legend import legend
from bench.show.report.rulings import ruling_lines
from bench.show.table import csv_bytes, frame
from bench.store.results import Results, read_results
from bench.store.stored_cell import StoredCell

ROOM = 400  # cells with rows, plans and marks of their own on one page, which stays below 8 MB; all are in results.csv


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
    with gc_off():
        results = read_results(directory)
        return _written(results, directory / "report.html" if out is None else Path(out))


def _written(results: Results, target: Path) -> Written:
    directory = results.directory
    for path in (target, directory / "results.csv"):
        expect_writable(path)
    made = decisions(results)
    analysis = judged(results, made)
    table = frame(results.cells, analysis)
    groups = groups_of(results, analysis, ROOM, [decision for _, decision in made], table)
    for form, text in exports(results.cells, groups, table):
        name = "results.csv" if form == "csv" else f"table.{FORMATS[form]}"
        write_bytes(directory / name, text.encode())
    write_batches(results.cells, directory / "batches.csv")
    write_bytes(target, render(results, groups, table).encode())
    return Written(target, groups)


def render(results: Results, groups: list[Group], table: pd.DataFrame) -> str:
    """The page as text; `table` is all of its cells'."""
    models = [model_context(group, results.directory) for group in groups]
    whole = not any(group.left_out for group in groups)
    csv = base64.b64encode(csv_bytes(table)).decode() if whole else ""
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
            tips={row_id: said for group in groups for row_id, said in tips(group).items()},
            plan_legend=heatmaps.legend_of(results.cells),
            unfinished=[c for c in results.cells if not c.is_ok],
            logs=provenance.logs(results),
            results=results,
            csv=f"data:text/csv;base64,{csv}" if whole else None,
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
        "speed": speed.speed_table(group, tables.table_of(group, group.listed)),
        "batches": speed.batch_table(group),
        "engines": engines.engine_table(group),
        "warned": timing_notes.warned([cell for cell in group.shown if cell.timing.latency_ms]),
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


def tips(group: Group) -> dict[str, dict[str, Any]]:
    """What is shown when a point is pointed at, by the row that it belongs to: name, verdict and numbers."""
    wanted = (group.heading, "Accuracy", "Latency, ms", "Speed-up", "vs fewer steps", "Branches computed", "Training")
    columns = [column for column in tables.columns(group) if column.heading in wanted]
    rows = zip(group.shown, tables.records_of(group, group.shown), strict=True)
    return {group.row_id(cell): tip(group, cell, [(c.heading, c.text(row)) for c in columns]) for cell, row in rows}


def tip(group: Group, cell: StoredCell, lines: list[tuple[str, str]]) -> dict[str, Any]:
    shown = [[heading, text] for heading, text in lines if text != MISSING]
    return {"name": cell.method, "verdict": group.ruling(cell).word, "lines": shown}
