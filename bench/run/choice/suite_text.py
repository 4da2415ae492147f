"""A suite file of a few settings, from which `ditbench run` measures them again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from bench.engines import OURS
from bench.suite.cells import Cell
from bench.suite.part import Part

HEAD = """name = "{name}"
reference = {reference}

[protocol]
samples = {samples}
seed = {seed}
sampling_batch = {sampling_batch}

[protocol.timing]
batch = {batch}
rounds = {rounds}
seconds = {seconds}
"""


def suite_text(cells: Iterable[Cell], reference: Cell, samples: int | None = None, tables: str = "") -> str:
    """TOML: the reference, then every cell, under the reference's protocol, but for `samples`; `tables`: more of it."""
    rules = reference.protocol
    timing = {"batch": rules.timing.batch, "rounds": rules.timing.rounds, "seconds": rules.timing.seconds}
    head = HEAD.format(
        name=f"choose-{reference.model}"[:64],
        reference=table(reference.sampler),
        samples=rules.samples if samples is None else samples,
        seed=rules.seed,
        sampling_batch=rules.sampling_batch,
        **timing,
    )
    others = [cell for cell in cells if cell.slug != reference.slug]
    return head + tables + "".join(block(cell) for cell in (reference, *others))


def block(cell: Cell) -> str:
    cache = "" if cell.cache is None else f"cache = {table(cell.cache)}\n"
    engine = "" if cell.engine == OURS else f"engine = {word(cell.engine)}\n"
    return f"\n[[cells]]\nmodels = {word(cell.model)}\n{engine}sampler = {table(cell.sampler)}\n{cache}"


def table(part: Part) -> str:
    """`{ name = "ddim", steps = 50 }`; what is None is not stated."""
    stated = {"name": part.name} | {key: value for key, value in part.given.items() if value is not None}
    return "{ " + ", ".join(f"{key} = {word(value)}" for key, value in stated.items()) + " }"


def word(value: Any) -> str:
    """Strings, booleans and numbers are written in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=False)
