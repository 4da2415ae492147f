"""`ditbench report`: the page, tables in four formats and figures, from stored results; nothing is rerun."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.host.notice import say
from models.errors import InputError, expect_one_of

HELP = "write results.csv and report.html from a directory of results; or print its table, or draw its figures"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="a run's directory")
    parser.add_argument("--out", metavar="FILE", help="the page's file (default: DIR/report.html), or the table's")
    parser.add_argument("--only", metavar="EXPR", help="with --format: the rows to show, as in ditbench run")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--format", metavar="FORMAT", help="print the table instead, as csv, json, markdown or latex")
    kind.add_argument("--figures", metavar="FOLDER", help="write plots and plans for a paper there instead")
    parser.add_argument("--figure-format", metavar="FORMAT", help="pdf (the default), svg or png")


def run(args: argparse.Namespace) -> int:
    _check(args)
    if args.figures:
        draw_figures(args)
    elif args.format:
        show_table(args)
    else:
        from bench.show.report.page import write_report

        print(write_report(args.directory, args.out))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise InputError for a format that does not exist, and for options that would say nothing."""
    if args.format is not None:
        from bench.show.report.exports import FORMATS

        expect_one_of("--format", args.format, FORMATS)
    if args.figure_format is not None:
        from bench.show.report.figures import STAMPS

        expect_one_of("--figure-format", args.figure_format, STAMPS)
    for given, wanted in (("only", "format"), ("figure_format", "figures")):
        if getattr(args, given) is not None and getattr(args, wanted) is None:
            raise InputError(f"report: --{given.replace('_', '-')} needs --{wanted}")
    if args.figures is not None and args.out is not None:
        raise InputError("report: --figures names the figures' folder; --out is for the page or a table")


def draw_figures(args: argparse.Namespace) -> None:
    """The figures' paths on standard output, how far it is on stderr."""
    from bench.host.progress import counted
    from bench.show.report.figures import write_figures

    form = args.figure_format or "pdf"
    paths = write_figures(args.directory, args.figures, form, lambda names: counted(names, len(names), "figures"))
    print(*paths, sep="\n")


def show_table(args: argparse.Namespace) -> None:
    """The table on standard output, or in the file --out, whose path is then printed; unreadable cells on stderr."""
    from bench.host.files import expect_writable, write_bytes
    from bench.judge.decided import judged
    from bench.show.report.exports import exported
    from bench.show.report.group import groups_of
    from bench.store.results import one_line, read_results
    from bench.suite.selection import select

    if args.out is not None:
        expect_writable(Path(args.out))
    results = read_results(args.directory)
    analysis = judged(results)
    cells = select(results, args.only)
    for line in results.unreadable:
        say(f"left out: {one_line(line)}")
    text = exported(args.format, cells, groups_of(results, analysis), analysis)
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_bytes(Path(args.out), text.encode())
        print(args.out)
