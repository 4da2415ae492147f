"""The pages of a site, each as (path, template, what it shows); nothing is measured, ranked or merged across runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.comparison.compare import compare
from bench.comparison.text import COLUMNS, MEANING, by_weight, factor, summary
from bench.report import heatmaps, provenance, samples, speed, tables
from bench.report import published as report_published
from bench.report.answer import answer
from bench.report.figures import STAMPS
from bench.report.format import duration, family_name
from bench.report.group import Group
from bench.report.plots import ParetoPlot, measures_of
from bench.schema.cell import Cell
from bench.site.chart import chart
from bench.site.names import Names, plain
from bench.site.runs import Run, machine_of, machines_of


@dataclass(frozen=True)
class Page:
    """Where a page lies below the site's folder, its template, and what the template is given."""

    path: str
    template: str
    context: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A group, or some cells of one, as a page shows it. Verdicts are always those among the whole group."""

    run: Run
    group: Group
    cells: list[Cell]

    @cached_property
    def table(self) -> tuple[list[Any], list[Any]]:
        """Columns, and (cell, row id, shown) of the part's cells."""
        columns, rows = tables.page_rows(self.group)
        wanted = {cell["slug"] for cell in self.cells}
        return columns, [row for row in rows if row[0]["slug"] in wanted]

    @property
    def anchor(self) -> str:
        """Unique on a page of several runs."""
        return f"{self.run.page}-{self.group.anchor}"

    @property
    def machine(self) -> str:
        return ", ".join(machines_of(self.group.cells or self.group.without_numbers))

    @property
    def protocol(self) -> str:
        return str((self.group.cells or self.group.without_numbers)[0]["protocol"])

    @cached_property
    def chart(self) -> dict[str, Any] | None:
        return chart(self.group)

    @property
    def picture(self) -> Any:
        """The plot for readers without scripts, drawn as in the report; None where there is none."""
        measures = measures_of(self.group)
        return ParetoPlot(self.group, measures[0]).svg() if measures else None

    @property
    def figures(self) -> dict[str, str]:
        """Where the plot for a paper lies, by format; empty where there is none."""
        name = f"figures/{plain(f'{self.run.page} {self.group.model}')}-{self.group.index}"
        return {form: f"{name}.{form}" for form in STAMPS} if measures_of(self.group) else {}

    @property
    def conditions(self) -> str:
        return speed.conditions(self.group)

    @cached_property
    def answer(self) -> Any:
        return answer(self.group)

    @property
    def published(self) -> Any:
        return report_published.lines(self.group)

    @property
    def heat_maps(self) -> list[heatmaps.HeatMap]:
        return [heatmaps.heat_map(cell) for cell in self.cells if heatmaps.has_plan(cell)]

    @property
    def strips(self) -> list[samples.Strip]:
        names = {cell["method"] for cell in self.cells}
        return [s for s in samples.strips(self.group, self.run.results.directory) if s.name in names]


class Site:
    """The runs and the names of all pages."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.parts = [Part(run, group, [*group.cells, *group.without_numbers]) for run in runs for group in run.groups]
        self.models, self.methods, self.machines = Names(), Names(), Names()
        cells = [cell for run in runs for cell in run.results.cells]
        self.pages_of = {
            "model": {model: self.models.of(model) for model in dict.fromkeys(c["model"] for c in cells)},
            "method": {name: self.methods.of(name) for name in dict.fromkeys(map(family_name, cells))},
            "machine": {name: self.machines.of(name) for name in dict.fromkeys(map(machine_of, cells))},
        }

    def pages(self) -> Iterator[Page]:
        """Every page, the index first."""
        comparisons = list(self._comparisons())
        yield Page("index.html", "index.html", {"title": "Leaderboard", "comparisons": comparisons})
        for run in self.runs:
            yield self._run_page(run, [c for c in comparisons if run in c.context["runs"]])
        for model, page in self.pages_of["model"].items():
            yield self._list_page("model", model, page, lambda cell, model=model: cell["model"] == model)
        for name, page in self.pages_of["method"].items():
            yield self._list_page("method", name, page, lambda cell, name=name: family_name(cell) == name)
        for name, page in self.pages_of["machine"].items():
            yield self._list_page("machine", name, page, lambda cell, name=name: machine_of(cell) == name)
        yield from comparisons

    def _run_page(self, run: Run, comparisons: list[Page]) -> Page:
        parts = [part for part in self.parts if part.run is run]
        context = {
            "title": run.title, "run": run, "parts": parts, "comparisons": comparisons,
            "unfinished": [c for c in run.results.cells if c["status"] != "ok"],
            "sources": report_published.sources(run.groups),
            "protocol": provenance.protocol_facts(run.results),
            "settings": provenance.settings_facts(run.results),
            "machine": provenance.environment_facts(run.results),
            "random_weights": provenance.has_random_weights(run.results),
            "duration": duration,
        }  # fmt: skip
        return Page(f"suite/{run.page}.html", "suite.html", context)

    def _list_page(self, kind: str, name: str, page: str, belongs: Any) -> Page:
        """A page about a model, a method or a machine: its cells in every group that has some."""
        parts = list(some_of(self.parts, belongs))
        cells = [cell for part in parts for cell in part.cells]
        context = {"title": name, "kind": kind, "parts": parts, "plan_legend": heatmaps.legend_of(cells)}
        if kind == "machine":
            first = next(cell for cell in cells)
            context["facts"] = provenance.flat(first.get("environment") or {})
        return Page(f"{kind}/{page}.html", f"{kind}.html", context)

    def _comparisons(self) -> Iterator[Page]:
        """Every two runs that share cells, the older one first."""
        ordered = sorted(self.runs, key=lambda run: str(run.finished or ""))
        for i, new in enumerate(ordered):
            for base in ordered[:i]:
                if names_of(base) & names_of(new):
                    yield compare_page(base, new)


def names_of(run: Run) -> set[tuple[str, str]]:
    return {(cell["model"], cell["slug"]) for cell in run.results.cells}


def some_of(parts: Iterable[Part], belongs: Any) -> Iterator[Part]:
    """The parts restricted to the cells that belong, where there are any."""
    for part in parts:
        cells = [cell for cell in part.cells if belongs(cell)]
        if cells:
            yield Part(part.run, part.group, cells)


def compare_page(base: Run, new: Run) -> Page:
    """What changed between two runs, cell by cell, as `ditbench compare` says it."""
    rows = compare(base.results, new.results)
    context = {
        "title": f"{base.page} → {new.page}", "runs": (base, new), "summary": summary(rows), "meaning": MEANING,
        "measures": COLUMNS, "rows": [(row, {c.measure: factor(c) for c in row.changes}) for row in by_weight(rows)],
        "unreadable": [*base.results.unreadable, *new.results.unreadable],
    }  # fmt: skip
    return Page(f"compare/{base.page}--{new.page}.html", "compare.html", context)
