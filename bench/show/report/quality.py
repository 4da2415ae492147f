"""The columns of further quality metrics, each with its error or interval and, where it depends on one, the count."""

from functools import partial

from bench.judge.quality_axis import FD_OWN, ODE_ERROR
from bench.schema import metrics
from bench.schema.metrics import Metric
from bench.show.report.bias import corrected, extrapolated
from bench.show.report.column import FIDELITY, QUALITY, Column, Row
from bench.show.report.format import between, figure, plus_minus
from bench.show.report.group import Group


def quality_columns(group: Group) -> list[Column]:
    """What there is of the distance beside its value, then every other metric of a cell by itself."""
    d = group.distance
    return [
        Column(f"{d} without bias", f"bias-corrected {d} and its 95 % interval: of infinitely many samples",
               corrected, "fd_corrected", view=QUALITY),
        Column(f"{d}∞", f"{d} extrapolated in 1/n to infinitely many samples ± standard error",
               extrapolated, "fd_infinity", view=QUALITY),
        Column(counted(group, f"Spread of {d}", 4), f"standard deviation of {d} between four disjoint ranges of seeds",
               lambda r: figure(r["fd_spread"]), "fd_spread", view=QUALITY),
        *(metric_column(metric, group) for metric in metrics.METRICS
          if not metric.headline and metric.against != metrics.REFERENCE),
    ]  # fmt: skip


def metric_column(metric: Metric, group: Group) -> Column:
    """A metric under its sample count, or its unit where pairs are compared, with its error or interval."""
    title = metric.title.format(distance=group.distance)
    heading = f"{title}, {metric.unit}" if metric.unit else title
    heading = heading if metric.against else counted(group, heading)
    pairs = " against the same sampler uncached, same seeds" if metric.against else ""
    error = (
        " ± standard error" if "se" in metric.beside else ", with its 95 % interval" if "low" in metric.beside else ""
    )
    meaning = f"{metric.meaning}{pairs}{error}; {metric.better} is better"
    view = FIDELITY if metric.against or metric.key in (FD_OWN, ODE_ERROR) else QUALITY
    return Column(heading, meaning, partial(metric_text, metric), metric.key, view=view)


def metric_text(metric: Metric, row: Row) -> str:
    """`1.23 ± 0.04`, `1.23 [1.10, 1.36]`, or the value alone where neither is stored."""
    if "se" in metric.beside:
        return plus_minus(row[metric.key], row[f"{metric.key}_se"])
    value = figure(row[metric.key], metric.digits)
    if "low" not in metric.beside:
        return value
    return f"{value} {between(row[f'{metric.key}_low'], row[f'{metric.key}_high'])}".strip()


def counted(group: Group, name: str = "", parts: int = 1) -> str:
    """`KID, n=2,000`: the count is part of the name, because the value depends on it."""
    samples = group.cells[0].quality.samples if group.cells else None
    return name if samples is None else f"{name}, n={samples // parts:,}"
