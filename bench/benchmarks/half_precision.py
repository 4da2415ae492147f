"""`python -m bench.benchmarks.half_precision`: what bfloat16 gains on this processor, and what it costs in error.

One process, one thread, the compiled path; float32 and bfloat16, uncached and with FORA at interval 3, in an order
drawn anew each round. Errors are relative L2 distances to the exact solution, in float32: DPM-Solver++ of order 3 with
100 steps. Of the shipped model they are those of images; networks of the larger widths have random weights, so theirs
are of arithmetic alone. Writes results/benchmarks/half_precision.json; --quick for a look.
"""

from __future__ import annotations

import argparse
import copy
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import Tensor

import methods
import models
from bench.benchmarks import executor
from bench.benchmarks.allocator import ALLOCATOR, tuned_allocator
from bench.benchmarks.executor import CHANNELS, SCALE, ratio, scaled, text
from bench.benchmarks.interleaved import interleave
from bench.host.environment import bfloat16_instructions, environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.quality.metrics.paired import latent_error
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Run, prepare
from bench.statistics.medians import median_interval

OUT = REPOSITORY / "results" / "benchmarks" / "half_precision.json"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
EXACT = ("dpm-solver++", {"steps": 100, "order": 3})


@dataclass(frozen=True)
class Setting:
    """A shipped model, or a network of executor.py's by its size; `target` is the least float32 / bfloat16."""

    name: str
    target: float
    batch: int = 1
    trained: str = ""
    size: dict[str, int] | None = None
    steps: int = 20
    rounds: int = 15

    def model(self) -> Any:
        if self.trained:
            return models.build(self.trained)
        return executor.Setting(self.name, **(self.size or {})).model()


SETTINGS = (
    Setting("width 96, batch 1 (dit-mnist)", 1.4, trained="dit-mnist"),
    Setting("width 96, batch 8 (dit-mnist)", 1.4, batch=8, trained="dit-mnist"),
    Setting("width 384, batch 1 (DiT-S/2)", 1.9, size={"width": 384, "size": 32}, steps=10, rounds=7),
    Setting("width 1152, 2 blocks, batch 1", 2.2, size={"width": 1152, "depth": 2, "size": 32}, steps=7, rounds=7),
)


def measure(setting: Setting, rounds: int) -> dict[str, Any]:
    """Errors first, then times, at one setting."""
    whole = setting.model()
    noise = seeded_noise(range(setting.batch), whole.latent_shape)
    labels = balanced_labels(range(setting.batch), 10)
    exact = run_of(setting, whole, methods.build(EXACT[0], **EXACT[1]), None)(noise, labels)
    calls, samples = {}, {}
    for dtype, kind in DTYPES.items():
        model = copy.deepcopy(whole).to(kind)
        for name, cache in {"uncached": None, "fora": methods.build("fora", interval=3)}.items():
            run = run_of(setting, model, methods.build("ddim", steps=setting.steps), cache)
            calls[f"{dtype} {name}"] = partial(run, noise.to(kind), labels)
            samples[f"{dtype} {name}"] = calls[f"{dtype} {name}"]().float().clone()
    with quiet_interpreter(1):
        times = interleave(calls, rounds)
    return {
        "setting": vars(setting),
        "float32_over_bfloat16": {n: ratio(times, f"float32 {n}", f"bfloat16 {n}") for n in ("uncached", "fora")},
        "milliseconds": {name: scaled(median_interval(ns), 1e-6) for name, ns in times["process"].items()},
        "error_to_exact": {name: mean_error(out, exact) for name, out in samples.items()},
        "bfloat16_to_float32": mean_error(samples["bfloat16 uncached"], samples["float32 uncached"]),
    }


def run_of(setting: Setting, model: Any, sampler: Any, cache: Any) -> Run:
    """A prepared trajectory with DiT's guidance."""
    plan, channels = make_plan(model, sampler, cache), None if setting.trained else CHANNELS
    return prepare(model, sampler, plan, batch=setting.batch, guidance_scale=SCALE, guidance_channels=channels)


def mean_error(latents: Tensor, exact: Tensor) -> float:
    """Mean over images of the relative L2 distance."""
    return float(latent_error(latents, exact).mean())


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: one row a setting."""
    head = ["setting", "float32 / bfloat16", "target", "with FORA N = 3", "error, float32", "error, bfloat16",
            "bfloat16 to float32"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for r in results:
        gain, error = r["float32_over_bfloat16"], r["error_to_exact"]
        row = [r["setting"]["name"], text(gain["uncached"]), f"≥ {r['setting']['target']:g}", text(gain["fora"]),
               f"{error['float32 uncached']:.4f}", f"{error['bfloat16 uncached']:.4f}",
               f"{r['bfloat16_to_float32']:.4f}"]  # fmt: skip
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds a setting; nothing is written")
    parser.add_argument("--only", default="", help="settings whose name contains this; nothing is written")
    args = parser.parse_args()
    tuned_allocator()
    torch.set_num_threads(1)
    results = []
    for setting in (s for s in SETTINGS if args.only in s.name):
        print(setting.name, file=sys.stderr)
        results.append(measure(setting, 3 if args.quick else setting.rounds))
    print(table(results))
    if not args.quick and not args.only:
        head = {"command": "python -m bench.benchmarks.half_precision", "allocator": ALLOCATOR,
                "instructions": bfloat16_instructions(), "exact": list(EXACT),
                "finished": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
        write_json(OUT, {**head, "environment": environment(), "results": results})


if __name__ == "__main__":
    main()
