"""What follows from measured times: throughput, shares of the machine's ceilings, roofline-ideal, flags."""

from __future__ import annotations

from typing import Any

from bench.cost.roofline import Rates, ideal_speedup
from bench.measure.timing.contenders import Contender
from bench.statistics.medians import is_resolved
from models.denoiser import Denoiser

THROTTLED = 0.1  # share of rounds in which the GPU was throttled: more is a flag

Ceilings = dict[str, Any]
Flag = dict[str, Any]


def derived(timing: dict[str, Any], work: dict[str, Any], nfe: int, ceilings: Ceilings) -> dict[str, Any]:
    """Rates from the median latency of timing["batch"] images. `gemm_fraction` counts only MACs that were made.

    `work` has `macs` and `macs_baseline` of one image. `enqueue_us` is the host's time per evaluation (CUDA only).
    """
    seconds = timing["latency_ms"]["median"] / 1e3
    achieved = work["macs"] * timing["batch"] / seconds
    rates = {
        "throughput": timing["batch"] / seconds,
        "macs_per_s": achieved,
        "gemm_fraction": achieved / ceilings["gemm_macs_per_s"],
    }
    return rates | ({"enqueue_us": timing["enqueue_ms"]["median"] * 1e3 / nfe} if "enqueue_ms" in timing else {})


def roofline(
    model: Denoiser,
    contender: Contender,
    timing: dict[str, Any],
    work: dict[str, Any],
    guided: bool,
    ceilings: Ceilings,
) -> dict[str, Any] | None:
    """The roofline-ideal speed-up of a cached method, and the two rates that it stands on; None for uncached ones.

    None as well of a library's, which keeps what it likes.
    Arithmetic at the rate that the uncached baseline reached in the same rounds, bytes at the rate of a copy.
    """
    if timing["baseline_ms"] is None or contender.engine is not None:
        return None
    macs_per_s = work["macs_baseline"] * timing["batch"] / (timing["baseline_ms"]["median"] / 1e3)
    rates = Rates(macs_per_s, ceilings["copy_bytes_per_s"])
    value_bytes = next(model.parameters()).element_size()
    speedup = ideal_speedup(model, contender.plan, timing["batch"], guided, value_bytes, rates)
    return {"speedup": speedup, "macs_per_s": rates.macs_per_s, "bytes_per_s": rates.bytes_per_s}


def flags(timing: dict[str, Any], others: int) -> list[Flag]:
    """What changes a conclusion that a reader would draw from these times: a `code` and the numbers behind it.

    Disturbed rounds, a warm-up that did not settle and a machine that changed its pace are in the intervals, since
    ratios are taken within rounds and between processes.
    """
    raised: list[Flag] = []
    speedup, own = timing["speedup"], timing["resolution"]
    if speedup and own and not is_resolved(speedup, own):
        ends = {"low": speedup["low"], "high": speedup["high"], "aa_low": own["low"], "aa_high": own["high"]}
        raised.append({"code": "speedup-unresolved", **ends})
    if own and not own["low"] <= 1 <= own["high"]:
        raised.append({"code": "aa-differs", "low": own["low"], "high": own["high"]})
    if others:
        raised.append({"code": "gpu-shared", "processes": others})
    rounds, throttled = len(timing["rounds"]), timing.get("throttled_rounds") or 0
    if throttled > THROTTLED * rounds:
        raised.append({"code": "gpu-throttled", "rounds": throttled, "of": rounds})
    return raised


def telemetry(rounds: list[dict[str, Any]]) -> dict[str, Any] | None:
    """All rounds' GPU readings as one; None where there are none."""
    seen = [r["gpu"] for r in rounds if r.get("gpu")]
    if not seen:
        return None
    readings = sum(gpu["readings"] for gpu in seen)
    return {
        "readings": readings,
        "sm_mhz": _ends(seen, "sm_mhz"),
        "memory_mhz": _ends(seen, "memory_mhz"),
        "power_w": round(sum(gpu["power_w"] * gpu["readings"] for gpu in seen) / readings, 1),
        "temperature_c": max(gpu["temperature_c"] for gpu in seen),
        "reasons": sorted({reason for gpu in seen for reason in gpu["reasons"]}),
    }


def _ends(seen: list[dict[str, Any]], name: str) -> list[int]:
    return [min(gpu[name][0] for gpu in seen), max(gpu[name][1] for gpu in seen)]
