"""The axes of the first plot: every setting's difference to the reference, with its paired interval, per cent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.show.report.group import Group
from bench.statistics.interval import Interval


@dataclass(frozen=True)
class Gaps:
    """One axis: `name` in the switch, `label` beside it, `of` an interval for every setting by slug; lower is better.

    In per cent of the reference's Fréchet distance, or of the latents' size. `bound`: what counts as no worse.
    """

    key: str
    name: str
    label: str
    of: Mapping[str, Interval]
    speedups: Mapping[str, Interval]
    bound: float | None


def gaps_of(group: Group) -> list[Gaps]:
    """Quality first, then what is called fidelity; only axes on which two settings or more have a place."""
    d, name = group.distance, group.reference.method if group.reference else "the reference"
    wanted = (
        ("fd", f"Quality ({d})", f"{d} compared with {name}"),
        ("ode_error", "Fidelity to the ODE", f"ode_error above that of {name}, % of the latents"),
        ("fd_own", "Fidelity to uncached", f"fd_own, as a share of the {d} of {name}"),
    )
    axes = [_axis(group, key, title, label) for key, title, label in wanted]
    return [axis for axis in axes if axis is not None]


def _axis(group: Group, key: str, title: str, label: str) -> Gaps | None:
    found, margins = group.against[key], group.decision().margins
    unit = 1.0 if key == "ode_error" else distance_unit(group)
    if unit is None or len(found.above) < 2:
        return None
    of = {slug: percent(gap, unit) for slug, gap in found.above.items()}
    bound = 100 * margins.allowance / unit if margins and key == group.judging.axis else None
    return Gaps(key, title, label, of, found.speedups, bound)


def distance_unit(group: Group) -> float | None:
    """The reference's distance without bias, which is 100 %; None where it is not above zero."""
    value = group.against["fd"].reference_value
    return value if value is not None and value > 0 else None


def percent(gap: Interval, unit: float) -> Interval:
    """A difference as per cent of `unit`."""
    return Interval(*(100 * end / unit for end in (gap.value, gap.low, gap.high)))
