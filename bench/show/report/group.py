"""A group: the cells of one model that were measured alike, so that they may be compared and share columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from bench.judge import pareto
from bench.judge.decision import Against, Decision, Ruling, against, decide
from bench.judge.latency import Latency, drift, latencies
from bench.judge.verdict import ALONE, REPLACEABLE, USE, WORTH
from bench.show.report.column import Row, records
from bench.show.report.format import distance_heading, distance_name
from bench.show.report.sweeps import Sweep, sweeps_of
from bench.show.table import frame
from bench.statistics.medians import is_resolved
from bench.store.parts import MedianInterval
from bench.store.results import Results
from bench.store.stored_cell import Name, StoredCell
from bench.suite.judging import AXES, DEFAULT, Judging

Analysis = dict[Name, dict[str, Any]]


@dataclass(frozen=True)
class Group:
    """Cells that are ok, and the model's cells that are not (shown in its first group only)."""

    model: str
    cells: list[StoredCell]
    without_numbers: list[StoredCell]
    reference_slug: str | None
    number: int  # among the model's groups; 0 for the largest
    index: int  # among all groups of the page
    analysis: Analysis = field(repr=False)
    judging: Judging = DEFAULT
    decided: Decision | None = field(default=None, repr=False, compare=False)  # where it is made already
    whole: pd.DataFrame | None = field(default=None, repr=False, compare=False)  # `frame` of all cells
    limit: int | None = None  # of cells that its page has room for; None: all

    @property
    def title(self) -> str:
        """The model, and what is different about the group where a model has several."""
        return self.model if not self.number else f"{self.model}, measured differently ({self.heading})"

    @property
    def anchor(self) -> str:
        """An identifier for links, unique on the page."""
        safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in self.model)
        return f"{safe}-{self.index}"

    @property
    def heading(self) -> str:
        """`FD (mnist-cnn features, n=2,000)`."""
        return distance_heading(self.cells[0]) if self.cells else "FD"

    @property
    def distance(self) -> str:
        """FD or FID."""
        return distance_name(self.cells[0]) if self.cells else "FD"

    @cached_property
    def points(self) -> dict[str, pareto.Point]:
        """Places on the plot by slug."""
        return {point.key[1]: point for point in pareto.place(self.cells)}

    @cached_property
    def timed(self) -> list[StoredCell]:
        """Cells that have a latency, and so can stand in a plot."""
        return [cell for cell in self.cells if cell.timing.latency_ms]

    @property
    def without_images(self) -> str:
        """Said where no cell of the group made any images; else empty."""
        made = any(cell.quality.samples for cell in self.cells)
        return "" if made or not self.cells else "No images were made: this is of speed, work and memory alone."

    @cached_property
    def latencies(self) -> dict[str, Latency]:
        """Of all timed cells by slug: what verdicts, plots and sentences stand on."""
        return dict(zip((cell.slug for cell in self.timed), latencies(self.timed), strict=True))

    def latency(self, cell: StoredCell) -> tuple[float, float, float]:
        """Low end, value and high end in ms: paired, or the cell's own where it is on no chain to the reference."""
        return self._intervals[cell.slug]

    @cached_property
    def _intervals(self) -> dict[str, tuple[float, float, float]]:
        return {cell.slug: _interval(self.latencies[cell.slug], cell.timing.latency_ms) for cell in self.timed}

    @cached_property
    def shown(self) -> list[StoredCell]:
        """The cells that have rows and plans on the page, in their order: all, or those that matter most.

        These are what the decision names, what is to use or worth its time, fewer steps, then the undecided, the best
        first.
        """
        if self.limit is None or len(self.cells) <= self.limit:
            return self.cells
        first = {cell.slug for cell in sorted(self.cells, key=self._matters)[: self.limit]}
        return [cell for cell in self.cells if cell.slug in first]

    def _matters(self, cell: StoredCell) -> tuple[bool, bool, bool, bool, float]:
        """Smaller for what a reader should see sooner."""
        decision, word, fd = self.decision(), self.ruling(cell).word, cell.quality.value("fd")
        named = (decision.reference, decision.headline and decision.headline.setting, *decision.speeds)
        best_first = math.inf if fd is None else fd
        return cell.slug not in named, word not in (USE, WORTH), cell.has_baseline, word == REPLACEABLE, best_first

    @cached_property
    def listed(self) -> list[StoredCell]:
        """`shown`, and as many of the cells without numbers; the page lists all of these elsewhere."""
        return [*self.shown, *self.without_numbers[: self.limit]]

    @property
    def left_out(self) -> int:
        """How many cells with numbers have no row on the page."""
        return len(self.cells) - len(self.shown)

    @cached_property
    def by_slug(self) -> dict[str, StoredCell]:
        """Cells that are ok by slug."""
        return {cell.slug: cell for cell in self.cells}

    @cached_property
    def families(self) -> list[str]:
        """Names of the families, samplers first."""
        ordered = sorted(self.cells, key=lambda cell: cell.has_baseline)
        return list(dict.fromkeys(cell.family for cell in ordered))

    def decision(self) -> Decision:
        """What to use, judged by the suite's axis."""
        return self._decision

    @cached_property
    def _decision(self) -> Decision:
        return self.decided or decide(self.cells, self.reference_slug, self.judging)

    @cached_property
    def against(self) -> dict[str, Against | Decision]:
        """Differences to the reference by axis: fd is quality, fd_own and ode_error are fidelity."""
        others = {axis: against(self.cells, self.reference_slug, axis) for axis in AXES if axis != self.judging.axis}
        return {**others, self.judging.axis: self.decision()}

    @cached_property
    def reference(self) -> StoredCell | None:
        """The cell that speed-ups at a glance are counted from: the suite's, else the slowest uncached one."""
        uncached = [cell for cell in self.timed if not cell.has_baseline]
        stated = [cell for cell in self.timed if cell.slug == self.reference_slug]
        slowest = max(uncached, key=own_latency, default=None)
        return stated[0] if stated else slowest

    def ruling(self, cell: StoredCell) -> Ruling:
        """What the decision says of a cell; no word where it is not ok. The only one is alone, reference or not."""
        if len(self.points) == 1 and cell.slug in self.points:
            return Ruling(ALONE)
        return self.decision().rulings.get(cell.slug, Ruling(""))

    def instead(self, cell: StoredCell) -> str:
        """The name of the setting that replaces a replaceable one; empty for others."""
        ruling = self.ruling(cell)
        return self.by_slug[ruling.by[0]].method if ruling.word == REPLACEABLE and ruling.by else ""

    def verdict(self, cell: StoredCell) -> dict[str, Any]:
        """`pareto`, `fd_gap`… of a cell; empty where it has no place on the plot."""
        return self.analysis.get(cell.name, {})

    def row_id(self, cell: StoredCell) -> str:
        """Identifier of the cell's row in the table."""
        return f"row-{self.anchor}-{self.positions[cell.slug]}"

    @cached_property
    def positions(self) -> dict[str, int]:
        """The row of every cell in `table` by slug."""
        return {cell.slug: i for i, cell in enumerate([*self.cells, *self.without_numbers])}

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for every cell, those without numbers last.

        `claimed` says whether a speed-up may be claimed; `verdict` and `instead` are the decision's.
        """
        cells = [*self.cells, *self.without_numbers]
        return self._rows(cells).assign(
            claimed=[self.claimed(cell) for cell in cells],
            verdict=[self.ruling(cell).word for cell in cells],
            instead=[self.instead(cell) for cell in cells],
        )

    def _rows(self, cells: Sequence[StoredCell]) -> pd.DataFrame:
        """Their rows in the table of all cells, where it is at hand."""
        if self.whole is None:
            return frame(cells, self.analysis)
        own = self.whole[self.whole["model"] == self.model].set_index("slug", drop=False)
        return own.loc[[cell.slug for cell in cells]].reset_index(drop=True)

    @cached_property
    def records(self) -> list[Row]:
        """The rows of `table` as plain mappings."""
        return records(self.table)

    @cached_property
    def sweeps(self) -> dict[str, Sweep]:
        """The line of a plot that a cached cell's settings lie on, by slug."""
        return sweeps_of(self.timed)

    @cached_property
    def is_paired(self) -> bool:
        """Whether some latencies are chained to the reference."""
        return any(latency.paired for latency in self.latencies.values())

    @property
    def latency_title(self) -> str:
        """What an axis of latencies shows."""
        title = f"Measured latency of one batch of {self.timed[0].timing.batch or '?'} images, ms"
        return f"{title}, paired with {self.reference.method}" if self.is_paired and self.reference else title

    @cached_property
    def resolutions(self) -> list[tuple[float, float]]:
        """The A/A intervals of all cells, narrowest first."""
        intervals = [r.ends for cell in self.cells if (r := cell.timing.resolution)]
        return sorted(intervals, key=lambda ends: math.log(ends[1] / ends[0]))

    @property
    def drift(self) -> float:
        """Relative change of the same baseline from cell to cell (standard deviation)."""
        return math.expm1(drift(self.cells))

    def claimed(self, cell: StoredCell) -> bool:
        """Whether the cell's speed-up is one that its own clock can see (docs/protocol.md, "Resolution")."""
        speedup, resolution = cell.timing.speedup, cell.timing.resolution
        return bool(speedup and resolution) and is_resolved(vars(speedup), vars(resolution))


