"""`ditbench site`: a static leaderboard from any number of result directories; nothing is rerun."""

from __future__ import annotations

import argparse

HELP = "write a leaderboard, as static pages, from any number of directories of results"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directories", nargs="+", metavar="DIR", help="a run's directory, or one of studies")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", metavar="DIR", help="the site's folder; an older site there is replaced")
    where.add_argument("--check", metavar="SITE", help="write nothing; exit code 1 if SITE is stale")
    parser.add_argument(
        "--compare", nargs=2, action="append", default=[], metavar=("BASE", "NEW"),
        help="two of the directories to compare, instead of consecutive runs of one suite; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--figures", action="store_true", help="every plot as PDF, SVG and PNG too; about a second each"
    )


def run(args: argparse.Namespace) -> int:
    from bench.show.site import stale, write_site

    if args.check is None:
        print(write_site(args.directories, args.out, args.compare, args.figures))
        return 0
    reason = stale(args.directories, args.check, args.compare, args.figures)
    print(reason or f"{args.check}: up to date")
    return 1 if reason else 0
