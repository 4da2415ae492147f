"""A run's facts and jobs as JSON: what a worker is sent are paths, names and numbers, never pickled objects."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

from bench.measure.task import Job, LargestOrder, SessionOrder, Task
from bench.run.request import RunFacts
from bench.sampling.compiled import Execution
from bench.suite.cells import Cell, Settings
from bench.suite.file import Suite

Name = tuple[str, str]


def facts_to_json(facts: RunFacts) -> dict[str, Any]:
    return {**asdict(facts), "cwd": os.getcwd()}


def facts_of(content: dict[str, Any]) -> RunFacts:
    given = {name: content[name] for name in RunFacts.__dataclass_fields__}
    execution = Execution(**given["settings"]["execution"])
    settings = Settings(**{**given["settings"], "execution": execution})
    return RunFacts(**{**given, "plugins": tuple(given["plugins"]), "settings": settings})


def job_to_json(job: Job) -> dict[str, Any]:
    """A job, with the identity of each of its cells: hashes of weights, plugins and routers among it."""
    match job:
        case SessionOrder():
            tasks, rest = job.tasks, {"path": job.path, "work": job.work, "headline": job.headline}
        case LargestOrder():
            tasks, rest = (job.task,), {"work": job.work}
        case _:
            assert job.share is None, "shares are torchrun's"
            tasks, rest = (job,), {"ahead": job.ahead}
    cells = [{"model": t.cell.model, "slug": t.cell.slug, "identity": identity(t.cell, t.settings)} for t in tasks]
    return {"kind": type(job).__name__, "cells": cells, **rest}


def job_of(content: dict[str, Any], suite: Suite, facts: RunFacts) -> Job:
    """The job again, of the worker's own suite. Raises KeyError for a cell that it does not have."""
    known = every_cell(suite)
    tasks = tuple(
        Task(known[c["model"], c["slug"]], suite.references.get(c["model"]), facts.settings, facts.directory,
             facts.plugins, ahead=content.get("ahead", False))
        for c in content["cells"]
    )  # fmt: skip
    if content["kind"] == "SessionOrder":
        return SessionOrder(content["path"], tasks, content["work"], content["headline"])
    if content["kind"] == "LargestOrder":
        return LargestOrder(tasks[0], content["work"])
    return tasks[0]


def every_cell(suite: Suite) -> dict[Name, Cell]:
    """The suite's cells, and what they are compared with, by model and slug."""
    cells = [*suite.cells, *suite.references.values(), *(cell.baseline for cell in suite.cells)]
    named: dict[Name, Cell] = {}
    for cell in cells:
        named.setdefault((cell.model, cell.slug), cell)
    return named


def identity(cell: Cell, settings: Settings) -> dict[str, Any]:
    """What the cell's numbers depend on, as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(cell.identity(settings)))
    return plain
