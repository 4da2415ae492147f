"""The metrics: what is measured of samples' quality, and the costs that it is held against. One row each.

A new metric is a row here and the function that computes it: schema, results.csv, report, site, comparison, gate and
`ditbench evaluate` read this table. Its number stands in a cell's `quality` under its key.
"""

from __future__ import annotations

from dataclasses import dataclass

LOWER, HIGHER = "lower", "higher"  # which is better
UNCACHED, REFERENCE = "uncached", "reference"  # paired with the same sampler uncached; with the suite's reference
RATIO, SHARE = "ratio", "share"  # how a gate holds two values together: relative to their size; as a share of samples
PERCENT = "%"  # the unit of a fraction that is shown as per cent


@dataclass(frozen=True)
class Metric:
    """`title` and `label` may hold {distance} (FID or FD) and {reference} (a method's name).

    `beside`: what is stored beside the value as KEY_NAME: `se` its standard error, `low` and `high` its 95 % interval.
    `replicates`: the values without each of the jackknife's groups are stored too, so that differences are paired.
    `raw`: further lists that are stored as KEY_NAME, which verdicts pair.
    """

    key: str
    title: str  # heading of a column
    label: str  # of an axis, the unit left out
    better: str
    meaning: str  # one sentence without its end
    unit: str = ""
    digits: int = 3  # significant ones where no error decides them
    against: str = ""  # UNCACHED or REFERENCE where pairs of samples are compared; else the set as a whole is judged
    beside: tuple[str, ...] = ()
    replicates: bool = False
    raw: tuple[str, ...] = ()
    to_real: bool = False  # compares with a set of real images
    headline: bool = False  # has a place of its own at the front of the results table
    held_by: str = ""  # RATIO or SHARE; empty: no gate holds it, because it may lie around 0 or follows from others
    compared_as: str = ""  # its name in `ditbench compare`, which compares it where it has one

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of its value and of the numbers beside it: in `quality`, and as columns of results.csv."""
        return self.key, *(f"{self.key}_{name}" for name in self.beside)


METRICS: tuple[Metric, ...] = (
    Metric("fd", "{distance}", "{heading}", LOWER, "Fréchet distance to the real images in the named features",
           beside=("se", "corrected", "corrected_low", "corrected_high", "infinity", "infinity_se", "spread"),
           replicates=True, to_real=True, headline=True, held_by=RATIO, compared_as="quality"),
    Metric("sfd", "s{distance}", "Spatial Fréchet distance", LOWER, "the same in spatial features", beside=("se",),
           replicates=True, to_real=True, held_by=RATIO),
    Metric("is", "IS", "Inception score in the same features", HIGHER, "Inception score in the same features",
           beside=("se",), replicates=True, held_by=RATIO),
    Metric("precision", "Precision", "Precision", HIGHER, "samples that lie among the real images",
           to_real=True, held_by=SHARE),
    Metric("recall", "Recall", "Recall", HIGHER, "real images that lie among the samples", to_real=True,
           held_by=SHARE),
    Metric("kid", "KID", "KID", LOWER, "kernel distance to the real images", beside=("se",), replicates=True,
           to_real=True),
    Metric("accuracy", "Accuracy", "Label accuracy", HIGHER, "samples classified as their label", PERCENT,
           beside=("se",), replicates=True, headline=True, held_by=SHARE),
    Metric("psnr", "PSNR", "PSNR to the same steps uncached", HIGHER, "of the images' mean squared error", "dB",
           against=UNCACHED, beside=("low", "high"), held_by=RATIO),
    Metric("psnr_reference", "PSNR", "PSNR against {reference}", HIGHER, "of the images' mean squared error", "dB",
           against=REFERENCE),
    Metric("latent_error", "Latent error", "Latent error to the same steps uncached", LOWER, "relative L2",
           against=UNCACHED, held_by=RATIO),
    Metric("latent_error_reference", "Latent error", "Latent error against {reference}", LOWER,
           "mean relative L2 error of the latents", against=REFERENCE),
    Metric("ssim", "SSIM", "SSIM to the same steps uncached", HIGHER, "structural similarity", against=UNCACHED,
           beside=("low", "high"), held_by=RATIO),
    Metric("lpips", "LPIPS", "LPIPS to the same steps uncached", LOWER, "learned perceptual distance",
           against=UNCACHED),
    Metric("latent_cosine", "Latent cosine", "Latent cosine to the same steps uncached", HIGHER,
           "cosine similarity of the latents", digits=4, against=UNCACHED),
    Metric("ode_error", "Error to the exact solution", "Error to the exact solution of the sampling ODE", LOWER,
           "mean relative L2 distance of the final latents to the exact solution: fidelity, not quality",
           beside=("low", "high", "resolution"), raw=("seeds",), held_by=RATIO),
    Metric("fd_own", "{distance} to own samples", "Fréchet distance to the samples of {reference}", LOWER,
           "Fréchet distance to the reference setting's samples of the same seeds: fidelity, not quality",
           beside=("low", "high"), raw=("jackknife",), held_by=RATIO),
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """A column of results.csv that quality is held against; `low` and `high` name those of its 95 % interval."""

    key: str
    label: str
    better: str = LOWER
    low: str = ""
    high: str = ""
    compared_by: str = RATIO  # of two cells; empty where their paired latencies say it better


COSTS: tuple[Cost, ...] = (
    Cost("latency_paired_ms", "Latency of one batch, ms, paired with {reference}", low="latency_paired_low",
         high="latency_paired_high", compared_by=""),
    Cost("latency_ms", "Measured latency of one batch, ms", low="latency_ci_low", high="latency_ci_high",
         compared_by=""),
    Cost("speedup", "Measured speed-up over the same steps uncached", HIGHER, "speedup_ci_low", "speedup_ci_high", ""),
    Cost("throughput", "Throughput, images/s", HIGHER),
    Cost("macs_g", "GMACs of one image"),
    Cost("nfe", "Evaluations of the denoiser"),
    Cost("peak_memory_mb", "Peak memory, MB"),
    Cost("cache_mb", "Kept tensors of one batch, MB"),
    Cost("energy_j", "Energy of one image, J"),
    Cost("training_s", "Training or calibration, s"),
)  # fmt: skip


def numbers() -> tuple[str, ...]:
    """Names of all numbers of all metrics, in the table's order."""
    return tuple(name for metric in METRICS for name in metric.numbers)


def lists() -> tuple[str, ...]:
    """Names in `quality` of lists of numbers, one a group of samples."""
    raw = (f"{metric.key}_{name}" for metric in METRICS for name in metric.raw)
    return *(f"{metric.key}_jackknife" for metric in with_replicates()), "accuracy_groups", *raw


def with_replicates() -> tuple[Metric, ...]:
    """The metrics of which two cells' difference is paired by groups of samples."""
    return tuple(metric for metric in METRICS if metric.replicates)
