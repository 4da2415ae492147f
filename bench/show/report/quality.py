"""The columns of further quality metrics, each with its error or interval and, where it depends on one, the count."""

from bench.show.report.bias import corrected, extrapolated
from bench.show.report.column import Column, Row
from bench.show.report.format import between, figure, plus_minus
from bench.show.report.group import Group


def quality_columns(group: Group) -> list[Column]:
    """Distribution metrics under their sample count, then what is paired with the same sampler uncached."""
    d, count = group.distance, counted(group)
    uncached = "against the same sampler uncached, same seeds"
    return [
        Column(f"{d} without bias", f"bias-corrected {d} and its 95 % interval: of infinitely many samples",
               corrected, "fd_corrected"),
        Column(f"{d}∞", f"{d} extrapolated in 1/n to infinitely many samples ± standard error",
               extrapolated, "fd_infinity"),
        Column(counted(group, f"Spread of {d}", 4), f"standard deviation of {d} between four disjoint ranges of seeds",
               lambda r: figure(r["fd_spread"]), "fd_spread"),
        Column(f"s{d}{count}", "the same in spatial features ± standard error; lower is better",
               lambda r: plus_minus(r["sfd"], r["sfd_se"]), "sfd"),
        Column(f"Precision{count}", "higher is better", lambda r: figure(r["precision"]), "precision"),
        Column(f"Recall{count}", "higher is better", lambda r: figure(r["recall"]), "recall"),
        Column(f"KID{count}", "± standard error; lower is better", lambda r: plus_minus(r["kid"], r["kid_se"]), "kid"),
        Column(f"IS{count}", "Inception score in the same features ± standard error; higher is better",
               lambda r: plus_minus(r["is"], r["is_se"]), "is"),
        Column("PSNR, dB", f"{uncached}, with its 95 % interval", lambda r: with_interval(r, "psnr"), "psnr"),
        Column("SSIM", f"{uncached}, with its 95 % interval", lambda r: with_interval(r, "ssim"), "ssim"),
        Column("LPIPS", uncached, lambda r: figure(r["lpips"]), "lpips"),
        Column("Latent error", f"relative L2 {uncached}", lambda r: figure(r["latent_error"]), "latent_error"),
        Column("Latent cosine", uncached, lambda r: figure(r["latent_cosine"], 4), "latent_cosine"),
    ]  # fmt: skip


def counted(group: Group, name: str = "", parts: int = 1) -> str:
    """`KID, n=2,000`: the count is part of the name, because the value depends on it."""
    samples = group.cells[0].quality.samples if group.cells else None
    return name if samples is None else f"{name}, n={samples // parts:,}"


def with_interval(row: Row, value: str) -> str:
    """`1.23 [1.10, 1.36]`, or the value alone where it has no interval."""
    return f"{figure(row[value])} {between(row[f'{value}_low'], row[f'{value}_high'])}".strip()
