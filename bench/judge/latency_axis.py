"""Log latencies of cells of one pool as one axis: from the rounds of their session, else chained from stored ratios.

Settings of one session were timed in the same rounds, so any two have a paired ratio. Sessions that were timed beside
one reference are chained by it. Results of before there were sessions (protocol 3), and cells whose sessions are not at
hand, have ratios to the sampler that each was timed beside (bench/judge/latency.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.statistics.session_axis import session_axis
from bench.statistics.simultaneous import Axis
from bench.store.sessions import Session
from bench.store.stored_cell import StoredCell

Array = NDArray[np.float64]


def paired_axis(cells: Sequence[StoredCell]) -> Axis | None:
    """Log latencies over that of the sessions' reference [S]; None unless all were timed beside one reference.

    Deviations [K,S] of a session are those over its reference, so the reference's own error cancels between any two
    settings of one session, and counts once for each session between two of different ones.
    """
    sessions = {cell.session.id: cell.session for cell in cells if cell.session}
    if not cells or any(cell.session is None for cell in cells) or not _share_reference(list(sessions.values())):
        return None
    axes = {name: _over_reference(session) for name, session in sessions.items()}
    if any(axis is None for axis in axes.values()):
        return None
    parts = [_columns(cells, sessions[name], axis) for name, axis in axes.items() if axis]
    freedom = min(axis.freedom for axis in axes.values() if axis and axis.freedom)
    return Axis(sum(values for values, _ in parts), np.concatenate([d for _, d in parts]), freedom)  # type: ignore[arg-type]


def _share_reference(sessions: list[Session]) -> bool:
    """Whether any two settings can be compared: in one session, or by a reference that all sessions timed."""
    keys = {s.settings.get(s.reference) if s.reference else None for s in sessions}
    return len(sessions) == 1 or (len(keys) == 1 and None not in keys)


def _over_reference(session: Session) -> Axis | None:
    """The session's axis, less its reference's column; as it is where it has no reference."""
    axis = session_axis(session.times(), session.processes, session.resolution()) if session.rounds else None
    if axis is None or session.reference not in session.settings:
        return axis
    origin = list(session.settings).index(session.reference)
    return Axis(axis.values - axis.values[origin], axis.deviations - axis.deviations[:, [origin]], axis.freedom)


def _columns(cells: Sequence[StoredCell], session: Session, axis: Axis) -> tuple[Array, Array]:
    """Values [S] and deviations [K,S] of those cells that are of this session; zeros for the others."""
    names = list(session.settings)
    values, deviations = np.zeros(len(cells)), np.zeros((len(axis.deviations), len(cells)))
    for s, cell in enumerate(cells):
        if cell.session is not None and cell.session.id == session.id:
            column = names.index(cell.slug)
            values[s], deviations[:, s] = axis.values[column], axis.deviations[:, column]
    return values, deviations
