"""Cache methods against their published implementations: the same setting on the same weights, taking turns.

`python -m bench.benchmarks.peers [--rounds N] [--threads N] [--only TEXT] [OUT]` writes results/benchmarks/peers.json.
It needs the optional extra `peers`; a library that is not installed is left out, and `left_out` says so. One process,
the same threads, noise and labels, a tuned allocator on both sides. Before anything is timed the evaluations that
compute a branch must be the same ones, and the samples equal; else the benchmark ends with an error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import methods
import models
from bench.benchmarks.allocator import ALLOCATOR, tuned_allocator
from bench.benchmarks.executor import text
from bench.benchmarks.interleaved import Times, interleave
from bench.benchmarks.peers_diffusers import PEERS, Loop
from bench.host.environment import environment, version
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Run, prepare
from bench.statistics.medians import median_interval, ratio_interval
from models.dit import DiT

OUT = REPOSITORY / "results" / "benchmarks" / "peers.json"
SCALE, STEPS, TOLERANCE = 1.5, 20, 1e-4  # of max|samples|
TARGET = 1.3
Inputs = tuple[Tensor, Tensor]  # noise [B,C,H,W] and labels [B]


@dataclass(frozen=True)
class Setting:
    """A network's size and a batch."""

    name: str
    width: int = 192
    depth: int = 12
    size: int = 16  # of the latents: (size / 2)^2 tokens
    batch: int = 1
    trained: str = ""  # a shipped model's name, instead of a size
    rounds: int = 15

    def model(self) -> Any:
        """A DiT with trained weights, or with random ones under which the first block's residual changes slowly."""
        if self.trained:
            return models.build(self.trained)
        model = DiT(self.size, 2, 4, self.width, self.depth, max(1, self.width // 64))
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():  # DiT starts with zero gates: every branch must count
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.03
        return model.eval().requires_grad_(False)

    @property
    def threshold(self) -> float:
        """Of the policies: one at which some evaluations reuse and others do not."""
        return 0.1 if self.trained else 0.4


SETTINGS = (
    Setting("width 192, batch 1"),
    Setting("width 192, batch 4", batch=4),
    Setting("DiT-S/2, batch 1", width=384, size=32, rounds=7),
    Setting("DiT-S/2, batch 4", width=384, size=32, batch=4, rounds=5),
    Setting("dit-mnist, batch 8", batch=8, trained="dit-mnist"),
)


def every_third(steps: int) -> dict[str, list[int]]:
    """A schedule of SmoothCache's: attention at every third evaluation, the MLP at every other, both at the last."""
    rows = {"attn1": [int(k % 3 == 0) for k in range(steps)], "ff": [int(k % 2 == 0) for k in range(steps)]}
    return {kind: [*row[:-1], 1] for kind, row in rows.items()}


def cases(setting: Setting) -> dict[str, dict[str, Any]]:
    """Parameters of every case, the same for both sides."""
    return {
        "uncached": {},
        "smoothcache": {"schedule": every_third(STEPS)},
        "taylorseer": {"interval": 4, "order": 2, "warmup": 3},
        "first-block-cache": {"threshold": setting.threshold},
        "dbcache": {"front": 1, "threshold": setting.threshold, "warmup": 4},
        "hicache": {"interval": 4, "order": 1},
    }


ONLY_OURS = {"taylorseer": {"cadence": "diffusers"}, "hicache": {"keep": "output"}}  # what the libraries always do


def measure(
    setting: Setting, rounds: int | None = None, only: tuple[str, ...] = tuple(PEERS), threads: int = 1
) -> dict[str, Any]:
    """Every case at one setting: equality first, then times and ratios of interleaved rounds."""
    model = setting.model()
    inputs = seeded_noise(range(setting.batch), model.latent_shape), balanced_labels(range(setting.batch), 10)
    plain = our_run(model, "uncached", {}, setting.batch)(*inputs).clone()
    calls: dict[str, Callable[[], Any]] = {}
    checked: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for case, given in ((c, g) for c, g in cases(setting).items() if c in only):
        ours, library = our_run(model, case, given, setting.batch), PEERS[case][0]
        try:
            checked[case] = equality(case, ours, their_loop(model, case, given, counted=True), inputs, plain)
            theirs = their_loop(model, case, given)
        except ImportError as error:
            left_out[case] = f"{library}: {error}"
            continue
        calls |= {f"ours {case}": partial(ours, *inputs), f"{library} {case}": partial(theirs, *inputs)}
    with quiet_interpreter(threads):
        times = interleave(calls, rounds or setting.rounds)
    return {
        "setting": vars(setting),
        "cases": {case: {"params": cases(setting)[case], **check} for case, check in checked.items()},
        "left_out": left_out,
        "ratio": {case: ratio(times, f"ours {case}", f"{PEERS[case][0]} {case}") for case in checked},
        "seconds": {name: median_interval([ns / 1e9 for ns in series]) for name, series in times["process"].items()},
    }


def ratio(times: Times, ours: str, theirs: str) -> dict[str, Any]:
    """Theirs / ours in processor time, which waiting for a busy machine does not lengthen, and of the wall clock."""
    return {clock: ratio_interval(by_name[theirs], by_name[ours]) for clock, by_name in times.items()}


def our_run(model: DiT, case: str, given: dict[str, Any], batch: int) -> Run:
    """Prepared once, as every run of a suite is; guidance on all channels, as diffusers has it."""
    sampler = methods.build("ddim", steps=STEPS, spacing="leading")
    cache = None if case == "uncached" else methods.build(case, **given, **ONLY_OURS.get(case, {}))
    return prepare(model, sampler, make_plan(model, sampler, cache), batch=batch, guidance_scale=SCALE)


def their_loop(model: DiT, case: str, given: dict[str, Any], counted: bool = False) -> Loop:
    """Raises ImportError where the library is not installed."""
    loop = Loop(model, STEPS, SCALE)
    PEERS[case][1](loop, **given)
    if counted:
        loop.count()
    return loop


def equality(case: str, ours: Run, theirs: Loop, inputs: Inputs, plain: Tensor) -> dict[str, Any]:
    """How near the samples are, beside how far caching moves them from `plain`, and the branches computed.

    Raises ValueError where either side differs. Run twice: a peer whose state leaks from one trajectory into the next
    is no equal.
    """
    mine = ours(*inputs).clone()
    taken = ours.taken().computed
    effect = distance(plain, mine)
    for turn in ("first", "second"):
        difference, called = distance(theirs(*inputs), mine), len(theirs.calls)
        if called != taken.sum() or difference > min(TOLERANCE, effect / 10 or TOLERANCE):
            raise ValueError(
                f"peers: {case}, {turn} trajectory: {taken.sum()} branches computed here, {called} there; samples "
                f"differ by {difference:.1e} of the largest, caching moves them by {effect:.1e}"
            )
    computed = {"branches_computed": int(taken.sum()), "branches": taken.size}
    return {**computed, "difference": difference, "effect_of_caching": effect}


def distance(a: Tensor, b: Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((a - b).abs().max() / b.abs().max())


def table(results: list[dict[str, Any]], threads: int) -> list[str]:
    """Markdown rows: how many times as fast as each library, in processor time, with 95 % intervals over rounds."""
    rows = []
    for found in results:
        ratios = [text(found["ratio"][case]["process"]) if case in found["ratio"] else "–" for case in PEERS]
        rows.append(f"| {' | '.join([found['setting']['name'], str(threads), *ratios])} |")
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=OUT)
    parser.add_argument("--rounds", type=int, help="of every setting, instead of its own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="settings whose name contains this")
    args = parser.parse_args(arguments)
    tuned_allocator()
    torch.set_num_threads(args.threads)
    head: dict[str, Any] = {"benchmark": "peers", "steps": STEPS, "guidance_scale": SCALE, "threads": args.threads}
    target = {"least_ratio": TARGET, "of": "smoothcache, taylorseer and first-block-cache at width 192"}
    versions = {name: version(name) for name in ("torch", *{library for library, _ in PEERS.values()})}
    head |= {"allocator": ALLOCATOR, "target": target, "versions": versions, "environment": environment()}
    results: list[dict[str, Any]] = []
    for setting in (s for s in SETTINGS if args.only in s.name):
        print(setting.name, file=sys.stderr)
        results.append(measure(setting, args.rounds, threads=args.threads))
        for case, clocks in results[-1]["ratio"].items():
            print(f"{case}: {clocks['process']['median']:.2f} times as fast as {PEERS[case][0]}", file=sys.stderr)
        write_json(args.out, {**head, "results": results})  # each as it is done
    print("\n".join(table(results, args.threads)))


if __name__ == "__main__":
    main()
