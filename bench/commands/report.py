"""`ditbench report`: results.csv and the report from stored results; nothing is rerun."""

from __future__ import annotations

import argparse

HELP = "write results.csv and report.html from a directory of results"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="a run's directory")
    parser.add_argument("--out", metavar="FILE", help="the page's file (default: DIR/report.html); tables stay in DIR")


def run(args: argparse.Namespace) -> int:
    from bench.report.page import write_report

    print(write_report(args.directory, args.out))
    return 0
