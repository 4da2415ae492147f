"""The state of an interrupted run in a file."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import torch

from bench.train.recipe import Recipe
from models.errors import InputError, first_line


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Atomically, and without a copy of it in memory. Raises OutputError."""
    from bench.host.files import write_through

    def write(file: IO[bytes]) -> None:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # the archive's writer hides the OSError of a full disk
            raise OSError(first_line(error)) from error

    write_through(path, write)


def read_state(path: Path, recipe: Recipe) -> dict[str, Any]:
    """The state of a run of that recipe. Raises InputError for another recipe's, naming what differs."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
        recorded = dict(state["recipe"])
    except Exception as error:
        raise InputError(f"{path}: not a checkpoint ({type(error).__name__}); delete it to restart") from error
    wanted = vars(recipe)
    if recorded != wanted:
        differing = [key for key in {**wanted, **recorded} if wanted.get(key) != recorded.get(key)]
        changes = ", ".join(f"{key} {recorded.get(key)!r}, now {wanted.get(key)!r}" for key in differing[:3])
        raise InputError(f"{path}: belongs to another recipe ({changes}); delete it to start again")
    return state
