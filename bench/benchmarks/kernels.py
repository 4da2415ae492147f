"""`python -m bench.benchmarks.kernels`: torch's own products against oneDNN's, an MLP at a time and whole trajectories.

One process, one thread, both sides in turns, processor time, a tuned allocator. Writes results/benchmarks/kernels.json;
--quick for a look at three rounds, which writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch

import methods
from bench.benchmarks.allocator import ALLOCATOR, tuned_allocator
from bench.benchmarks.executor import CHANNELS, SCALE, Setting, difference, ratio, scaled, text
from bench.benchmarks.interleaved import interleave
from bench.host.environment import environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.compiled.onednn import BLAS, ONEDNN, gain, measured
from bench.statistics.medians import median_interval

OUT = REPOSITORY / "results" / "benchmarks" / "kernels.json"
WIDTHS, ROWS, MAX_VALUES = (96, 192, 384, 1152), (64, 128, 256, 512, 2048), 2**20  # of rows x width
SETTINGS = (
    Setting("width 96, batch 1", width=96, depth=6, rounds=15),
    Setting("width 192, batch 1", rounds=15),
    Setting("width 192, batch 4", batch=4),
    Setting("DiT-S/2, batch 1", width=384, size=32, steps=5, rounds=7),
    Setting("width 1152, 2 blocks, batch 1", width=1152, depth=2, size=32, steps=5, rounds=7),
)


def measure(setting: Setting, rounds: int) -> dict[str, Any]:
    """Whole trajectories by both kernels, uncached and with FORA at interval 3, and making one ready."""
    model, sampler = setting.model(), methods.build("ddim", steps=setting.steps)
    noise = seeded_noise(range(setting.batch), model.latent_shape)
    labels = balanced_labels(range(setting.batch), 1000)
    calls: dict[str, Any] = {}
    for name, cache in {"uncached": None, "fora": methods.build("fora", interval=3)}.items():
        made = partial(
            prepare, model, sampler, make_plan(model, sampler, cache), batch=setting.batch, guidance_scale=SCALE,
            guidance_channels=CHANNELS,
        )  # fmt: skip
        for kernels in (BLAS, ONEDNN):
            again = partial(made, options=Execution(kernels=kernels))
            calls[f"{kernels} {name}"] = partial(again(), noise, labels)
            if cache is None:
                calls[f"{kernels} prepare"] = again
    error = difference(calls[f"{BLAS} uncached"](), calls[f"{ONEDNN} uncached"]())
    with quiet_interpreter(1):
        times = interleave(calls, rounds)
    return {
        "setting": vars(setting),
        "relative_difference": error,
        "blas_over_onednn": {n: ratio(times, f"{BLAS} {n}", f"{ONEDNN} {n}") for n in ("uncached", "fora")},
        "milliseconds": {n: scaled(median_interval(ns), 1e-6) for n, ns in times["process"].items()},
    }


def mlps(dtype: torch.dtype) -> list[dict[str, Any]]:
    """The gain of one MLP at every width and number of rows."""
    shapes = [(rows, width) for width in WIDTHS for rows in ROWS if rows * width <= MAX_VALUES]
    return [{"width": width, "rows": rows, "gain": round(gain(rows, width, dtype), 3)} for rows, width in shapes]


def table(mlp: dict[str, list[dict[str, Any]]], results: list[dict[str, Any]]) -> str:
    """Markdown: MLPs, then trajectories."""
    lines = ["| " + " | ".join(["MLP", "width", *(f"{rows} rows" for rows in ROWS)]) + " |", "| --- " * 7 + "|"]
    for dtype, rows in mlp.items():
        by = {(r["width"], r["rows"]): f"{r['gain']:.2f}" for r in rows}
        lines += [
            "| " + " | ".join([dtype, str(width), *(by.get((width, n), "–") for n in ROWS)]) + " |" for width in WIDTHS
        ]
    lines += ["", "| setting | blas / onednn | with FORA N = 3 | largest difference | prepare, ms: blas | onednn |",
              "| --- " * 6 + "|"]  # fmt: skip
    for r in results:
        over, ms = r["blas_over_onednn"], r["milliseconds"]
        ready = [f"{ms[f'{kernels} prepare']['median']:.1f}" for kernels in (BLAS, ONEDNN)]
        cells = [r["setting"]["name"], text(over["uncached"]), text(over["fora"]), f"{r['relative_difference']:.0e}"]
        lines.append("| " + " | ".join([*cells, *ready]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds a setting; nothing is written")
    args = parser.parse_args()
    tuned_allocator()
    torch.set_num_threads(1)
    mlp = {str(dtype).removeprefix("torch."): mlps(dtype) for dtype in (torch.float32, torch.bfloat16)}
    results = []
    for setting in SETTINGS:
        print(setting.name, file=sys.stderr)
        results.append(measure(setting, 3 if args.quick else setting.rounds))
    print(table(mlp, results))
    if not args.quick:
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        head = {"command": "python -m bench.benchmarks.kernels", "finished": finished, "allocator": ALLOCATOR,
                "measured": measured(torch.float32)}  # fmt: skip
        write_json(OUT, {**head, "environment": environment(), "mlp": mlp, "results": results})


if __name__ == "__main__":
    main()
