"""`python -m bench.benchmarks.executor`: the compiled path against published code's way and against the plain path.

One process, one thread, the same weights and inputs, a tuned allocator for every side. Writes results/benchmarks/
executor.json and prints the table of docs/performance.md. About 15 minutes on a quiet machine; --quick for a look.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

import methods
from bench.benchmarks.allocator import ALLOCATOR, tuned_allocator
from bench.benchmarks.interleaved import Times, interleave
from bench.benchmarks.products import Products
from bench.benchmarks.published_loop import PublishedLoop
from bench.cost.plan_cost import plan_macs
from bench.host.environment import environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.compiled.onednn import MEASURED, maker
from bench.sampling.executor import Executor
from bench.statistics.medians import Interval, median_interval, ratio_interval
from methods.plan import Plan, from_mask
from models.dit import DiT

SCALE, CHANNELS = 1.5, 3  # DiT's published guidance
OUT = REPOSITORY / "results" / "benchmarks" / "executor.json"


@dataclass(frozen=True)
class Setting:
    """A network's size, a batch and a number of DDIM steps; `target` is the least published / compiled."""

    name: str
    width: int = 192
    depth: int = 12
    size: int = 16  # of the latents: (size / 2)^2 tokens
    batch: int = 1
    steps: int = 10
    rounds: int = 9
    target: float | None = None

    def model(self) -> DiT:
        model = DiT(self.size, 2, 4, self.width, self.depth, max(1, self.width // 64))
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():  # DiT starts with zero gates: every branch must count
            parameter.data = torch.randn(parameter.shape, generator=generator) * min(0.05, self.width**-0.5)
        return model.eval().requires_grad_(False)


TARGETS = [  # the cached methods run in these
    Setting("width 192, batch 1", target=1.5, rounds=15),
    Setting("width 192, batch 4", batch=4, target=1.25),
    Setting("DiT-S/2, batch 1", width=384, size=32, target=1.15),
    Setting("width 1152, depth 2, batch 1", width=1152, depth=2, size=32, steps=7, target=1.0, rounds=7),
]
SCALING = [
    *(Setting(f"batch {b}", batch=b, steps=4, rounds=max(3, 9 - b // 8)) for b in (1, 4, 16, 64)),
    *(Setting(f"depth {d}", depth=d, steps=4) for d in (3, 24)),
    *(Setting(f"width {w}", width=w, depth=4, steps=4) for w in (64, 768)),
    *(Setting(f"{(s // 2) ** 2} tokens", size=s, depth=4, steps=4) for s in (8, 32)),
]
HOST = [Setting("host overhead", width=16, depth=12, size=4, steps=50, rounds=25)]  # arithmetic takes no time here


def plans(model: DiT, sampler: Any, steps: int) -> dict[str, Plan]:
    """Uncached, FORA at interval 3, and half of the branches of every other step removed, as an L2C router would."""
    removed = np.ones((steps, model.num_branches), dtype=bool)
    rng = np.random.default_rng(0)
    for k in range(1, steps, 2):
        removed[k, rng.permutation(model.num_branches)[: model.num_branches // 2]] = False
    fora = methods.build("fora", interval=3)
    return {
        "uncached": make_plan(model, sampler, None),
        "fora": make_plan(model, sampler, fora),
        "l2c": from_mask(removed),
    }


def measure(setting: Setting, cached: bool, quick: bool) -> dict[str, Any]:
    """Published loop, plain path and compiled path at one setting."""
    model, sampler = setting.model(), methods.build("ddim", steps=setting.steps)
    noise = seeded_noise(range(setting.batch), model.latent_shape)
    labels = balanced_labels(range(setting.batch), 1000)
    chosen = {k: p for k, p in plans(model, sampler, setting.steps).items() if cached or k == "uncached"}
    runs: dict[str, Any] = {}
    for name, plan in chosen.items():
        runs[f"published {name}"] = PublishedLoop(model, sampler, plan, SCALE, CHANNELS)
        for path in ("compiled", "plain") if name == "uncached" else ("compiled",):
            runs[f"{path} {name}"] = prepare(
                model, sampler, plan, batch=setting.batch, guidance_scale=SCALE, guidance_channels=CHANNELS,
                options=Execution(path),
            )  # fmt: skip
        if cached:
            fastest = maker(MEASURED, model.x_embedder.proj.weight)  # the ceiling is the processor's, whoever uses it
            runs[f"products {name}"] = Products(model, plan, labels, fastest)
    contestants = {name: partial(run, noise, labels) for name, run in runs.items()}
    error = difference(contestants["published uncached"](), contestants["compiled uncached"]())
    with quiet_interpreter(1):
        times = interleave(contestants, 3 if quick else setting.rounds)
    result = {"setting": vars(setting), "relative_difference": error, **ratios(times, chosen)}
    if cached:
        result["published_over_products"] = {n: ratio(times, f"published {n}", f"products {n}") for n in chosen}
        result["products_over_compiled"] = {n: ratio(times, f"products {n}", f"compiled {n}") for n in chosen}
    result["cached"] = {n: cached_result(n, model, chosen, times, runs, setting) for n in chosen if n != "uncached"}
    return result


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((a - b).abs().max() / a.abs().max())


def ratios(times: Times, chosen: dict[str, Plan]) -> dict[str, Any]:
    return {
        "published_over_compiled": {n: ratio(times, f"published {n}", f"compiled {n}") for n in chosen},
        "plain_over_compiled": ratio(times, "plain uncached", "compiled uncached"),
        "milliseconds": {n: scaled(median_interval(ns), 1e-6) for n, ns in times["process"].items()},
    }


def ratio(times: Times, slow: str, fast: str, factor: float = 1.0) -> dict[str, Any]:
    """`factor` times slow / fast in processor time, which waiting does not lengthen; the same of the wall clock."""
    by = {clock: scaled(ratio_interval(t[slow], t[fast]), factor) for clock, t in times.items()}
    return {**by["process"], "wall": by["wall"]}


def scaled(interval: Interval, factor: float) -> Interval:
    return {key: round(value * factor, 6) for key, value in interval.items()}


def cached_result(
    name: str, model: DiT, chosen: dict[str, Plan], times: Times, runs: dict[str, Any], setting: Setting
) -> dict[str, Any]:
    """A cached plan's realised share of its MAC-ideal speed-up, and its cache, predicted and as allocated."""
    ideal = plan_macs(model, chosen["uncached"]) / plan_macs(model, chosen[name])
    return {
        "mac_ideal": ideal,
        "realised_over_ideal": ratio(times, "compiled uncached", f"compiled {name}", 1 / ideal),
        "published_realised_over_ideal": ratio(times, "published uncached", f"published {name}", 1 / ideal),
        "cache_bytes_predicted": Executor(model, chosen[name]).cache_bytes(setting.batch),
        "cache_bytes": runs[f"compiled {name}"].kept_bytes,
    }


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: one row a setting."""
    head = ["setting", "published / compiled", "target", "FORA N=3", "L2C half", "plain / compiled", "realised / ideal",
            "published / products (uncached, FORA, L2C)"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for r in (r for part in results.values() for r in part):
        over, cached = r["published_over_compiled"], r["cached"]
        share = ", ".join(f"{n} {text(c['realised_over_ideal'])}" for n, c in cached.items())
        cells = [text(over[n]) if n in over else "" for n in ("uncached", "fora", "l2c")]
        floors = ", ".join(text(floor) for floor in r.get("published_over_products", {}).values())
        target = r["setting"]["target"]
        row = [r["setting"]["name"], cells[0], f"≥ {target:g}" if target else "", *cells[1:],
               text(r["plain_over_compiled"]), share, floors]  # fmt: skip
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def text(interval: dict[str, Any]) -> str:
    return f"{interval['median']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds a setting; nothing is written")
    parser.add_argument("--only", default="", help="settings whose name contains this")
    args = parser.parse_args()
    tuned_allocator()
    torch.set_num_threads(1)
    results: dict[str, list[dict[str, Any]]] = {}
    for part, settings in {"targets": TARGETS, "scaling": SCALING, "host": HOST}.items():
        results[part] = []
        for setting in (s for s in settings if args.only in s.name):
            print(f"{part}: {setting.name}", file=sys.stderr)
            results[part].append(measure(setting, part == "targets", args.quick))
    host = [r["milliseconds"] for r in results["host"]]
    print(table(results))
    for row in host:
        each = {n: round(1e3 * ms["median"] / HOST[0].steps) for n, ms in row.items()}
        print(f"host overhead, µs a step of 12 blocks: {each}")
    if not args.quick and not args.only:
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        head = {"command": "python -m bench.benchmarks.executor", "finished": finished, "allocator": ALLOCATOR}
        write_json(OUT, {**head, "environment": environment(), "results": results})


if __name__ == "__main__":
    main()
