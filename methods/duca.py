"""DuCa: ToCa's partial evaluations in turn with ones that run no block at all (arXiv 2412.18911)."""

from __future__ import annotations

from methods.method import Parameter
from methods.toca import ToCa


class DuCa(ToCa):
    """As ToCa, but counted down from the interval every other evaluation is aggressive: the last block's tokens of the
    evaluation before, partial or not, go into the output layer with the current timestep. By the published code
    (0a7151b) a first block that is computed before an aggressive rest is computed for nothing.
    """

    name = "duca"
    title = "DuCa"
    parameters = ToCa.parameters | {
        "ratio_schedule": Parameter(
            str, "ToCa", choices=ToCa.parameters["ratio_schedule"].choices, help="of the share, over steps and layers"
        ),
        "bonus": Parameter(float, 0.8, 0.0, 1e6, help="raise of the best of every 2 × 2 tokens"),
    }
    aggressive = True
