"""`ditbench check-results`: whether results may be merged; exit code 0 if nothing is wrong, 1 if something is."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "validate results before they are merged: schema, numbers against raw data, text"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directories", metavar="DIR", nargs="+", type=Path, help="directories of results")


def run(args: argparse.Namespace) -> int:
    from bench.judge.validation.results import check

    problems = check(list(dict.fromkeys(args.directories)))
    print("\n".join([*problems, f"{len(problems)} problems"]) if problems else "nothing wrong")
    return 1 if problems else 0
