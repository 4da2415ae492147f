"""`ditbench plan`: what a method computes and reuses, known before sampling starts."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import models
from bench import plugins
from bench.cli.method_words import parse
from bench.cost.dry_run import AT_MOST
from bench.cost.plan_cost import decides_later, plan_macs
from bench.host.files import expect_writable, write_bytes
from bench.host.notice import say
from bench.sampling import make_plan
from bench.sampling.executor import Executor
from bench.schema.plan_marks import LEGEND
from bench.schema.plan_rows import rows
from bench.show.plan_picture import draw
from methods import schedule
from methods.plan import Plan
from models.errors import THEIRS, InputError
from models.spec import build_empty

HELP = "print or draw the plan of a method"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "method",
        nargs="+",
        metavar="METHOD",
        help="a sampler or cache method, then key=value for its parameters; "
        "for a cache method also sampler=NAME (default ddim), steps=N (default 50), sampler.KEY=VALUE",
    )
    parser.add_argument("--model", default="dit-mnist", help="a model's name (default: dit-mnist)")
    parser.add_argument("--png", metavar="FILE", help="also draw it")
    parser.add_argument("--smoothcache", metavar="FILE", help="also write it as a schedule in SmoothCache's layout")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")


def run(args: argparse.Namespace) -> int:
    for reason in plugins.load(plugins.files(args.plugin)).values():
        say(reason)
    if args.png and not args.png.endswith(".png"):
        raise InputError(f"plan: --png must end in .png, got '{args.png}'")
    for file in filter(None, (args.png, args.smoothcache)):
        expect_writable(Path(file))
    sampler, cache = parse(args.method)
    spec = models.spec(args.model)
    model = build_empty(spec)  # a plan depends on the structure alone
    model.name = args.model
    plan = plan_or_reason(model, sampler, cache)
    with_sampler = f", {sampler.label}" if cache else ""
    title = " ".join(args.method) + f"{with_sampler} on {args.model}"
    if args.smoothcache:
        write_bytes(Path(args.smoothcache), json.dumps(schedule.lists(plan)).encode())
    if args.png:
        draw(plan, title, args.png)
    print(title)
    print(LEGEND)
    evaluations = sampler.evaluations(model.noise_schedule)
    for k, (evaluation, row) in enumerate(zip(evaluations, rows(plan), strict=True)):
        print(f"{k:>4}  t={evaluation.timestep:<8.4g} {row}")
    print_counts(model, sampler, plan, guided=spec.guidance_scale != 1)
    return 0


def plan_or_reason(model: Any, sampler: Any, cache: Any) -> Plan:
    """The plan. Raises InputError with one line, whatever a method's own code raises, which may be a plugin's."""
    try:
        return make_plan(model, sampler, cache)
    except InputError:
        raise
    except THEIRS as error:
        method = type(cache or sampler)
        where = raised_at(error, sys.modules[method.__module__].__file__)
        raise InputError(f"{where}: {method.__name__}.plan(): {type(error).__name__}: {error}") from error


def raised_at(error: BaseException, file: str | None) -> str:
    """The file and the line of its own that an error came through last; the file where it came through none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{file}:{lines[-1]}" if lines else str(file)


def print_counts(model: Any, sampler: Any, plan: Any, guided: bool) -> None:
    """Branches, MACs and kept bytes, of one image."""
    halves, whole = 2 if guided else 1, make_plan(model, sampler, None)
    macs, baseline = halves * plan_macs(model, plan), halves * plan_macs(model, whole)
    most = "≤ " if decides_later(plan) else ""
    print(f"evaluations        {len(plan)}")
    print(f"branches computed  {most}{int(plan.computed.sum())} of {plan.computed.size} ({plan.computed.mean():.1%})")
    print(f"MACs an image      {most}{macs / 1e9:.4g} G, {macs / baseline:.1%} of the uncached {baseline / 1e9:.4g} G")
    executor = Executor(model, plan)
    print(f"cache an image     {executor.cache_bytes(1, guided)} bytes")
    if plan.policy is not None:
        print(f"decisions an image {executor.decision_bytes(1, guided)} bytes")
    if most:
        print(AT_MOST)
