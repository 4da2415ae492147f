"""`ditbench run`: measure the cells of a suite and write the report."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench import plugins
from bench.host.environment import cores
from bench.run.suite_run import run_suite
from bench.sampling.compiled import COMPILED, Execution
from bench.schema.cell import STATUSES
from bench.suite import file as suite
from bench.suite.cells import Settings
from bench.suite.protocol import AUTO
from bench.suite.selection import select
from bench.train.precision import DTYPES, SHORT
from models.errors import InputError, expect_one_of

HELP = "run a suite: one JSON a cell, results.csv, report.html; finished cells are skipped"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="a shipped suite's name or a TOML file")
    parser.add_argument("--out", metavar="DIR", help="directory of the results (default: runs/<suite>)")
    parser.add_argument(
        "--dry-run", action="store_true", help="print cells, plans, work and cost; run and write nothing"
    )
    parser.add_argument(
        "--rates", metavar="RATES", help="for --dry-run: a device, or MACS,BYTES a second (default: h100)"
    )
    parser.add_argument("--json", action="store_true", help="for --dry-run: as one JSON object")
    parser.add_argument("--only", metavar="EXPR", help="only these cells: a pattern for model/slug, or key=value,…")
    parser.add_argument("--retry", metavar="STATUS,…", default="", help="run finished cells of these statuses again")
    parser.add_argument("--batch", metavar="N,…", help="timed batches, the headline first; auto: the largest that fits")
    execution_arguments(parser)
    quality_arguments(parser)
    parser.add_argument("--jobs", type=int, metavar="N", help="cells sampled side by side (default: cores / threads)")


def run(args: argparse.Namespace) -> int:
    execution = execution_of(args)
    if args.jobs is not None and not 1 <= args.jobs <= 4096:
        raise InputError(f"--jobs must lie in [1, 4096], got {args.jobs}")
    retry = [status for status in args.retry.split(",") if status]
    for status in retry:
        expect_one_of("status in --retry", status, STATUSES)
    overrides = quality_overrides(args)
    if args.batch is not None:
        overrides["timing"] = {"batch": batches(args.batch)}
    if args.dry_run:
        return dry_run(args, overrides)
    for name in ("rates", "json"):
        if getattr(args, name):
            raise InputError(f"--{name} goes with --dry-run")
    check_device(args.device)
    jobs = args.jobs or (1 if args.device != "cpu" else max(1, cores() // args.threads))
    settings = Settings(args.device, args.dtype, args.threads, execution, args.weights)
    finished = run_suite(args.suite, args.out, args.only, retry, settings, args.plugin, jobs, overrides)
    report(finished.directory)
    return 1 if finished.failed else 0


def report(directory: Path) -> None:
    """results.csv and report.html from what is stored; prints the short table and where the report is."""
    from bench.show.report.page import write_report

    path = write_report(directory)
    print((directory / "table.md").read_text(encoding="utf-8"))
    print(f"report: {path}")


def execution_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of everything that runs a suite's cells."""
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    parser.add_argument(
        "--dtype",
        default="float32",
        type=lambda word: SHORT.get(word, word),
        help=f"{', '.join(DTYPES)}; bf16 and fp16 for short (default: float32)",
    )
    parser.add_argument("--execution", default=COMPILED, help="compiled (default), or plain: the readable reference")
    parser.add_argument("--cuda-graphs", action="store_true", help="capture every trajectory once, then replay it")
    parser.add_argument("--compile", action="store_true", help="torch.compile of the few kinds of block")
    parser.add_argument("--weights", metavar="W", help="official (fetched), random (speed alone) or a file of weights")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")
    parser.add_argument("--threads", type=int, metavar="N", default=1, help="CPU threads of one cell (default: 1)")


def execution_of(args: argparse.Namespace) -> Execution:
    """The execution that the options state. Raises InputError where they do not fit."""
    expect_one_of("--dtype", args.dtype, DTYPES)
    if not 1 <= args.threads <= 4096:
        raise InputError(f"--threads must lie in [1, 4096], got {args.threads}")
    if args.cuda_graphs and args.device == "cpu":
        raise InputError("--cuda-graphs needs --device cuda")
    return Execution(args.execution, args.cuda_graphs, args.compile)


def quality_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that replace keys of the suite's [protocol.quality]."""
    parser.add_argument("--features", metavar="NAME", help="judge by these features; none: speed and paired metrics")
    parser.add_argument("--inception", metavar="FILE", help="weights of the feature extractor, for no download")
    parser.add_argument("--reference", metavar="REF", help="compare with this reference: a name or a file")


def quality_overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What the command line replaces of [protocol.quality]. Raises InputError for a file that is not there."""
    if args.inception is not None and not Path(args.inception).is_file():
        raise InputError(f"--inception {args.inception}: no such file")
    given = {"features": args.features, "weights": args.inception, "reference": args.reference}
    stated = {key: value for key, value in given.items() if value is not None}
    return {"quality": stated} if stated else {}


def dry_run(args: argparse.Namespace, overrides: dict[str, dict[str, Any]]) -> int:
    """Print what the run would do and cost."""
    from bench.cost import device_rates, dry_run

    device = device_rates.read(args.rates, args.dtype)
    for reason in (broken := plugins.load(plugins.files(args.plugin))).values():
        print(f"ditbench: {reason}", file=sys.stderr)
    chosen = suite.load(args.suite, broken, overrides)
    cells = select(chosen, args.only)
    lines = dry_run.plan_suite(cells, device)
    if args.json:
        print(json.dumps(dry_run.as_json(chosen.name, lines, cells, device), indent=1))
    else:
        print(dry_run.as_text(chosen.title, lines, cells, device))
    return 0


def batches(text: str) -> list[int | str]:
    """`--batch 8,64,auto` as a suite file would have it. Raises InputError for anything else."""
    found: list[int | str] = []
    for word in text.split(","):
        if word != AUTO and not (word.isascii() and word.isdigit()):
            raise InputError(f"--batch must be numbers and '{AUTO}' separated by commas, got '{text}'")
        found.append(word if word == AUTO else int(word))
    return found


def check_device(device: str) -> None:
    """Raise InputError unless torch can use the device."""
    import torch

    if device == "cpu":
        return
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise InputError(f"--device must be cpu or cuda[:N], got '{device}'") from None
    if wanted.type != "cuda":
        raise InputError(f"--device must be cpu or cuda[:N], got '{device}'")
    if (wanted.index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {device}: torch finds {torch.cuda.device_count()} CUDA devices here")
