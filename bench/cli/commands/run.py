"""`ditbench run`: measure the cells of a suite and write the report."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from bench import plugins
from bench.cli.options import (
    check_device,
    execution_arguments,
    execution_of,
    quality_arguments,
    quality_overrides,
    warn_of_half_precision,
)
from bench.host.environment import cores
from bench.host.notice import say
from bench.run import executors
from bench.run.request import On, parse
from bench.run.suite_run import run_suite
from bench.schema.cell import STATUSES
from bench.suite import file as suite
from bench.suite.cells import Settings
from bench.suite.protocol import AUTO
from bench.suite.selection import select
from models.errors import InputError, expect_one_of

HELP = "run a suite: one JSON a cell, results.csv, report.html; finished cells are skipped"
MAX_DIGITS = 10  # of a batch; what is too many all the same, the suite's reader says


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
    parser.add_argument("--on", metavar="WHERE", help=f"where cells are sampled: {'; '.join(executors.helps())}")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where a cell failed. Raises InputError."""
    execution = execution_of(args)
    if args.jobs is not None and not 1 <= args.jobs <= 4096:
        raise InputError(f"--jobs must lie in [1, 4096], got {args.jobs}")
    retry = [status for status in args.retry.split(",") if status]
    for status in retry:
        expect_one_of("status in --retry", status, STATUSES)
    overrides = quality_overrides(args)
    if args.batch is not None:
        overrides["timing"] = {"batch": batches(args.batch)}
    on = where(args)
    if args.dry_run:
        return dry_run(args, overrides)
    for name in ("rates", "json"):
        if getattr(args, name):
            raise InputError(f"--{name} goes with --dry-run")
    refuse_torchrun()
    if on is None or executors.find(on.name).HERE:
        check_device(args.device)
        warn_of_half_precision(args.device, args.dtype)
        warn_of_sharing(args.device, args.jobs)
    jobs = args.jobs or (1 if args.device != "cpu" else max(1, cores() // args.threads))
    settings = Settings(args.device, args.dtype, args.threads, execution, args.weights)
    finished = run_suite(args.suite, args.out, args.only, retry, settings, args.plugin, jobs, overrides, on)
    report(finished.directory)
    return 1 if finished.failed else 0


def warn_of_sharing(device: str, jobs: int | None) -> None:
    """Say where cells that are sampled side by side are on one GPU."""
    if device != "cpu" and jobs is not None and jobs > 1:
        say(f"--jobs {jobs}: all of them share one GPU, {device}; --on local:N gives each of N workers its own")


def where(args: argparse.Namespace) -> On | None:
    """What --on says; None: processes of this machine. Raises InputError where no executor is meant."""
    on = None if args.on is None else parse(args.on)
    if on is not None and args.jobs is not None:
        raise InputError("--jobs goes without --on, which says itself how many workers there are")
    if on is not None:
        executors.find(on.name).check(on)
    return on


def refuse_torchrun() -> None:
    """Raise InputError where torchrun started this command several times: they would be in each other's way."""
    processes = os.environ.get("WORLD_SIZE", "1")
    if "TORCHELASTIC_RUN_ID" in os.environ and processes != "1":
        raise InputError(
            f"run: torchrun started it {processes} times; `torchrun … -m bench sample SUITE` shares the samples among "
            "processes, then one `ditbench run SUITE` measures; or say `ditbench run SUITE --on local:N`"
        )


def report(directory: Path) -> None:
    """results.csv and report.html from what is stored; prints the short table, where the report is, and what to use."""
    from bench.show.report.decision_text import closing
    from bench.show.report.page import written

    made = written(directory)
    print((directory / "table.md").read_text(encoding="utf-8"))
    print(f"report: {made.path}")
    print(closing(made.groups))


def dry_run(args: argparse.Namespace, overrides: dict[str, dict[str, Any]]) -> int:
    """Print what the run would do and cost."""
    from bench.cost import device_rates, dry_run
    from bench.cost.suite_cost import hours_text
    from bench.measure.timing.expected import timing_hours

    device = device_rates.read(args.rates, args.dtype)
    for reason in (broken := plugins.load(plugins.files(args.plugin))).values():
        say(reason)
    chosen = suite.load(args.suite, broken, overrides)
    cells = select(chosen, args.only)
    lines = dry_run.plan_suite(cells, device)
    least = [0 if line.decided else line.macs for line in lines]  # what is decided during sampling may be next to none
    timing = timing_hours(zip(cells, least, strict=True), device.rates.macs_per_s)
    if args.json:
        made = dry_run.as_json(chosen.name, lines, cells, device)
        made["cost"]["timing_hours_at_these_rates"] = timing
        print(json.dumps(made, indent=1))
    else:
        print(dry_run.as_text(chosen.title, lines, cells, device), end="")
        print(f"Timing: at least {hours_text(timing)} at these rates")
    return 0


def batches(text: str) -> list[int | str]:
    """`--batch 8,64,auto` as a suite file would have it. Raises InputError for anything else."""
    sizes: list[int | str] = []
    for word in text.split(","):
        if word != AUTO and not (word.isascii() and word.isdigit() and len(word) < MAX_DIGITS):
            raise InputError(f"--batch must be numbers and '{AUTO}' separated by commas, got '{text}'")
        sizes.append(word if word == AUTO else int(word))
    return sizes
