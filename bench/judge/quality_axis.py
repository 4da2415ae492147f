"""The quality of cells of one pool as one axis, from the lists that their files hold; and what a cell lacks for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.statistics.simultaneous import Axis, from_jackknife, from_repetitions
from bench.store.stored_cell import StoredCell
from bench.suite.judging import AXES
from models.errors import InputError

FD, FD_OWN, ODE_ERROR = AXES


def quality_axis(cells: Sequence[StoredCell], reference: StoredCell, metric: str) -> Axis:
    """Of cells that lack nothing (`why_lacking`). Raises InputError for a metric that is none of AXES."""
    if metric == FD:
        plain = np.array([cell.quality.value("fd") for cell in cells], dtype=np.float64)
        return from_jackknife(plain, np.array([_list(cell, reference, metric) for cell in cells]).T)
    if metric == FD_OWN:  # of the reference to itself: 0, without an error
        own = [0.0 if cell.slug == reference.slug else cell.quality.value("fd_own_plain") for cell in cells]
        return from_jackknife(np.array(own), np.array([_list(cell, reference, metric) for cell in cells]).T)
    if metric == ODE_ERROR:
        resolution = max(cell.quality.value("ode_error_resolution") or 0.0 for cell in cells)
        seeds = np.array([_list(cell, reference, metric) for cell in cells]).T
        return from_repetitions(seeds, slack=2 * resolution)
    raise InputError(f"axis: expected one of {', '.join(AXES)}, got {metric!r}")


def why_lacking(cell: StoredCell, reference: StoredCell | None, metric: str) -> str:
    """Why a cell has no place on the axes, in words; empty where it has. Lists must pair with the reference's."""
    if not cell.timing.latency_ms:
        return "it was not timed"
    own = _list(cell, reference, metric)
    if len(own) < 2 or (metric == FD and cell.quality.value("fd") is None):
        return cell.quality.omitted.get(metric) or f"no replicates of {metric} are stored"
    wanted = 0 if reference is None else len(_list(reference, reference, metric))
    if metric == FD_OWN:
        wanted = max(wanted, len(own))
        if cell is not reference and cell.quality.value("fd_own_plain") is None:
            return f"no value of {metric} is stored"
    if reference is not None and wanted > 1 and len(own) != wanted:
        return f"its {len(own)} values of {metric} do not pair with the reference's {wanted}"
    return ""


def _list(cell: StoredCell, reference: StoredCell | None, metric: str) -> Sequence[float]:
    """Values without each group, or of each seed."""
    if metric == ODE_ERROR:
        return cell.quality.of_seeds("ode_error")
    if metric == FD_OWN and reference is not None and cell.slug == reference.slug:
        return [0.0] * len(cell.quality.without_groups("fd"))
    return cell.quality.without_groups(metric)
