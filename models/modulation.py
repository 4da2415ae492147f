"""DiT's adaptive layer norm modulations: shifts, scales and gates, from the timestep and the label alone.

`layers` are the adaLN projections D -> n D, one a block and one for the final layer. Both classes are called with
(layer index, first chunk, last chunk) and return the chunks in between, each [B,1,D].
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import linear


class Modulation:
    """Computed when asked for, one row an image: `c` [B,D] is the activated embedding of timestep and label a layer."""

    def __init__(self, layers: Sequence[nn.Linear], c: Sequence[Tensor]) -> None:
        self.layers, self.c = layers, c

    def __call__(self, part: int, first: int, last: int) -> list[Tensor]:
        layer, c = self.layers[part], self.c[part]
        D = c.shape[-1]
        rows = slice(first * D, last * D)
        return list(linear(c, layer.weight[rows], layer.bias[rows]).unsqueeze(1).split(D, dim=-1))


class HoistedModulation:
    """Looked up: evaluation k's row of tables [E,U,n D] made once a trajectory for E evaluations and U distinct labels.

    The same numbers as `Modulation` with fewer and larger products: a batch repeats labels, and every evaluation has
    one timestep. `which` [B] says which of the U labels each image has.
    """

    def __init__(self, tables: Sequence[Tensor], k: int, which: Tensor, width: int) -> None:
        self.tables, self.k, self.which, self.width = tables, k, which, width

    def __call__(self, part: int, first: int, last: int) -> list[Tensor]:
        D = self.width
        rows = self.tables[part][self.k, :, first * D : last * D].index_select(0, self.which)
        return list(rows.unsqueeze(1).split(D, dim=-1))


def hoist(layers: Sequence[nn.Linear], c: Sequence[Tensor], which: Tensor) -> list[HoistedModulation]:
    """The modulations of every evaluation, from the embeddings `c` [E,U,D] a layer of E timesteps and U labels."""
    tables = [layer(rows) for layer, rows in zip(layers, c, strict=True)]
    return [HoistedModulation(tables, k, which, c[0].shape[-1]) for k in range(len(c[0]))]
