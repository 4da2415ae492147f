"""Duels of a commit's code against this checkout's: one a cell, with longer looks where it takes them."""

from __future__ import annotations

import contextlib
import sys

from bench.host.places import REPOSITORY
from bench.judge.change import Change
from bench.judge.gate.baseline import commit_of
from bench.judge.gate.decision import Duels, Unable, confirmed
from bench.judge.gate.duel import Duel, checkout
from bench.store.results import Results
from bench.store.stored_cell import StoredCell
from models.errors import InputError

BASELINE = "baseline"  # as a reference: the commit whose code measured the baseline


def duels(stack: contextlib.ExitStack, base: Results, reference: str, seconds: float) -> Duels:
    """Duels of `seconds` each; their processes end with `stack`. Raises InputError where there is no such commit.

    A baseline's own commit may be missing from a shallow clone or an unpacked archive: then every duel says so.
    """
    if reference != BASELINE:
        return duels_with(stack, reference, seconds)
    try:
        return duels_with(stack, commit_of(base), seconds)
    except InputError as error:
        return unable(str(error))


def unable(reason: str) -> Duels:
    def fight(_: StoredCell) -> Change:
        raise Unable(reason)

    return fight


def duels_with(stack: contextlib.ExitStack, reference: str, seconds: float) -> Duels:
    duel = stack.enter_context(Duel(stack.enter_context(checkout(reference)), REPOSITORY))

    def fight(cell: StoredCell) -> Change:
        print(f"gate: timing {cell.model}/{cell.slug} against {reference}", file=sys.stderr)
        duel.begin(cell)
        return confirmed(duel.look, seconds)

    return fight
