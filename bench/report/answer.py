"""The answer in plain sentences, computed from verdicts and intervals; nothing is claimed that they do not decide."""

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bench import pareto
from bench.report.format import family_name, figure, percent, plus_minus, signed
from bench.report.group import Group
from bench.schema.cell import Cell, look_up

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
    hypervolume: str  # of the family's front, in areas of the box around the uncached cells


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
    caveats: list[str]


def answer(group: Group) -> Answer:
    """The answer for one group."""
    if not group.points:
        text = f"No cell of this model has both a {group.distance} and a latency, so there is no verdict."
        return Answer(text, [], [], [], _omitted(group))
    lines = [_family_line(group, name) for name in group.families if _cached(group, name)]
    return Answer(_headline(group), _sentences(group), lines, _best_lines(group), _caveats(group))


def _cached(group: Group, family: str) -> list[Cell]:
    return [c for c in group.cells if c.get("cache") is not None and family_name(c) == family]


def _headline(group: Group) -> str:
    cached = [group.verdict(c) for c in group.cells if c.get("cache") is not None]
    compared = [v["vs_fewer_steps"] for v in cached if v.get("vs_fewer_steps")]
    if not compared:
        return "No cache setting could be compared with fewer steps of the same sampler."
    better, worse = compared.count("better"), compared.count("worse")
    settings = f"Of {_count(len(compared), 'cache setting')} that can be compared at equal measured latency"
    if not better and not worse:
        return f"{settings}, none can be told from simply taking fewer steps of the same sampler."
    rest = len(compared) - better - worse
    parts = [f"{better or 'none'} {_be(better)} better than simply taking fewer steps of the same sampler"]
    parts += [f"{worse} {_be(worse)} worse"] if worse else []
    parts += [f"{rest} {_be(rest)} undecided"] if rest else []
    return f"{settings}, {_join(parts)}."


def _sentences(group: Group) -> list[str]:
    front, dominated, undecided = (_with_verdict(group, v) for v in ("front", "dominated", "undecided"))
    found = []
    if front:
        shown = [f"{c['method']} ({_distance(group, c)} at {_ms(group, c)})" for c in front]
        found.append(f"On the Pareto front, clear of every interval: {_join(shown)}.")
    else:
        found.append("No setting is on the Pareto front beyond doubt.")
    if dominated:
        total = len(front) + len(dominated) + len(undecided)
        found.append(f"Dominated: {len(dominated)} of {_count(total, 'setting')}. {_worst(group, dominated)}")
    if undecided:
        found.append(f"Undecided, because intervals overlap: {_join([c['method'] for c in undecided])}.")
    return found


def _with_verdict(group: Group, verdict: str) -> list[Cell]:
    cells = [c for c in group.cells if group.verdict(c).get("pareto") == verdict]
    return sorted(cells, key=lambda c: group.latency(c)[1])


def _worst(group: Group, dominated: list[Cell]) -> str:
    """What dominates them, and by how much they lose to fewer steps: the range, with the intervals at its ends."""
    return " ".join(filter(None, (_dominators(group, dominated), _losses(group, dominated))))


def _dominators(group: Group, dominated: list[Cell]) -> str:
    """How many lose to a single setting that is both better and faster, and to which one most often."""
    lists = [by for cell in dominated if (by := group.verdict(cell)["by"])]
    if not lists:
        return ""
    slug, times = Counter(slug for by in lists for slug in by).most_common(1)[0]
    often = f", {group.by_slug[slug]['method']} for {times} of them" if len(lists) > 1 else ""
    verb = "has" if len(lists) == 1 else "have"
    return f"{len(lists)} {verb} a single other setting that is both better and faster{often}."


def _losses(group: Group, dominated: list[Cell]) -> str:
    worse = [c for c in dominated if group.verdict(c).get("vs_fewer_steps") == "worse"]
    if not worse:
        return ""
    least, *_, most = [*(ordered := sorted(worse, key=lambda c: group.verdict(c)["fd_gap"])), ordered[-1]]
    if len(worse) == 1:
        return f"{least['method']} lies {_gap(group, least)} from its fewer-steps curve."
    return (
        f"{len(worse)} lose to fewer steps of the same sampler at equal measured latency, by {_gap(group, least)} "
        f"({least['method']}) to {_gap(group, most)} ({most['method']})."
    )


