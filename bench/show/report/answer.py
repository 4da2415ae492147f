"""What a reader should take away for one model: sentences, one line a family, the best setting for each budget."""

import math
import statistics
from dataclasses import dataclass

from bench.judge.choice import best_within
from bench.show.report.decision_text import why_none
from bench.show.report.fastest import FastestLine, fastest_lines
from bench.show.report.format import figure, percent
from bench.show.report.group import Group
from bench.show.report.phrases import distance, gap, ms, ranked, some, spread
from bench.show.report.sentences import caveats, headline, omitted, sentences
from bench.store.stored_cell import StoredCell

BUDGETS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class FamilyLine:
    """One cache method against fewer steps of the same sampler."""

    name: str
    settings: int
    better: int
    undecided: int
    worse: int
    beyond: int  # faster than the fewer-steps curve goes: nothing to compare with
    closest: str
    furthest: str
    speedups: str
    share: str  # of the MAC-ideal speed-up that the clock saw
    equal: str  # the largest speed-up at equal quality
    hypervolume: str  # of the family's front


@dataclass(frozen=True)
class BestLine:
    """The best setting within a latency budget."""

    speed: str
    budget: str
    best: str
    distance: str
    latency: str
    ties: list[str]


@dataclass(frozen=True)
class Answer:
    """What a reader should take away for one model."""

    headline: str
    sentences: list[str]
    families: list[FamilyLine]
    best: list[BestLine]
    fastest: list[FastestLine]
    caveats: list[str]


def answer(group: Group) -> Answer:
    """The answer for one group."""
    if not group.points:
        text = f"No cell of this model has both a {group.distance} and a latency, so there is no verdict."
        return Answer(why_none(group) if group.without_images else text, [], [], [], [], omitted(group))
    if len(group.points) < 2:
        (only,) = (group.by_slug[slug].method for slug in group.points)
        why = f"no other cell of this model has both a {group.distance} and a latency, measured alike"
        text = f"{only} is alone: {why}, so there is nothing to compare with."
        return Answer(text, [], [], [], [], caveats(group))
    lines = [_family_line(group, name, cells) for name, cells in _cached(group).items()]
    return Answer(headline(group), sentences(group), lines, _best_lines(group), fastest_lines(group), caveats(group))


def _cached(group: Group) -> dict[str, list[StoredCell]]:
    """The cached cells of every family that has some."""
    cells: dict[str, list[StoredCell]] = {name: [] for name in group.families}
    for cell in group.cells:
        if cell.is_cached:
            cells[cell.family].append(cell)
    return {name: own for name, own in cells.items() if own}


def _family_line(group: Group, name: str, cells: list[StoredCell]) -> FamilyLine:
    verdicts = [group.verdict(c).get("vs_fewer_steps", "") for c in cells]
    gaps = sorted((c for c in cells if "fd_gap" in group.verdict(c)), key=lambda c: group.verdict(c)["fd_gap"])
    shown = [f"{gap(group, c)}: {c.method}" for c in gaps]
    timings = [c.timing for c in cells]
    speedups = [c.timing.speedup.median for c in cells if c.timing.speedup and group.claimed(c)]
    shares = [t.speedup.median / t.speedup_ideal for t in timings if t.speedup and t.speedup_ideal]
    return FamilyLine(
        name, len(cells), verdicts.count("better"), verdicts.count("undecided"), verdicts.count("worse"),
        verdicts.count(""), shown[0] if shown else "", shown[-1] if len(shown) > 1 else "",
        spread(speedups), percent(statistics.median(shares), 0) if shares else "",
        _equal_quality(group, cells), ranked(group.verdict(cells[0]), "hypervolume"),
    )  # fmt: skip


def _equal_quality(group: Group, cells: list[StoredCell]) -> str:
    known = [c for c in cells if group.verdict(c).get("speedup_equal") is not None]
    if not known:
        return ""
    best = max(known, key=lambda c: group.verdict(c)["speedup_equal"])
    return f"{ranked(group.verdict(best), 'speedup_equal', '×')}: {best.method}"


def _best_lines(group: Group) -> list[BestLine]:
    reference = group.reference
    if reference is None:
        return []
    lines: list[BestLine] = []
    start = math.log(group.latency(reference)[1])
    for speed in BUDGETS:
        choice = best_within(list(group.points.values()), start - math.log(speed))
        if choice is None:
            break
        best, ties = group.by_slug[choice[0].key[1]], some([group.by_slug[p.key[1]].method for p in choice[1]])
        lines.append(
            BestLine(f"{figure(speed, 2).removesuffix('.0')}×", f"{figure(math.exp(start) / speed)} ms", best.method,
                     distance(group, best), ms(group, best), ties)
        )  # fmt: skip
    return lines
