"""`ditbench site`: a static leaderboard from any number of result directories; nothing is rerun."""

from __future__ import annotations

import argparse

HELP = "write a leaderboard, as static pages, from any number of directories of results"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directories", nargs="+", metavar="DIR", help="a run's directory")
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="the site's folder; an older site there is replaced"
    )


def run(args: argparse.Namespace) -> int:
    from bench.site import write_site

    print(write_site(args.directories, args.out))
    return 0