def _interval(latency: Latency, own: MedianInterval | None) -> tuple[float, float, float]:
    return latency.interval() if latency.paired or own is None else (own.low, own.median, own.high)


def own_latency(cell: StoredCell) -> float:
    """The median of a timed cell's own clock, ms."""
    return cell.timing.latency_ms.median if cell.timing.latency_ms else 0.0


def groups_of(
    results: Results,
    analysis: Analysis,
    room: int | None = None,
    decided: Sequence[Decision] = (),
    table: pd.DataFrame | None = None,
) -> list[Group]:
    """The groups of every model, in the suite's order, the largest of a model first.

    `room`: how many cells their page can show; where there are more, every group has an equal part of it. `decided`:
    the decisions on all pools, where they are made already (bench.judge.decided.decisions). `table`: that of all cells.
    """
    pools = pareto.pools(results.cells)
    reference, judging = results.suite.reference, results.suite.judging
    limit = None if room is None or sum(map(len, pools.values())) <= room else max(1, room // len(pools))
    made = dict(zip(pools, decided, strict=False))
    groups: list[Group] = []
    for model in results.models:
        own = sorted((key for key in pools if key[0] == model), key=lambda key: len(pools[key]), reverse=True)
        placed = {cell.slug for key in own for cell in pools[key]}
        rest = [cell for cell in results.cells if cell.model == model and cell.slug not in placed]
        for number, key in enumerate(own or [()]):
            groups.append(
                Group(
                    model, pools.get(key, []), [] if number else rest, reference.get(model), number, len(groups),
                    analysis, judging, made.get(key), table, limit,
                )
            )  # fmt: skip
    return groups
