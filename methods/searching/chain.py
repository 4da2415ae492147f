"""Which evaluations to compute, as a chain: greedily, or the cheapest one of each length by dynamic programming.

A link is three computed evaluations in a row: p before i before j. What is reused after i, up to j - 1, is
extrapolated from i and p, so what a link does is known from these three. It is found at [i, i - p, j - i], for gaps up
to G; gap 0 on the left: i is the first evaluation. The last j is E, the end. A link that cannot be is infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Chain = tuple[int, ...]


def links(chain: Sequence[int], count: int) -> NDArray[np.int64]:
    """Where the links of a chain, which begins with 0, are found among `count` evaluations: int64 [links, 3]."""
    gaps = [0, *(j - i for i, j in pairwise((*chain, count)))]
    return np.array([(i, *around) for i, around in zip(chain, pairwise(gaps), strict=True)])


def total(chain: Sequence[int], table: Array) -> Array:
    """The sum over a chain's links of `table` [E, G + 1, G + 1, …]; infinite where a gap is longer than G."""
    found = links(chain, len(table))
    if found.max(initial=0, where=[False, True, True]) >= table.shape[1]:
        return np.full(table.shape[3:], np.inf)
    return table[tuple(found.T)].sum(axis=0)


def greedy(defects: Array) -> dict[int, Chain]:
    """By number of computed evaluations, always without the one more whose absence leaves the shortest sum of defects.

    `defects` [E, G + 1, G + 1, D] are vectors, so that runs of reuse may make up for each other.
    """
    chain = tuple(range(len(defects)))
    found = {len(chain): chain}
    while len(chain) > 1:
        lengths = _lengths_without(chain, defects)
        drop = int(lengths.argmin())
        if not np.isfinite(lengths[drop]):
            break
        chain = chain[: drop + 1] + chain[drop + 2 :]  # the first one stays
        found[len(chain)] = chain
    return found


def _lengths_without(chain: Chain, defects: Array) -> Array:
    """Squared length of the sum of defects without chain[1], without chain[2], …: three links make way for two."""
    limit, (i, before, after) = defects.shape[1] - 1, links(chain, len(defects)).T
    joined = after[:-1] + after[1:]  # the gap that chain[n]'s absence leaves
    gap = np.minimum(joined, limit)
    change = defects[i[:-1], before[:-1], gap] - defects[i[:-1], before[:-1], after[:-1]]
    change -= defects[i[1:], before[1:], after[1:]]
    change[:-1] += defects[i[2:], gap[:-1], after[2:]] - defects[i[2:], before[2:], after[2:]]
    lengths = np.square(total(chain, defects) + change).sum(axis=1)
    return np.where(joined <= limit, lengths, np.inf)


def cheapest(costs: Array) -> dict[int, Chain]:
    """The chain of least sum of `costs` [E, G + 1, G + 1] by its number of computed evaluations, where there is one."""
    count, gaps = costs.shape[0], costs.shape[1] - 1
    best = np.full((count + 1, gaps + 1), np.inf)  # [i, i - p] of the links that lead up to i
    best[0, 0] = 0.0
    came: list[NDArray[np.int64]] = []  # a link: [i, j - i] -> i - p
    found = {}
    for length in range(1, count + 1):
        through = best[:count, :, None] + costs  # [i, i - p, j - i]
        came.append(through.argmin(axis=1))
        linked, best = through.min(axis=1), np.full_like(best, np.inf)
        for gap in range(1, gaps + 1):
            best[gap:, gap] = linked[: count + 1 - gap, gap]
        if np.isfinite(best[count]).any():
            found[length] = _walk_back(came, count, int(best[count].argmin()))
    return found


def _walk_back(came: list[NDArray[np.int64]], end: int, gap: int) -> Chain:
    """The computed evaluations of a chain whose last link ends with `gap`."""
    chain = []
    for link in reversed(came):
        end -= gap
        chain.append(end)
        gap = int(link[end, gap])
    return tuple(reversed(chain))
