"""The pages of a site, each as (path, template, what it shows); nothing is measured, ranked or merged across runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.show.report import heatmaps, provenance, published
from bench.show.report.format import duration
from bench.show.site import versus
from bench.show.site.comparisons import Pair, compare_page
from bench.show.site.feed import entries
from bench.show.site.names import Names
from bench.show.site.page import Page
from bench.show.site.parts import Part, some_of
from bench.show.site.runs import Run, machine_of
from bench.show.site.studies import Study
from bench.show.site.studies import pages as study_pages
from bench.store.stored_cell import StoredCell

KINDS: dict[str, Callable[[StoredCell], str]] = {
    "model": lambda cell: cell.model,
    "method": lambda cell: cell.family,
    "machine": machine_of,
}


class Site:
    """The runs, the pairs of them that are compared, the studies, and the names of all pages."""

    def __init__(
        self, runs: Sequence[Run], pairs: Sequence[Pair] = (), studies: Sequence[Study] = (), figures: bool = False
    ) -> None:
        self.figures = figures  # whether plots for a paper are linked
        self.runs, self.studies = runs, studies
        self.parts = [Part(run, group, [*group.cells, *group.without_numbers]) for run in runs for group in run.groups]
        self.comparisons = [compare_page(*pair) for pair in pairs]
        cells = [cell for run in runs for cell in run.results.cells]
        self.pages_of = {kind: page_names(dict.fromkeys(map(name_of, cells))) for kind, name_of in KINDS.items()}
        two = {part.anchor: part for part in self.parts if len(part.group.cells) > 1}
        names = page_names(f"{part.run.page}/{part.group.model}/{part.group.number or ''}" for part in two.values())
        self.versus = {anchor: f"versus/{page}.html" for anchor, page in zip(two, names.values(), strict=True)}

    def pages(self) -> Iterator[Page]:
        """Every page, the index first."""
        yield Page("index.html", "index.html", {"title": "Leaderboard"})
        yield Page("changes.html", "changes.html", {"title": "Changes", "entries": entries(self.runs)})
        yield from map(self._run_page, self.runs)
        for kind, names in self.pages_of.items():
            for name in names:
                yield self._list_page(kind, name)
        yield from self.comparisons
        yield from study_pages(self.studies)
        for part in self.parts:
            if path := self.versus.get(part.anchor):
                yield versus_page(part, path)

    def comparisons_of(self, run: Run) -> list[Page]:
        """The pages about a run and another one."""
        return [page for page in self.comparisons if any(run is other for other in page.context["runs"])]

    def _run_page(self, run: Run) -> Page:
        parts = [part for part in self.parts if part.run is run]
        context = {
            "title": run.title, "run": run, "parts": parts,
            "unfinished": [c for c in run.results.cells if not c.is_ok],
            "sources": published.sources(part.published for part in parts),
            "protocol": provenance.protocol_facts(run.results),
            "settings": provenance.settings_facts(run.results),
            "machine": provenance.environment_facts(run.results),
            "random_weights": provenance.has_random_weights(run.results),
            "duration": duration,
        }  # fmt: skip
        return Page(f"suite/{run.page}.html", "suite.html", context)

    def _list_page(self, kind: str, name: str) -> Page:
        """A page about a model, a method or a machine: its cells in every group that has some."""
        parts = list(some_of(self.parts, lambda cell: KINDS[kind](cell) == name))
        cells = [cell for part in parts for cell in part.cells]
        context: dict[str, Any] = {
            "title": name, "kind": kind, "parts": parts, "plan_legend": heatmaps.legend_of(cells),
            "sources": published.sources(part.published for part in parts),
            "facts": provenance.flat(cells[0].environment.stated),
        }  # fmt: skip
        return Page(f"{kind}/{self.pages_of[kind][name]}.html", f"{kind}.html", context)


def page_names(texts: Any) -> dict[str, str]:
    """The page name of every text; no two the same."""
    names = Names()
    return {text: names.of(text) for text in texts}


def versus_page(part: Part, path: str) -> Page:
    """Any two settings of a group side by side."""
    strips = {strip.name: strip.uri for strip in part.strips}
    data = versus.data(part.group)
    for side in data["cells"]:
        side["strip"] = strips.get(side["name"])
    context = {
        "title": f"Two settings of {part.group.title}, {part.run.title}", "part": part, "data": data,
        "against": versus.against_reference(part.group), "pictures": any(strips.values()),
        "plan_legend": heatmaps.legend_of(part.group.cells),
    }  # fmt: skip
    return Page(path, "versus.html", context)
