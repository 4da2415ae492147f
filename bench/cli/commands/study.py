"""`ditbench study`: one question about caching, answered by measurement, with a page of its own."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import studies
from bench.host.files import expect_writable_folder
from models.errors import InputError, expect_one_of

if TYPE_CHECKING:
    from bench.studies.lab.result import Order

HELP = "answer a question about caching by measurement, with a page; study list says which there are"
LIST, ALL = "list", "all"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a study's name; all: one after another; list: which there are")
    parser.add_argument("--model", action="append", metavar="M", help="of this model, repeatable (default: small ones)")
    parser.add_argument("--weights", metavar="W", help="official, random or a file, if not the shipped ones")
    parser.add_argument("--out", type=Path, default=Path("runs/studies"), metavar="DIR", help="default: runs/studies")
    parser.add_argument("--quick", action="store_true", help="tiny settings, in seconds: to see that it works")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")
    parser.add_argument("--json", action="store_true", help="list: as JSON")


def run(args: argparse.Namespace) -> int:
    if args.name == LIST:
        return show_list(args.json)
    if args.json:
        raise InputError("study: --json belongs to list; a study's JSON is in --out")
    if args.name != ALL:
        expect_one_of("study", args.name, [*studies.names(), ALL, LIST])
    expect_writable_folder(args.out)
    for order in orders(args):
        try:
            carry_out(order, args.out)
        except studies.Unanswerable as error:
            if args.name != ALL:
                raise
            print(f"{order.model}: {order.study} is left out: {error}", file=sys.stderr)
    return 0


def show_list(as_json: bool) -> int:
    listed = [{"name": name, "question": studies.question(name)} for name in studies.names()]
    lines = [f"{study['name']:<16}{study['question']}" for study in listed]
    print(json.dumps(listed, indent=1) if as_json else "\n".join(lines))
    return 0


def orders(args: argparse.Namespace) -> list[Order]:
    """Every study of every model that is asked for; all names are known. Raises InputError where one is not."""
    import models
    from bench import plugins
    from bench.studies.lab.result import Order
    from bench.suite.cells import Settings
    from bench.suite.weights import is_file

    plugins.require(args.plugin)
    names = studies.names() if args.name == ALL else [args.name]
    of = {name: args.model or studies.usual_models(name) for name in names}
    wanted = list(dict.fromkeys(model for chosen in of.values() for model in chosen))
    for model in wanted:
        models.spec(model)
    if is_file(Settings(weights=args.weights)) and len(wanted) > 1:
        raise InputError(
            f"--weights {args.weights}: one model's file, but these studies are of {', '.join(wanted)}; "
            "choose one with --model"
        )
    return [Order(name, model, args.weights, args.quick) for model in wanted for name in names if model in of[name]]


def carry_out(order: Order, out: Path) -> None:
    """Run it, write its JSON, plot and page, and say the answer."""
    from bench.show.study_page import write_pages
    from bench.studies.lab.result import conduct, plot

    result = conduct(order, out)
    page = write_pages(result, result["tables"], partial(plot, result), out / order.study / order.model)
    print(f"{order.model}: {result['answer']}\n{page}")