def _family_line(group: Group, name: str) -> FamilyLine:
    cells = _cached(group, name)
    verdicts = [group.verdict(c).get("vs_fewer_steps", "") for c in cells]
    gaps = sorted((c for c in cells if "fd_gap" in group.verdict(c)), key=lambda c: group.verdict(c)["fd_gap"])
    shown = [f"{_gap(group, c)}: {c['method']}" for c in gaps]
    speedups = [c["timing"]["speedup"]["median"] for c in cells if group.claimed(c)]
    shares = [
        c["timing"]["speedup"]["median"] / c["timing"]["speedup_ideal"]
        for c in cells
        if look_up(c, "timing.speedup") and look_up(c, "timing.speedup_ideal")
    ]
    return FamilyLine(
        name, len(cells), verdicts.count("better"), verdicts.count("undecided"), verdicts.count("worse"),
        verdicts.count(""), shown[0] if shown else "", shown[-1] if len(shown) > 1 else "",
        _range(speedups), percent(statistics.median(shares), 0) if shares else "",
        _equal_quality(group, cells), _ranked(group.verdict(cells[0]), "hypervolume"),
    )  # fmt: skip


def _equal_quality(group: Group, cells: list[Cell]) -> str:
    known = [c for c in cells if group.verdict(c).get("speedup_equal") is not None]
    if not known:
        return ""
    best = max(known, key=lambda c: group.verdict(c)["speedup_equal"])
    return f"{_ranked(group.verdict(best), 'speedup_equal', '×')}: {best['method']}"


def _ranked(verdict: dict[str, Any], name: str, unit: str = "") -> str:
    """A number of bench.ranking with its interval, `…` where that is open."""
    if verdict.get(name) is None:
        return ""
    low, high = ("…" if (end := verdict.get(f"{name}_{side}")) is None else figure(end) for side in ("low", "high"))
    return f"{figure(verdict[name])}{unit} [{low}, {high}]"


def _best_lines(group: Group) -> list[BestLine]:
    reference = group.reference
    if reference is None:
        return []
    found: list[BestLine] = []
    start = math.log(group.latency(reference)[1])
    for speed in BUDGETS:
        choice = pareto.best_within(list(group.points.values()), start - math.log(speed))
        if choice is None:
            break
        best, ties = group.by_slug[choice[0].key[1]], [group.by_slug[p.key[1]]["method"] for p in choice[1]]
        found.append(
            BestLine(f"{figure(speed, 2).removesuffix('.0')}×", f"{figure(math.exp(start) / speed)} ms", best["method"],
                     _distance(group, best), _ms(group, best), ties)
        )  # fmt: skip
    return found


def _omitted(group: Group) -> list[str]:
    """Which metrics are missing from cells that sampled, and why."""
    metrics: dict[str, list[str]] = {}
    for cell in group.cells:
        for metric, reason in (look_up(cell, "quality.omitted") or {}).items():
            named = metrics.setdefault(str(reason), [])
            named += [metric.upper()] if metric.upper() not in named else []
    return [f"Not given: {_join(named)}, because {reason.rstrip('.')}." for reason, named in metrics.items()]


def _caveats(group: Group) -> list[str]:
    found = _omitted(group)
    if group.resolutions:
        inside = [c["method"] for c in group.cells if look_up(c, "timing.speedup") and not group.claimed(c)]
        median, worst = group.resolutions[len(group.resolutions) // 2], group.resolutions[-1]
        text = (
            f"Resolution of the clock: timed against itself (A/A), the same method differs by {_band(median)} in the "
            f"median cell and by {_band(worst)} in the worst (95 % intervals). A speed-up inside its own cell's "
            "interval is not claimed"
        )
        found.append(f"{text}: {_join(inside)}." if inside else f"{text}; there is none such.")
    if group.drift > 0.005:
        moved = f"The same baseline, timed again with other cells, changed by {percent(group.drift)} between cells"
        then = (
            "latencies, plots and verdicts stand on ratios to the reference within rounds, in which that cancels"
            if group.is_paired
            else "verdicts count that as uncertainty of every latency"
        )
        found.append(f"{moved} (standard deviation); {then}.")
    found.append(
        f"Intervals are 95 % for each comparison, not for all of them together. {group.distance} differences are "
        "paired: every method has the same seeds and labels."
    )
    return found


def _band(ends: tuple[float, float]) -> str:
    """An interval of ratios around 1 as per cent."""
    low, high = (f"{100 * (end - 1):+.1f}".replace("-", "−") for end in ends)
    return f"{low} to {high} %"


def _distance(group: Group, cell: Cell) -> str:
    return f"{group.distance} {plus_minus(cell['quality']['fd'], cell['quality'].get('fd_se'))}"


def _gap(group: Group, cell: Cell) -> str:
    v = group.verdict(cell)
    return f"{signed(v['fd_gap'])} [{signed(v['fd_gap_low'])}, {signed(v['fd_gap_high'])}] {group.distance}"


def _ms(group: Group, cell: Cell) -> str:
    return f"{figure(group.latency(cell)[1])} ms"


def _range(values: list[float]) -> str:
    if not values:
        return ""
    low, high = figure(min(values)), figure(max(values))
    return f"{low}×" if low == high else f"{low}× to {high}×"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _be(number: int) -> str:
    return "is" if number == 1 else "are"


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
