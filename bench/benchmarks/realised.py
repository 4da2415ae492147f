"""`python -m bench.benchmarks.realised`: which share of its MAC-ideal speed-up each cache method realises.

One process, one thread, the compiled path, width 192: uncached and every method in an order drawn anew each round.
The MAC-ideal is that of the plan which the trajectory took, what a policy computes for itself included; a policy's
decisions are timed apart, and so is what reuse cannot do without (bench/benchmarks/reuse_floor.py): the ceiling is the
share that code would realise which computes at the uncached trajectory's rate and spends no more than that on reuse.
Writes results/benchmarks/realised.json; --quick for a look, --only for some methods.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

import methods
from bench.benchmarks.allocator import ALLOCATOR, tuned_allocator
from bench.benchmarks.executor import CHANNELS, SCALE, Setting, ratio, scaled, text
from bench.benchmarks.interleaved import interleave
from bench.benchmarks.peers.settings import every_third
from bench.benchmarks.reuse_floor import ReuseFloor, computed_share
from bench.cost.plan_cost import plan_macs
from bench.host.environment import environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import prepare
from bench.statistics.medians import ratio_interval
from methods.policy import Decisions

OUT = REPOSITORY / "results" / "benchmarks" / "realised.json"
STATIC, INPUT, TOKENS = "static", "input-dependent", "token-wise"
TARGETS = {STATIC: 0.97, INPUT: 0.93, TOKENS: 0.90}  # realised / MAC-ideal
DECISION_TARGET = 0.01  # of an uncached evaluation
STEPS = 20


@dataclass(frozen=True)
class Contestant:
    """A method at a setting that reuses a good part of this network's random trajectory."""

    method: str
    kind: str
    params: dict[str, Any] = field(default_factory=dict)


CONTESTANTS = [
    Contestant("fora", STATIC, {"interval": 3}),
    Contestant("deepcache", STATIC, {"interval": 3}),
    Contestant("smoothcache", STATIC, {"schedule": every_third(STEPS)}),
    Contestant("taylorseer", STATIC),
    Contestant("hicache", STATIC),
    Contestant("delta-dit", STATIC),
    Contestant("first-block-cache", INPUT, {"threshold": 0.9}),
    Contestant("dbcache", INPUT, {"front": 1, "warmup": 4, "threshold": 0.9}),
    Contestant("teacache", INPUT, {"threshold": 0.5}),
    Contestant("easycache", INPUT, {"threshold": 0.9, "warmup": 2}),
    Contestant("speca", INPUT, {"metric": "l2"}),
    Contestant("clusca", TOKENS),
    Contestant("toca", TOKENS),
    Contestant("duca", TOKENS),
]


LOOKS = ("branch_input", "output_of", "branch", "attention", "values")  # of a frame: the network's work


