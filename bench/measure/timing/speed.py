"""What follows from measured times: throughput, shares of the machine's ceilings, roofline-ideal, warnings."""

from __future__ import annotations

from typing import Any

from bench.cost.roofline import Rates, ideal_speedup
from bench.measure.timing.contenders import Contender
from models.denoiser import Denoiser

DRIFT = 0.05  # of the GEMM rate while a cell was timed: more is a warning
INTERFERED = 0.1  # share of disturbed rounds: more is a warning

Ceilings = dict[str, Any]


def derived(timing: dict[str, Any], work: dict[str, Any], nfe: int, ceilings: Ceilings) -> dict[str, Any]:
    """Rates from the median latency of timing["batch"] images. `gemm_fraction` counts only MACs that were made.

    `work` has `macs` and `macs_baseline` of one image. `enqueue_us` is the host's time per evaluation (CUDA only).
    """
    seconds = timing["latency_ms"]["median"] / 1e3
    achieved = work["macs"] * timing["batch"] / seconds
    found = {
        "throughput": timing["batch"] / seconds,
        "macs_per_s": achieved,
        "gemm_fraction": achieved / ceilings["gemm_macs_per_s"],
    }
    return found | ({"enqueue_us": timing["enqueue_ms"]["median"] * 1e3 / nfe} if "enqueue_ms" in timing else {})


def roofline(
    model: Denoiser,
    contender: Contender,
    timing: dict[str, Any],
    work: dict[str, Any],
    guided: bool,
    ceilings: Ceilings,
) -> dict[str, Any] | None:
    """The roofline-ideal speed-up of a cached method, and the two rates that it stands on; None for uncached ones.

    Arithmetic at the rate that the uncached baseline reached in the same rounds, bytes at the rate of a copy.
    """
    if timing["baseline_ms"] is None:
        return None
    macs_per_s = work["macs_baseline"] * timing["batch"] / (timing["baseline_ms"]["median"] / 1e3)
    rates = Rates(macs_per_s, ceilings["copy_bytes_per_s"])
    value_bytes = next(model.parameters()).element_size()
    speedup = ideal_speedup(model, contender.plan, timing["batch"], guided, value_bytes, rates)
    return {"speedup": speedup, "macs_per_s": rates.macs_per_s, "bytes_per_s": rates.bytes_per_s}


def warnings(timing: dict[str, Any], ceilings: Ceilings, others: int) -> list[str]:
    """One line for each reason to distrust the times."""
    rounds = len(timing["rounds"])
    before, after = ceilings["gemm_before"], ceilings["gemm_after"]
    found = []
    if others:
        found.append(f"{others} other process{'' if others == 1 else 'es'} on the GPU")
    if timing.get("throttled_rounds"):
        found.append(f"the GPU's clock changed or was throttled in {timing['throttled_rounds']} of {rounds} rounds")
    if timing["interfered_rounds"] > INTERFERED * rounds:
        found.append(f"another process interfered in {timing['interfered_rounds']} of {rounds} rounds")
    if not timing["warmup_stable"]:
        found.append(f"times were still changing after {timing['warmup_rounds']} rounds of warm-up")
    if abs(after / before - 1) > DRIFT:
        found.append(f"the GEMM rate changed by {100 * (after / before - 1):+.0f} % while the cell was timed")
    return found


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
