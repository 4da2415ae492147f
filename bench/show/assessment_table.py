"""The table that `ditbench evaluate` prints: every metric with its error, its sample count in the name."""

from __future__ import annotations

from typing import Any

from bench.schema import metrics
from bench.schema.metrics import Metric
from bench.show.report.bias import corrected, extrapolated
from bench.show.report.format import between, figure, plus_minus


def table(result: dict[str, Any]) -> str:
    """What `Assessment.against` and `compare_pairs` give, as lines for people."""
    lines = [*about(result), "", *distribution(result), *pairs(result), *warnings(result), *omissions(result)]
    return "\n".join(lines).rstrip()


def about(result: dict[str, Any]) -> list[str]:
    if "features" not in result:
        return []
    reference = result["reference"]
    size = result.get("reference_samples")
    of = f" ({size:,} images)" if size else ""
    return [
        f"samples     {result['source']} ({result['samples']:,} images)",
        *([f"reference   {reference}{of}"] if reference is not None else []),
        f"features    {result['features']} ({result['fingerprint']})",
        *([] if result["is_fid"] else ["            not the weights that FID is defined with: FD, not FID"]),
    ]


def distribution(result: dict[str, Any]) -> list[str]:
    """Metrics of the whole set."""
    if "features" not in result:
        return []
    fid = "FID" if result["is_fid"] else "FD"
    lines = []
    for metric in metrics.METRICS:
        if metric.against or result.get(metric.key) is None:
            continue
        title = f"{word(metric.title.format(distance=fid))} (n={result['samples']:,})"
        lines.append(row(title, shown(metric, result)))
        if metric.key == "fd":
            lines += [row("  bias-corrected", corrected(result)), row(f"  {fid}∞ (n → ∞)", extrapolated(result))]
        if metric.key == "is":
            lines += other_splits(result)
    return lines


def word(title: str) -> str:
    """A heading as it stands within a line: `precision`, but `KID`."""
    return title if any(letter.isupper() for letter in title[1:]) else title.lower()


def shown(metric: Metric, result: dict[str, Any]) -> str:
    """A metric's value with its standard error or its interval; an infinite one is null in the result."""
    value, unit = result[metric.key], f" {metric.unit}" if metric.unit not in ("", metrics.PERCENT) else ""
    if "se" in metric.beside:
        return f"{plus_minus(value, result.get(f'{metric.key}_se'))}{unit}"
    text = "∞" if value is None else figure(value, 4)
    ends = between(result.get(f"{metric.key}_low"), result.get(f"{metric.key}_high"), 4)
    return f"{text}{unit} {ends}".rstrip()


def pairs(result: dict[str, Any]) -> list[str]:
    """Fidelity of pairs."""
    paired = [
        metric
        for metric in metrics.METRICS
        if metric.against == metrics.UNCACHED and metric.key in result and metric.key not in result["omitted"]
    ]
    lines = [row(f"{metric.title} ({result['pairs']:,} pairs)", shown(metric, result)) for metric in paired]
    if "identical" in result:
        lines.append(row("identical pairs", f"{result['identical']:,}"))
    return lines


def other_splits(result: dict[str, Any]) -> list[str]:
    """The Inception score by other splits, where it is another number."""
    lines = []
    for key, title in (("is_one_split", "  one split"), ("is_adm", "  ADM's splits of 5,000")):
        if result.get(key) is not None and figure(result[key], 4) != figure(result["is"], 4):
            lines.append(row(title, figure(result[key], 4)))
    return lines


def warnings(result: dict[str, Any]) -> list[str]:
    """One line a warning."""
    return [f"warning: {text}" for text in result.get("warnings", ())]


def omissions(result: dict[str, Any]) -> list[str]:
    """One line a reason, with all metrics that it keeps away."""
    by_reason: dict[str, list[str]] = {}
    for metric, reason in result.get("omitted", {}).items():
        by_reason.setdefault(reason, []).append(metric)
    return [f"no {', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def row(title: str, value: str) -> str:
    return f"{title:<26}{value}"
