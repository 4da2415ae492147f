"""What pages show of a run: a group of cells that were measured alike, or some cells of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from bench.show.report import heatmaps, samples, speed, tables, timing_notes
from bench.show.report import published as report_published
from bench.show.report.answer import answer
from bench.show.report.axes import BARS
from bench.show.report.bias import bias_sentence
from bench.show.report.column import views
from bench.show.report.figures import STAMPS
from bench.show.report.first_screen import FirstScreen, first_screen
from bench.show.report.group import Group
from bench.show.report.plots import ParetoPlot, measures_of
from bench.show.report.rulings import RulingLine, ruling_lines
from bench.show.site import routers, versus
from bench.show.site.chart import chart
from bench.show.site.names import plain
from bench.show.site.runs import Run, machines_of
from bench.store.stored_cell import StoredCell


@dataclass(frozen=True)
class Part:
    """A group, or some cells of one, as a page shows it. Verdicts are always those among the whole group.

    What is costly to make is made once, by the part of the whole group, which all pages that show some of it share.
    """

    run: Run
    group: Group
    cells: list[StoredCell]
    whole: Part | None = None

    @cached_property
    def table(self) -> tuple[list[Any], list[Any]]:
        """Columns, and (cell, row id, shown) of the part's cells."""
        columns, rows = self.whole.table if self.whole else tables.page_rows(self.group)
        wanted = {cell.slug for cell in self.cells}
        return columns, [row for row in rows if row[0].slug in wanted]

    @property
    def views(self) -> list[tuple[str, str]]:
        """What the table can show, as (view, name)."""
        return views(self.table[0])

    @property
    def anchor(self) -> str:
        """Unique on a page of several runs."""
        return f"{self.run.page}-{self.group.anchor}"

    @property
    def pair(self) -> str:
        """The address's part that chooses two settings, the first of them the part's."""
        a, b = versus.usual_pair(self.group, self.cells)
        return "#?" + urlencode({"a": a.slug, "b": b.slug})

    @property
    def bars(self) -> str:
        """What the bars of its plot are."""
        return BARS

    @property
    def bias(self) -> str:
        """What verdicts rest on where there are too few samples."""
        return bias_sentence(self.group)

    @property
    def machine(self) -> str:
        return ", ".join(machines_of(self.group.cells or self.group.without_numbers))

    @property
    def protocol(self) -> str:
        return str((self.group.cells or self.group.without_numbers)[0].protocol)

    @cached_property
    def chart(self) -> dict[str, Any] | None:
        return self.whole.chart if self.whole else chart(self.group)

    @cached_property
    def picture(self) -> Any:
        """The plot for readers without scripts, drawn as in the report; None where there is none."""
        if self.whole:
            return self.whole.picture
        measures = measures_of(self.group)
        return ParetoPlot(self.group, measures[0]).svg() if measures else None

    @property
    def figures(self) -> dict[str, str]:
        """Where the plot for a paper lies, by format; empty where there is none."""
        name = f"figures/{plain(f'{self.run.page} {self.group.model}')}-{self.group.index}"
        return {form: f"{name}.{form}" for form in STAMPS} if measures_of(self.group) else {}

    @cached_property
    def conditions(self) -> str:
        return self.whole.conditions if self.whole else speed.conditions(self.group)

    @cached_property
    def first(self) -> FirstScreen:
        """One sentence, one plot, one short table."""
        return self.whole.first if self.whole else first_screen(self.group, self.run.results.directory)

    @property
    def rulings(self) -> list[RulingLine]:
        """What the decision says of every setting."""
        return ruling_lines(self.group)

    @property
    def warnings(self) -> list[str]:
        """How far its numbers can be trusted, where that is not far."""
        return [self.bias, timing_notes.warning_sentence(self.group.timed)]

    @cached_property
    def answer(self) -> Any:
        return self.whole.answer if self.whole else answer(self.group)

    @cached_property
    def published(self) -> report_published.Shown:
        """What others published of the part's cells, and of their methods."""
        all_of_it = len(self.cells) == len(self.group.cells) + len(self.group.without_numbers)
        return report_published.lines(self.group, None if all_of_it else self.cells)

    @cached_property
    def heat_maps(self) -> list[heatmaps.HeatMap]:
        return [heatmaps.heat_map(cell) for cell in self.cells if heatmaps.has_plan(cell)]

    @cached_property
    def routers(self) -> list[routers.Picture]:
        """Of the cells whose router is at hand."""
        return routers.pictures(self.cells)

    @cached_property
    def strips(self) -> list[samples.Strip]:
        if not self.whole:
            return samples.strips(self.group, self.run.results.directory)
        names = {cell.method for cell in self.cells}
        return [strip for strip in self.whole.strips if strip.name in names]


def some_of(parts: Iterable[Part], belongs: Any) -> Iterator[Part]:
    """The parts restricted to the cells that belong, where there are any."""
    for part in parts:
        cells = [cell for cell in part.cells if belongs(cell)]
        if cells:
            yield Part(part.run, part.group, cells, part)
