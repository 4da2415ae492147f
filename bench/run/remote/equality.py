"""What a worker must have in common with its driver, or its numbers would be of something else."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

import bench
import methods
import models
from bench.host.environment import version
from bench.run.remote.orders import identity, job_of
from bench.run.request import RunFacts
from bench.suite.file import Suite

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "safetensors", "torch-fidelity", "clean-fid")


def signature() -> dict[str, str | None]:
    """Python, packages that numbers depend on, and a SHA-256 of all our own source files."""
    versions = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **versions, "code": code()}


def code() -> str:
    """SHA-256 of names and contents of the Python files of bench, methods and models."""
    sha256 = hashlib.sha256()
    for package in (bench, methods, models):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            sha256.update(f"{package.__name__}/{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return sha256.hexdigest()[:16]


def difference(own: dict[str, Any], drivers: dict[str, Any]) -> str | None:
    """What differs first, in words; None where nothing does."""
    for name in drivers:
        if own.get(name) != drivers[name]:
            return f"{name} is {own.get(name)} there and {drivers[name]} here"
    return None


def cell_difference(order: dict[str, Any], suite: Suite, facts: RunFacts) -> str | None:
    """What of an order's cells is another thing on this worker: its weights' hash, a plugin's, a parameter."""
    try:
        job_of(order, suite, facts)
    except KeyError as missing:
        return f"the suite has no cell {'/'.join(missing.args[0])} there"
    return next(filter(None, (_cell(told, suite, facts) for told in order["cells"])), None)


def _cell(told: dict[str, Any], suite: Suite, facts: RunFacts) -> str | None:
    from bench.run.remote.orders import every_cell

    own = identity(every_cell(suite)[told["model"], told["slug"]], facts.settings)
    for name, value in told["identity"].items():
        if own.get(name) != value:
            what = "weights, a plugin or a router" if name == "files" else name
            return f"{told['model']}/{told['slug']}: {what} differs: {own.get(name)} there and {value} here"
    return None
