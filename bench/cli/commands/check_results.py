"""`ditbench check-results`: whether results may be merged; exit code 0 if nothing is wrong, 1 if something is."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "validate results before they are merged: schema, numbers against raw data, text"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directories", metavar="DIR", nargs="+", type=Path, help="directories of results")


def run(args: argparse.Namespace) -> int:
    from bench.judge.validation.results import check

    checked = check(list(dict.fromkeys(args.directories)))
    count, unsealed = len(checked.problems), checked.unsealed
    closing = f"{count} problems" if count else "nothing wrong"
    closing += f"; {unsealed} files without checksum" if unsealed else ""
    print("\n".join([*checked.problems, closing]))
    return 1 if count else 0
