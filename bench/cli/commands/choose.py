"""`ditbench choose`: which setting of a model to use for one goal, found by screening all methods."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.cli.options import check_device, execution_arguments, execution_of, warn_of_half_precision
from bench.host.environment import cores
from bench.suite.cells import Settings
from bench.suite.protocol import LIMITS
from models.errors import InputError

if TYPE_CHECKING:
    from bench.run.choice.goal import Goal

HELP = "which setting of a model to use: the fastest within an error, or the most exact at a speed-up"

SAMPLES = 640  # a setting, where a Fréchet distance is the goal


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model's name; exactly one goal of the next three")
    parser.add_argument("--error", metavar="E", help="the fastest with at most this error to the exact solution")
    parser.add_argument("--speedup", metavar="X", help="the most exact that is X times as fast as the reference")
    parser.add_argument("--fd", metavar="P%", help="the fastest whose Fréchet distance is at most P per cent higher")
    parser.add_argument("--only", metavar="EXPR", help="screen only these settings, as for run: cache=none, *fora*, …")
    parser.add_argument("--samples", type=int, metavar="N", help=f"for --fd: samples a setting ({SAMPLES})")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="images in one timed trajectory (8)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first sample (0)")
    execution_arguments(parser)
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="settings sampled side by side (default: cores / threads)"
    )
    parser.add_argument("--timeout", type=float, default=300, metavar="S", help="seconds for one setting's seeds (300)")
    parser.add_argument("--suite", metavar="FILE", help="write the suite of the timed settings here, for ditbench run")
    parser.add_argument("--json", action="store_true", help="everything that was found, as one JSON object")


def run(args: argparse.Namespace) -> int:
    from bench.host.files import expect_writable
    from bench.run.choice import goal
    from bench.run.kernels import settled

    wanted = goal.read({kind: getattr(args, kind) for kind in goal.RANGES})
    if args.samples is not None and args.fd is None:
        raise InputError("choose: --samples goes with --fd; errors and speed need none")
    args.samples = SAMPLES if args.samples is None else args.samples
    execution = execution_of(args)
    for name in ("batch", "samples", "seed", "timeout"):
        expect_within(name, getattr(args, name), *LIMITS[name])
    jobs = args.jobs if args.jobs is not None else default_jobs(args)
    expect_within("jobs", jobs, 1, 4096)
    check_device(args.device)
    warn_of_half_precision(args.device, args.dtype)
    if args.suite is not None:
        expect_writable(Path(args.suite))
    plugins.require(args.plugin)
    settings = settled(Settings(args.device, args.dtype, args.threads, execution, args.weights))
    return answer(args, wanted, settings, jobs)


def answer(args: argparse.Namespace, wanted: Goal, settings: Settings, jobs: int) -> int:
    """1 where nothing surely meets the goal."""
    from bench.host.files import write_bytes
    from bench.run.choice.answer import as_json, as_text, suite_of
    from bench.run.choice.choose import Question, choose

    files = plugins.files(args.plugin)
    question = Question(
        args.model,
        wanted,
        settings,
        files,
        jobs,
        batch=args.batch,
        samples=args.samples,
        seed=args.seed,
        timeout=args.timeout,
        only=args.only,
    )
    answered = choose(question)
    if args.suite is not None:
        write_bytes(Path(args.suite), suite_of(answered, answered.cells.values()).encode())
    print(json.dumps(as_json(answered), indent=1) if args.json else as_text(answered, args.suite))
    return 0 if answered.choice.chosen else 1


def default_jobs(args: argparse.Namespace) -> int:
    return 1 if args.device != "cpu" else max(1, cores() // args.threads)


def expect_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"choose: --{name} must lie in [{low:.15g}, {high:.15g}], got {value:.15g}")
