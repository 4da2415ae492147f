"""Where there are too few samples to take the bias out of a Fréchet distance: that value is not shown."""

from bench.show.report.column import Row
from bench.show.report.format import MISSING, between, figure, plus_minus
from bench.show.report.group import Group

# Dimensions of the shipped extractors' features by their name; a cell does not store them. Of others nothing is known.
DIMENSIONS = {"digit-classifier": 128, "adm": 2048, "clean": 2048, "efficientnet-lite0": 1280}
MIN_PER_DIMENSION = 4  # samples a dimension; with 2 the interval missed the truth too often (docs/uncertainty.md)


def too_few(features: str | None, samples: int | None) -> bool:
    """Whether the 1/n bias of a Fréchet distance of so many samples cannot be taken out."""
    return bool(samples) and samples < MIN_PER_DIMENSION * DIMENSIONS.get(str(features), 0)  # type: ignore[operator]


def reason(features: str, samples: int) -> str:
    """`n=64 is fewer than 4 samples for each of 128 dimensions`."""
    return f"n={samples:,} is fewer than {MIN_PER_DIMENSION} samples for each of {DIMENSIONS[features]:,} dimensions"


def corrected(row: Row) -> str:
    """The bias-corrected distance with its interval; a dash and the reason where it would mean nothing."""
    if too_few(row["features"], row["samples"]):
        return f"{MISSING} ({reason(row['features'], row['samples'])})"
    return f"{figure(row['fd_corrected'])} {between(row['fd_corrected_low'], row['fd_corrected_high'])}".strip()


def extrapolated(row: Row) -> str:
    """The distance at infinitely many samples ± its error, under the same rule."""
    few = too_few(row["features"], row["samples"])
    return MISSING if few else plus_minus(row["fd_infinity"], row["fd_infinity_se"])


def bias_sentence(group: Group) -> str:
    """What verdicts rest on where there are too few samples; empty where there are enough."""
    if not group.cells:
        return ""
    features, samples = group.cells[0].quality.features, group.cells[0].quality.samples
    if features is None or samples is None or not too_few(features, samples):
        return ""
    return (
        f"Too few samples for an {group.distance} without bias: {reason(features, samples)}. Verdicts rest on it all "
        "the same. They say whether something moved, not which setting is better."
    )
