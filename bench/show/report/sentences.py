"""What the verdicts and intervals of one model say, in sentences; nothing is claimed that they do not decide."""

from collections import Counter

from bench.judge.verdict import REPLACEABLE, UNDECIDED, USE, WORTH
from bench.show.report.format import percent
from bench.show.report.group import Group
from bench.show.report.phrases import band, be, count, gap, joined, some

SAID = {USE: "to be used", WORTH: "worth the time", REPLACEABLE: "replaceable by another", UNDECIDED: "undecided"}


def headline(group: Group) -> str:
    cached = [group.verdict(c) for c in group.cells if c.is_cached]
    compared = [v["vs_fewer_steps"] for v in cached if v.get("vs_fewer_steps")]
    if not compared:
        return "No cache setting could be compared with fewer steps of the same sampler."
    better, worse = compared.count("better"), compared.count("worse")
    settings = f"Of {count(len(compared), 'cache setting')}"
    if not better and not worse:
        return f"{settings}, none can be told from simply taking fewer steps."
    rest = len(compared) - better - worse
    parts = [f"{better or 'none'} {be(better)} better than simply taking fewer steps"]
    parts += [f"{worse} {be(worse)} worse"] if worse else []
    parts += [f"{rest} {be(rest)} undecided"] if rest else []
    return f"{settings}, {joined(parts)}."


def sentences(group: Group) -> list[str]:
    words = Counter(group.ruling(cell).word for cell in group.cells)
    said = [f"{words[word]} {be(words[word])} {text}" for word, text in SAID.items() if words[word]]
    lines = [f"Of {count(len(group.cells), 'setting')}, {joined(said)}."] if said else []
    unmatched = [c.method for c in group.cells if group.verdict(c).get("pareto") == "unmatched"]
    if unmatched:
        lines.append(f"No uncached setting was measured as fast as {joined(some(unmatched))}.")
    return [*lines, *filter(None, [_losses(group)])]


def _losses(group: Group) -> str:
    """By how much cache settings lose to fewer steps: the range, with the intervals at its ends."""
    worse = [c for c in group.cells if group.verdict(c).get("vs_fewer_steps") == "worse"]
    if not worse:
        return ""
    least, *_, most = [*(ordered := sorted(worse, key=lambda c: group.verdict(c)["fd_gap"])), ordered[-1]]
    if len(worse) == 1:
        return f"{least.method} lies {gap(group, least)} from its fewer-steps curve."
    return (
        f"{len(worse)} lose to fewer steps of the same sampler. {least.method} loses least, {gap(group, least)}. "
        f"{most.method} loses most, {gap(group, most)}."
    )


def caveats(group: Group) -> list[str]:
    lines = omitted(group)
    if group.resolutions:
        inside = [c.method for c in group.cells if c.timing.speedup and not group.claimed(c)]
        median, worst = group.resolutions[len(group.resolutions) // 2], group.resolutions[-1]
        lines.append(
            f"Timed against itself (A/A), a setting differs by {band(median)} in the median cell. "
            f"In the worst cell it differs by {band(worst)}. These are 95 % intervals."
        )
        text = "A speed-up inside its own cell's interval is not claimed"
        lines.append(f"{text}: {joined(some(inside))}." if inside else f"{text}; there is none such.")
    if group.drift > 0.005:
        then = (
            "Latencies, plots and verdicts stand on ratios within rounds, in which that cancels."
            if group.is_paired
            else "Verdicts count that as uncertainty of every latency."
        )
        lines.append(f"The same baseline, timed again with other cells, changed by {percent(group.drift)}. {then}")
    lines.append(
        f"Intervals are 95 % for each comparison, not for all together. {group.distance} differences are "
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
