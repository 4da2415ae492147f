"""`ditbench sample`: make the samples of a suite's cells, alone or as one of several workers; `run` then measures."""

from __future__ import annotations

import argparse

from bench.cli.options import (
    check_device,
    execution_arguments,
    execution_of,
    quality_arguments,
    quality_overrides,
    warn_of_half_precision,
)
from bench.run.sample_run import own_device, sample_suite, worker_share
from bench.suite.cells import Settings

HELP = "make a suite's samples, one GPU or many (torchrun); run then finds them and measures"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="a shipped suite's name or a TOML file")
    parser.add_argument("--out", metavar="DIR", help="directory of the results (default: runs/<suite>)")
    parser.add_argument("--only", metavar="EXPR", help="only these cells, as for run")
    execution_arguments(parser)
    quality_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Under torchrun, worker RANK of WORLD_SIZE makes every WORLD_SIZE-th shard, on GPU LOCAL_RANK."""
    share = worker_share()
    own_device(args.device)
    check_device(args.device)
    warn_of_half_precision(args.device, args.dtype)
    settings = Settings(args.device, args.dtype, args.threads, execution_of(args), args.weights)
    return sample_suite(args.suite, args.out, args.only, settings, args.plugin, quality_overrides(args), share)
