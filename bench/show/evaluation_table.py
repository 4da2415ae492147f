"""The table that `ditbench evaluate` prints: every metric with its error, its sample count in the name."""

from __future__ import annotations

from typing import Any

from bench.show.report.bias import corrected, extrapolated
from bench.show.report.format import between, figure, plus_minus

PAIRED = {  # key -> title, unit
    "psnr": ("PSNR", " dB"),
    "ssim": ("SSIM", ""),
    "lpips": ("LPIPS", ""),
}


def table(found: dict[str, Any]) -> str:
    """What `Evaluation.against` and `compare_pairs` found, as lines for people."""
    lines = [*about(found), "", *distribution(found), *pairs(found), *warnings(found), *omissions(found)]
    return "\n".join(lines).rstrip()


def about(found: dict[str, Any]) -> list[str]:
    if "features" not in found:
        return []
    reference = found["reference"]
    size = found.get("reference_samples")
    of = f" ({size:,} images)" if size else ""
    return [
        f"samples     {found['source']} ({found['samples']:,} images)",
        *([f"reference   {reference}{of}"] if reference is not None else []),
        f"features    {found['features']} ({found['fingerprint']})",
        *([] if found["is_fid"] else ["            not the weights that FID is defined with: FD, not FID"]),
    ]


def distribution(found: dict[str, Any]) -> list[str]:
    """Metrics of the whole set."""
    if "features" not in found:
        return []
    count = f"n={found['samples']:,}"
    fid = "FID" if found["is_fid"] else "FD"
    lines = []
    for key, title in (("fd", fid), ("sfd", f"s{fid}"), ("is", "IS"), ("kid", "KID"), ("accuracy", "accuracy")):
        if found.get(key) is not None:
            lines.append(row(f"{title} ({count})", plus_minus(found[key], found.get(f"{key}_se"))))
        if key == "fd" and found.get(key) is not None:
            lines.append(row("  bias-corrected", corrected(found)))
            lines.append(row(f"  {fid}∞ (n → ∞)", extrapolated(found)))
        if key == "is":
            lines += other_splits(found)
    for key in ("precision", "recall"):
        if found.get(key) is not None:
            lines.append(row(f"{key} ({count})", figure(found[key], 4)))
    return lines


def pairs(found: dict[str, Any]) -> list[str]:
    """Fidelity of pairs."""
    lines = []
    for key, (title, unit) in PAIRED.items():
        if key in found and key not in found["omitted"]:
            value = "∞" if found[key] is None else figure(found[key], 4)
            interval = between(found[f"{key}_low"], found[f"{key}_high"], 4)
            lines.append(row(f"{title} ({found['pairs']:,} pairs)", f"{value}{unit} {interval}".rstrip()))
    if "identical" in found:
        lines.append(row("identical pairs", f"{found['identical']:,}"))
    return lines


def other_splits(found: dict[str, Any]) -> list[str]:
    """The Inception score by other splits, where it is another number."""
    lines = []
    for key, title in (("is_one_split", "  one split"), ("is_adm", "  ADM's splits of 5,000")):
        if found.get(key) is not None and figure(found[key], 4) != figure(found["is"], 4):
            lines.append(row(title, figure(found[key], 4)))
    return lines


def warnings(found: dict[str, Any]) -> list[str]:
    return [f"warning: {text}" for text in found.get("warnings", ())]


def omissions(found: dict[str, Any]) -> list[str]:
    """One line a reason, with all metrics that it keeps away."""
    metrics: dict[str, list[str]] = {}
    for metric, reason in found.get("omitted", {}).items():
        metrics.setdefault(reason, []).append(metric)
    return [f"no {', '.join(names)}: {reason}" for reason, names in metrics.items()]


def row(title: str, value: str) -> str:
    return f"{title:<26}{value}"
