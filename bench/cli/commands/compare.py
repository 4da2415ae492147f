"""`ditbench compare`: two result directories, cell by cell."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.host.notice import say
from bench.judge.change import LIMIT
from models.errors import InputError

HELP = "compare two directories of results cell by cell: better, worse, same, unresolved, new, gone, stale"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="the run to compare with")
    parser.add_argument("new", metavar="NEW", help="the run that is judged")
    parser.add_argument(
        "--factor", type=float, default=LIMIT, help=f"a smaller change does not count (default: {LIMIT})"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--markdown", action="store_true", help="for a pull request's comment")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write a page")


def run(args: argparse.Namespace) -> int:
    """Compare two result directories and print what changed; unreadable cells on stderr. Raises InputError."""
    from bench.host.files import expect_writable
    from bench.judge.compare import compare
    from bench.show import comparison_text as compare_text
    from bench.show.comparison_page import write_page
    from bench.store.results import one_line, read_results

    if not 1 <= args.factor < float("inf"):
        raise InputError(f"compare: --factor must be at least 1, got {args.factor}")
    if args.html:
        expect_writable(args.html)
    base, new = read_results(args.base), read_results(args.new)
    for results in (base, new):
        for line in results.unreadable:
            say(f"left out: {results.directory}: {one_line(line)}")
    rows = compare(base, new, args.factor)
    if args.html:
        write_page(rows, base, new, args.html)
    if args.json:
        print(json.dumps(compare_text.as_json(rows), indent=1))
    else:
        print(compare_text.as_markdown(rows) if args.markdown else compare_text.as_text(rows))
    return 0
