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

    Deviations [K,S] of a session are those over its reference, so the reference's error cancels between any two
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
    values, deviations, own = zip(*parts, strict=True)
    return Axis(sum(values), np.concatenate(deviations), freedom, own=sum(own))


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
    of_reference = np.full(
        len(axis.values), np.broadcast_to(axis.own, axis.values.shape)[origin]
    )  # shared by all others
    own = np.array(np.broadcast_to(axis.own, axis.values.shape))
    of_reference[origin] = own[origin] = 0.0
    deviations = np.concatenate([axis.deviations - axis.deviations[:, [origin]], -of_reference[None]])
    return Axis(axis.values - axis.values[origin], deviations, axis.freedom, own=own)


def _columns(cells: Sequence[StoredCell], session: Session, axis: Axis) -> tuple[Array, Array, Array]:
    """Values [S], deviations [K,S] and own errors [S] of those cells that are of this session; zeros for the others."""
    places = {slug: column for column, slug in enumerate(session.settings)}
    of_it = [s for s, cell in enumerate(cells) if cell.session is not None and cell.session.id == session.id]
    columns = [places[cells[s].slug] for s in of_it]
    values, own, deviations = np.zeros(len(cells)), np.zeros(len(cells)), np.zeros((len(axis.deviations), len(cells)))
    values[of_it], deviations[:, of_it] = axis.values[columns], axis.deviations[:, columns]
    own[of_it] = np.broadcast_to(axis.own, axis.values.shape)[columns]
    return values, deviations, own
