"""A cell's samples in its process: what they are made by, looked at with and compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measure.samples.exact_solution import ExactSolution
from bench.measure.samples.instruments import instruments
from bench.measure.samples.latents import Latents
from bench.measure.samples.stream import Stream
from bench.store.directory import Store
from bench.suite.cells import Cell
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.measure.task import Reporter, Task


def open_stream(task: Task, model: Denoiser, reporter: Reporter, share: float = 1.0) -> Stream:
    """The cell's samples, beside those of the same sampler uncached and of the suite's reference.

    `share` is the share of the process's whole time that sampling takes, for the progress bar.
    """
    cell, store = task.cell, Store(task.directory)
    total = cell.protocol.samples

    def advance(other: Cell, done: int) -> None:
        what = "sampling" if other.slug == cell.slug else f"sampling {other.slug} to compare with"
        reporter.phase(f"{what} {done}/{total}", share * done / total)

    def latents(other: Cell) -> Latents:
        return Latents(model, other, task.settings, store.samples_folder(other), advance)

    def exact_latents(other: Cell) -> Latents:
        begun(other)
        return Latents(model, other, task.settings, store.exact_folder(other), begun)

    def begun(other: Cell, done: int = 0) -> None:
        reporter.shared(f"exact solution of {other.model} by {other.slug}", share)

    def stream(own: Cell, others: dict[str, Latents]) -> Stream:
        folders = store.samples_folder(own), store.images_folder(own)
        return Stream(latents(own), others, instruments(own, task.settings), *folders)

    others = {"": latents(cell.baseline)} if cell.has_baseline else {}
    reference = None if task.reference is None or task.reference.slug == cell.slug else task.reference
    if reference is not None:
        others["_reference"] = latents(reference)
    own = stream(cell, others)
    own.reference = None if reference is None else stream(reference, {})
    own.exact = ExactSolution(cell, exact_latents)
    return own
