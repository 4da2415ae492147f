"""What the verdicts and intervals of one model say, in sentences; nothing is claimed that they do not decide."""

from collections import Counter

from bench.judge.pareto import VERDICTS
from bench.show.report.format import percent
from bench.show.report.group import Group
from bench.show.report.phrases import band, be, count, distance, gap, joined, ms
from bench.store.stored_cell import StoredCell


def headline(group: Group) -> str:
    cached = [group.verdict(c) for c in group.cells if c.is_cached]
    compared = [v["vs_fewer_steps"] for v in cached if v.get("vs_fewer_steps")]
    if not compared:
        return "No cache setting could be compared with fewer steps of the same sampler."
    better, worse = compared.count("better"), compared.count("worse")
    settings = f"Of {count(len(compared), 'cache setting')} that can be compared at equal measured latency"
    if not better and not worse:
        return f"{settings}, none can be told from simply taking fewer steps of the same sampler."
    rest = len(compared) - better - worse
    parts = [f"{better or 'none'} {be(better)} better than simply taking fewer steps of the same sampler"]
    parts += [f"{worse} {be(worse)} worse"] if worse else []
    parts += [f"{rest} {be(rest)} undecided"] if rest else []
    return f"{settings}, {joined(parts)}."


def sentences(group: Group) -> list[str]:
    front, unmatched, undecided, dominated, _ = (_with_verdict(group, v) for v in VERDICTS)
    lines = []
    if front:
        shown = [f"{c.method} ({distance(group, c)} at {ms(group, c)})" for c in front]
        lines.append(f"On the Pareto front, clear of every interval: {joined(shown)}.")
    else:
        lines.append("No setting is on the Pareto front beyond doubt.")
    if unmatched:
        shown = [f"{c.method} ({distance(group, c)} at {ms(group, c)})" for c in unmatched]
        lines.append(f"Unmatched, because no uncached setting was measured as fast: {joined(shown)}.")
    if dominated:
        total = len(group.points)
        lines.append(f"Dominated: {len(dominated)} of {count(total, 'setting')}. {_worst(group, dominated)}")
    if undecided:
        lines.append(f"Undecided, because intervals overlap: {joined([c.method for c in undecided])}.")
    return lines


def _with_verdict(group: Group, verdict: str) -> list[StoredCell]:
    cells = [c for c in group.cells if group.verdict(c).get("pareto") == verdict]
    return sorted(cells, key=lambda c: group.latency(c)[1])


def _worst(group: Group, dominated: list[StoredCell]) -> str:
    """What dominates them, and by how much they lose to fewer steps: the range, with the intervals at its ends."""
    return " ".join(filter(None, (_dominators(group, dominated), _losses(group, dominated))))


def _dominators(group: Group, dominated: list[StoredCell]) -> str:
    """How many lose to a single setting that is both better and faster, and to which one most often."""
    lists = [by for cell in dominated if (by := group.verdict(cell)["by"])]
    if not lists:
        return ""
    slug, times = Counter(slug for by in lists for slug in by).most_common(1)[0]
    often = f", {group.by_slug[slug].method} for {times} of them" if len(lists) > 1 else ""
    verb = "has" if len(lists) == 1 else "have"
    return f"{len(lists)} {verb} a single other setting that is both better and faster{often}."


def _losses(group: Group, dominated: list[StoredCell]) -> str:
    worse = [c for c in dominated if group.verdict(c).get("vs_fewer_steps") == "worse"]
    if not worse:
        return ""
    least, *_, most = [*(ordered := sorted(worse, key=lambda c: group.verdict(c)["fd_gap"])), ordered[-1]]
    if len(worse) == 1:
        return f"{least.method} lies {gap(group, least)} from its fewer-steps curve."
    return (
        f"{len(worse)} lose to fewer steps of the same sampler at equal measured latency, by {gap(group, least)} "
        f"({least.method}) to {gap(group, most)} ({most.method})."
    )


def caveats(group: Group) -> list[str]:
    lines = omitted(group)
    if group.resolutions:
        inside = [c.method for c in group.cells if c.timing.speedup and not group.claimed(c)]
        median, worst = group.resolutions[len(group.resolutions) // 2], group.resolutions[-1]
        text = (
            f"Resolution of the clock: timed against itself (A/A), the same method differs by {band(median)} in the "
            f"median cell and by {band(worst)} in the worst (95 % intervals). A speed-up inside its own cell's "
            "interval is not claimed"
        )
        lines.append(f"{text}: {joined(inside)}." if inside else f"{text}; there is none such.")
    if group.drift > 0.005:
        moved = f"The same baseline, timed again with other cells, changed by {percent(group.drift)} between cells"
        then = (
            "latencies, plots and verdicts stand on ratios to the reference within rounds, in which that cancels"
            if group.is_paired
            else "verdicts count that as uncertainty of every latency"
        )
        lines.append(f"{moved} (standard deviation); {then}.")
    lines.append(
        f"Intervals are 95 % for each comparison, not for all of them together. {group.distance} differences are "
        "paired: every method has the same seeds and labels."
    )
    return lines


def omitted(group: Group) -> list[str]:
    """Which metrics are missing from cells that sampled, and why."""
    metrics: dict[str, list[str]] = {}
    for cell in group.cells:
        for metric, reason in cell.quality.omitted.items():
            named = metrics.setdefault(str(reason), [])
            named += [metric.upper()] if metric.upper() not in named else []
    return [f"Not given: {joined(named)}, because {reason.rstrip('.')}." for reason, named in metrics.items()]
