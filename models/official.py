"""Weights that somebody published: where they are, and the file of whatever `weights` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import InputError, expect_one_of
from models.fetch import fetch
from models.spec import Official

if TYPE_CHECKING:
    from models.spec import ModelSpec


def weights_file(spec: ModelSpec, weights: str | Path | None) -> Path | None:
    """The local file that `weights` names, fetched if need be; None for "random".

    `weights` is a path (a folder in diffusers' layout too), "official" or "official:LAYOUT", "random", or None for
    the shipped weights of a small model. Raises InputError with one line where there is none, or it cannot be fetched.
    """
    from models.folders import file_in

    if weights == "random":
        return None
    official = isinstance(weights, str) and weights.split(":")[0] == "official"
    if spec.weights is not None and (weights is None or official):
        return file_in(Path(spec.weights))
    if weights is None:
        note = spec.official.note if spec.official and spec.official.published else ""
        raise InputError(f"{spec.name} ships no weights: {ways_out(spec)}" + (f"; {note}" if note else ""))
    return fetch_official(spec, str(weights).partition(":")[2]) if official else file_in(Path(weights))


def fetch_official(spec: ModelSpec, layout: str = "") -> Path:
    """A model's published weights in one layout (default: the first). Raises InputError that says what else to do."""
    published = spec.official or Official(published=False)
    if not published.downloads:
        raise InputError(f"{spec.name}: no official weights can be fetched; {published.note or ways_out(spec)}")
    if layout:
        expect_one_of(f"layout of {spec.name}'s official weights", layout, published.downloads)
    chosen = published.downloads[layout or next(iter(published.downloads))]
    return fetch(chosen.url, sha256=chosen.sha256, name=chosen.name)


def ways_out(spec: ModelSpec) -> str:
    """What to pass for a model without shipped weights, on the command line or in Python."""
    fetched = "official, which fetches them, " if spec.official and spec.official.downloads else ""
    return f"give --weights (weights= in Python): {fetched}a file's path, or random, for speed and memory alone"