class Stopwatch:
    """Processor time in a policy's calls, less the network's part of it, which counts as work."""

    seconds = 0.0

    def over(self, call: Callable[..., Any], sign: int = 1) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            started = time.process_time()
            try:
                return call(*args)
            finally:
                self.seconds += sign * (time.process_time() - started)

        return timed

    def decision(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call(k, point or branch, look)` timed without the looks into the network."""

        def watched(k: int, index: int, look: Any) -> Any:
            if LOOKS[0] not in vars(look):
                for name in LOOKS:
                    setattr(look, name, self.over(getattr(look, name), -1))
            return timed(k, index, look)

        timed = self.over(call)
        return watched


def decision_seconds(run: Any, call: Callable[[], object], rounds: int) -> float:
    """Median of a trajectory's seconds in `decide` and `fresh`."""
    script, seconds = run.program.script, []
    begin = script.begin
    for _ in range(rounds):
        watch = Stopwatch()

        def watched(watch: Stopwatch = watch) -> None:
            begin()
            decisions: Decisions = script.decisions
            decisions.decide = watch.decision(decisions.decide)  # type: ignore[method-assign]
            decisions.fresh = watch.decision(decisions.fresh)  # type: ignore[method-assign]

        script.begin = watched
        call()
        seconds.append(watch.seconds)
    script.begin = begin
    return float(np.median(seconds))


def measure(batch: int, rounds: int, chosen: list[Contestant]) -> list[dict[str, Any]]:
    """One row a method at this batch."""
    model, sampler = Setting("", batch=batch).model(), methods.build("ddim", steps=STEPS)
    noise = seeded_noise(range(batch), model.latent_shape)
    labels = balanced_labels(range(batch), 1000)
    caches = {"uncached": None} | {c.method: methods.build(c.method, **c.params) for c in chosen}
    runs = {
        name: prepare(
            model, sampler, make_plan(model, sampler, cache), batch=batch,
            guidance_scale=SCALE, guidance_channels=CHANNELS,
        )
        for name, cache in caches.items()
    }  # fmt: skip
    calls = {name: partial(run, noise, labels) for name, run in runs.items()}
    taken = {name: (call(), runs[name].taken())[1] for name, call in calls.items()}
    floors = {f"reuse {c.method}": ReuseFloor(model, taken[c.method], labels) for c in chosen}
    with quiet_interpreter(1):
        times = interleave({**calls, **floors}, rounds)
        decisions = {c.method: decision_seconds(runs[c.method], calls[c.method], min(rounds, 5)) for c in chosen}
    whole, uncached_s = plan_macs(model, taken["uncached"]), np.median(times["process"]["uncached"]) / 1e9
    rows = []
    for c in chosen:
        ideal, share = whole / plan_macs(model, taken[c.method]), computed_share(model, taken[c.method])
        rows.append({
            "method": c.method, "kind": c.kind, "params": c.params, "batch": batch, "mac_ideal": round(ideal, 4),
            "realised_over_ideal": ratio(times, "uncached", c.method, 1 / ideal), "target": TARGETS[c.kind],
            "ceiling": ceiling(times["process"], f"reuse {c.method}", ideal, share),
            "decision_over_uncached_evaluation": round(decisions[c.method] / uncached_s, 5),
        })  # fmt: skip
    return rows


def ceiling(times: dict[str, list[int]], reuse: str, ideal: float, share: float) -> dict[str, float]:
    """(uncached / ideal) over (what is computed, at the uncached rate, and the floor of what is reused), by rounds."""
    best = [ns / ideal for ns in times["uncached"]]
    least = [share * ns + floor for ns, floor in zip(times["uncached"], times[reuse], strict=True)]
    return scaled(ratio_interval(best, least), 1.0)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: one row a method and batch."""
    head = ["method", "kind", "batch", "MAC-ideal", "realised / MAC-ideal", "target", "ceiling",
            "decision / evaluation"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for r in rows:
        decision = f"{100 * r['decision_over_uncached_evaluation']:.2f} %"
        cells = [r["method"], r["kind"], str(r["batch"]), f"{r['mac_ideal']:.2f}", text(r["realised_over_ideal"]),
                 f"≥ {r['target']:g}", f"{r['ceiling']['median']:.2f}", decision]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five rounds a batch; nothing is written")
    parser.add_argument("--only", nargs="+", default=[], help="methods; nothing is written")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    args = parser.parse_args()
    tuned_allocator()
    torch.set_num_threads(1)
    chosen = [c for c in CONTESTANTS if not args.only or c.method in args.only]
    rows: list[dict[str, Any]] = []
    for batch in args.batch:
        print(f"batch {batch}", file=sys.stderr)
        rows += measure(batch, 5 if args.quick else 15 if batch == 1 else 7, chosen)
    print(table(rows))
    if not args.quick and not args.only:
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        head = {"command": "python -m bench.benchmarks.realised", "finished": finished, "allocator": ALLOCATOR}
        write_json(OUT, {**head, "environment": environment(), "decision_target": DECISION_TARGET, "results": rows})


if __name__ == "__main__":
    main()
