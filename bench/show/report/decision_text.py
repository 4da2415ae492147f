"""What to use and what it gains, in one sentence and a few lines: the same words on every page and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.show.report.format import between, figure
from bench.show.report.gaps import distance_unit, percent
from bench.show.report.group import Group
from bench.show.report.phrases import joined, ms
from bench.statistics.interval import Interval
from bench.store.stored_cell import StoredCell
from bench.suite.judging import Judging

MAX_FASTER = 2  # named on a first screen


@dataclass(frozen=True)
class SpeedLine:
    """What to use at one speed."""

    slug: str
    speed: str
    method: str
    gap: str  # its distance against the reference's
    latency: str


def sentence(group: Group) -> str:
    """`Use DDIM-20: 2.4× as fast as DDIM-50, FD no more than 5 % worse.`"""
    decision = group.decision()
    best, reference = decision.headline, group.by_slug.get(decision.reference or "")
    if best is None or reference is None or len(decision.above) < 2:
        return why_none(group)
    axis, bound = axis_name(group), bound_words(decision.judging, reference.method, group.distance)
    if best.setting == decision.reference:
        return f"Use {reference.method}: no faster setting is sure to have an {axis} at most {bound}."
    method, gain = group.by_slug[best.setting].method, times(best.speedup.value)
    pace = "as fast" if gain == times(1.0) else f"{gain} as fast"
    return f"Use {method}: {pace} as {reference.method}, {axis} no more than {bound}."


def bound_words(judging: Judging, reference: str, distance: str) -> str:
    """How far a setting may lie above the reference: a share of its distance, but of an error a difference."""
    if judging.axis == "ode_error":
        return f"{judging.bound:.2g} higher"
    share = f"{100 * judging.bound:g} %"
    return f"{share} worse" if judging.axis == "fd" else f"{share} of the {distance} of {reference}"


def maybe_faster(group: Group) -> str:
    """What may be within the headline's bound too, and is faster: the fastest first; empty where nothing is."""
    best = group.decision().headline
    if best is None or not best.faster:
        return ""
    return listed([group.by_slug[slug] for slug in best.faster])


def axis_name(group: Group) -> str:
    """What settings are judged by."""
    return group.distance if group.judging.axis == "fd" else group.judging.axis


def why_none(group: Group) -> str:
    """Why nothing can be recommended."""
    if not group.points:
        nothing = f"No setting has both {axis_name(group)} and a latency, so there is nothing to choose by."
        return f"{fastest(group)} {group.without_images}" if group.without_images else f"{nothing}{by_fidelity(group)}"
    if len(group.points) == 1:
        (slug,) = group.points
        return f"{group.by_slug[slug].method} is alone: there is no other setting to compare it with."
    if group.reference_slug and group.reference is None:
        return f"The suite's reference, {group.reference_slug}, was not run, so nothing can be judged: run it too."
    return "There is no reference that other settings could be judged by."


def by_fidelity(group: Group) -> str:
    """What judges settings that have no Fréchet distance, where it was measured."""
    if group.judging.axis == "ode_error" or all(cell.quality.value("ode_error") is None for cell in group.cells):
        return ""
    return ' With axis = "ode_error" in the suite\'s [verdict] they are judged by fidelity, without a new run.'


def fastest(group: Group) -> str:
    """`Fastest is DDIM-20 + FORA: 2.5× as fast as uncached [2.3, 2.8].`, and what may be as fast."""
    medians = {cell.slug: known.median for cell in group.cells if (known := cell.timing.latency_ms)}
    if not medians:
        return "Nothing was timed."
    best = group.by_slug[min(medians, key=medians.__getitem__)]
    gain = best.timing.speedup
    if gain is None:
        return f"Fastest is {best.method}."
    rivals = [c for c in group.cells if c is not best and (own := c.timing.speedup) and own.high >= gain.median]
    pace = f"{best.method}: {times(gain.median)} as fast as uncached {between(gain.low, gain.high)}"
    if not group.claimed(best):
        return f"Fastest by its median is {pace}, which the clock cannot tell from no difference."
    told = f"Fastest is {pace}."
    return f"{told} Not told apart from it: {listed(rivals)}." if rivals else told


def listed(cells: Sequence[StoredCell]) -> str:
    """Names of the first MAX_FASTER, and how many more there are."""
    names = [cell.method for cell in cells]
    more = [f"{len(names) - MAX_FASTER:,} more"] if len(names) > MAX_FASTER else []
    return joined(names[:MAX_FASTER] + more)


def closing(groups: Sequence[Group]) -> str:
    """The sentences of all models, a line each: what a run ends with."""
    return "\n".join(f"{group.title}: {sentence(group)}" for group in groups)


def speed_lines(group: Group) -> list[SpeedLine]:
    """What to use at each speed, slowest first, at most six."""
    return [_line(group, slug) for slug in group.decision().speeds]


def _line(group: Group, slug: str) -> SpeedLine:
    decision, cell = group.decision(), group.by_slug[slug]
    speed = decision.speedups[slug]
    is_error = decision.judging.axis == "ode_error"
    unit = 1.0 if is_error else distance_unit(group)
    gap = "–" if unit is None else against(percent(decision.above[slug], unit), decimals=int(is_error))
    text = "the reference" if slug == decision.reference else gap
    return SpeedLine(slug, times(speed.value), cell.method, text, ms(group, cell))


def times(value: float) -> str:
    """`2.4×`, `1×`."""
    return f"{figure(value, 2).removesuffix('.0')}×"


def against(gap: Interval, decimals: int = 0) -> str:
    """`+3 % (−1 to +7)`: a difference in per cent, a true minus."""
    middle, low, high = (_signed(end, decimals) for end in (gap.value, gap.low, gap.high))
    return f"{middle} % ({low} to {high})"


def _signed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return "…"
    return "0" if round(value, decimals) == 0 else f"{value:+,.{decimals}f}".replace("-", "−")
