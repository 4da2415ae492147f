"""Cache methods against their published implementations: the same setting on the same weights, taking turns.

`python -m bench.benchmarks.peers [--only TEXT] [--cases NAME,…] [--threads N] [--rounds N] [--memory] [OUT]` adds to
results/benchmarks/peers.json; what OUT says of the same setting, threads and case is replaced, so that the table can be
made a part at a time. It needs the optional extra `peers`; a library that is not installed is left out, and `left_out`
says so. Every pair has a process of its own: the same threads, noise and labels, a tuned allocator on both sides.
Before anything is timed the evaluations that compute a branch must be the same ones, and the samples equal; else the
benchmark ends with an error. With --memory nothing is timed: every side of every pair runs once, alone.
"""

from __future__ import annotations

import argparse
import json
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
from bench.benchmarks.peers_apart import apart, joined
from bench.benchmarks.peers_diffusers import OFFICIAL, PEERS, Loop
from bench.host.environment import environment, version
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.measure.memory import peak_mb
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
    heads: int = 0  # 0: of width 64
    steps: int = STEPS

    def model(self) -> Any:
        """A DiT with trained weights, or with random ones under which the first block's residual changes slowly."""
        if self.trained:
            return models.build(self.trained)
        model = DiT(self.size, 2, 4, self.width, self.depth, self.heads or max(1, self.width // 64))
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():  # DiT starts with zero gates: every branch must count
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.03
        return model.eval().requires_grad_(False)

    def inputs(self, model: DiT) -> Inputs:
        return seeded_noise(range(self.batch), model.latent_shape), balanced_labels(range(self.batch), 10)

    @property
    def threshold(self) -> float:
        """Of the policies: one at which some evaluations reuse and others do not."""
        return 0.1 if self.trained else 0.4


SETTINGS = (
    Setting("width 192, batch 1"),
    Setting("width 192, batch 4", batch=4),
    Setting("DiT-S/2, batch 1", width=384, size=32, rounds=7),
    Setting("DiT-S/2, batch 4", width=384, size=32, batch=4, rounds=5),
    Setting("DiT-XL/2, batch 1", width=1152, depth=28, heads=16, size=32, steps=10, rounds=3),
    Setting("dit-mnist, batch 8", batch=8, trained="dit-mnist"),
)


def every_third(steps: int) -> dict[str, list[int]]:
    """A schedule of SmoothCache's: attention at every third evaluation, the MLP at every other, both at the last."""
    rows = {"attn1": [int(k % 3 == 0) for k in range(steps)], "ff": [int(k % 2 == 0) for k in range(steps)]}
    return {kind: [*row[:-1], 1] for kind, row in rows.items()}


def cases(setting: Setting) -> dict[str, dict[str, Any]]:
    """Parameters of every case, the same for both sides."""
    return {
        "official": {},
        "uncached": {},
        "smoothcache": {"schedule": every_third(setting.steps)},
        "taylorseer": {"interval": 4, "order": 2, "warmup": 3},
        "first-block-cache": {"threshold": setting.threshold},
        "dbcache": {"front": 1, "threshold": setting.threshold, "warmup": 4},
        "hicache": {"interval": 4, "order": 1},
    }


UNCACHED = ("official", "uncached")  # by the official code's operations, by diffusers
ONLY_OURS = {"taylorseer": {"cadence": "diffusers"}, "hicache": {"keep": "output"}}  # what the libraries always do


def measure(
    setting: Setting, rounds: int | None = None, only: tuple[str, ...] = tuple(PEERS), threads: int = 1
) -> dict[str, Any]:
    """Every case at one setting: equality first, then times and ratios of interleaved rounds."""
    with quiet_interpreter(threads):
        calls, checked, left_out = pairs(setting, only)
        times = interleave(calls, rounds or setting.rounds)
    return {
        "setting": vars(setting),
        "cases": {case: {"params": cases(setting)[case], **check} for case, check in checked.items()},
        "left_out": left_out,
        "ratio": {case: ratio(times, f"ours {case}", f"{PEERS[case][0]} {case}") for case in checked},
        "seconds": {name: median_interval([ns / 1e9 for ns in series]) for name, series in times["process"].items()},
    }


def pairs(
    setting: Setting, only: tuple[str, ...]
) -> tuple[dict[str, Callable[[], Any]], dict[str, dict[str, Any]], dict[str, str]]:
    """Both sides of every case, ready to be timed; what `equality` says of each; libraries that are missing."""
    model = setting.model()
    inputs = setting.inputs(model)
    plain = our_run(model, "uncached", {}, setting)(*inputs).clone()
    calls: dict[str, Callable[[], Any]] = {}
    checked: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for case, given in ((c, g) for c, g in cases(setting).items() if c in only):
        ours, library = our_run(model, case, given, setting), PEERS[case][0]
        try:
            checked[case] = equality(case, ours, their_loop(model, case, given, setting, counted=True), inputs, plain)
            theirs = their_loop(model, case, given, setting)
        except ImportError as error:
            left_out[case] = f"{library}: {error}"
            continue
        calls |= {f"ours {case}": partial(ours, *inputs), f"{library} {case}": partial(theirs, *inputs)}
    return calls, checked, left_out


def memory(setting: Setting, case: str, ours: bool, threads: int = 1) -> float | None:
    """Most resident memory of this process in MB while one side of a pair runs once.

    None where the system does not say, or the library is not installed.
    """
    model, given = setting.model(), cases(setting)[case]
    try:
        run = our_run(model, case, given, setting) if ours else their_loop(model, case, given, setting)
    except ImportError:
        return None
    with quiet_interpreter(threads):
        return peak_mb(partial(run, *setting.inputs(model)), "cpu")


def ratio(times: Times, ours: str, theirs: str) -> dict[str, Any]:
    """Theirs / ours in processor time, which waiting for a busy machine does not lengthen, and of the wall clock."""
    return {clock: ratio_interval(by_name[theirs], by_name[ours]) for clock, by_name in times.items()}


def our_run(model: DiT, case: str, given: dict[str, Any], setting: Setting) -> Run:
    """Prepared once, as every run of a suite is; guidance on all channels, as diffusers has it."""
    sampler = methods.build("ddim", steps=setting.steps, spacing="leading")
    cache = None if case in UNCACHED else methods.build(case, **given, **ONLY_OURS.get(case, {}))
    return prepare(model, sampler, make_plan(model, sampler, cache), batch=setting.batch, guidance_scale=SCALE)


def their_loop(model: DiT, case: str, given: dict[str, Any], setting: Setting, counted: bool = False) -> Loop:
    """Raises ImportError where the library is not installed."""
    loop = Loop(model, setting.steps, SCALE)
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


def table(results: list[dict[str, Any]]) -> list[str]:
    """Markdown rows: how many times as fast as each library, in processor time, with 95 % intervals over rounds."""
    rows = []
    for found in results:
        ratios = [text(found["ratio"][case]["process"]) if case in found["ratio"] else "–" for case in PEERS]
        rows.append(f"| {' | '.join([found['setting']['name'], str(found['threads']), *ratios])} |")
    return rows


NAMES = "; ".join(setting.name for setting in SETTINGS)


def chosen(arguments: list[str] | None) -> argparse.Namespace:
    """What is to be done. Exits with 2 for a setting or case that there is not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=OUT)
    parser.add_argument("--rounds", type=int, help="of every setting, instead of its own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help=f"settings whose name contains this, of: {NAMES}")
    parser.add_argument("--cases", default=",".join(PEERS), metavar="NAME,…", help="default: %(default)s")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    args = parser.parse_args(arguments)
    args.settings = [setting for setting in SETTINGS if args.only in setting.name]
    args.cases = args.cases.split(",")
    if not args.settings:
        parser.error(f"--only: no setting's name contains {args.only!r}; there are: {NAMES}")
    if unknown := set(args.cases) - PEERS.keys():
        parser.error(f"--cases: unknown {', '.join(sorted(unknown))}; there are: {', '.join(PEERS)}")
    return args


def pair(args: argparse.Namespace, setting: Setting, case: str) -> dict[str, Any]:
    """One pair in a process of its own, or each of its sides in one."""
    if not args.memory:
        return apart(measure, setting, args.rounds, (case,), args.threads)
    sides = {side: apart(memory, setting, case, side == "ours", args.threads) for side in ("ours", "theirs")}
    untimed: dict[str, Any] = {"cases": {}, "left_out": {}, "ratio": {}}
    return {"setting": vars(setting), **untimed, "memory_mb": {case: sides}}


def main(arguments: list[str] | None = None) -> None:
    args = chosen(arguments)
    tuned_allocator()
    target = {"least_ratio": TARGET, "of": "smoothcache, taylorseer and first-block-cache at width 192"}
    versions = {name: version(name) for name in ("torch", *{library for library, _ in PEERS.values()} - {OFFICIAL})}
    head = {"benchmark": "peers", "guidance_scale": SCALE, "allocator": ALLOCATOR, "target": target}
    results = json.loads(args.out.read_text())["results"] if args.out.is_file() else []
    for setting in args.settings:
        for case in args.cases:
            print(f"{setting.name}: {case}", file=sys.stderr)
            run = {"memory" if args.memory else "time": {case: {"versions": versions, **environment()}}}
            results = joined(results, {"threads": args.threads, **pair(args, setting, case), "runs": run})
            write_json(args.out, {**head, "results": results})  # each as it is done
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
