"""What a network may predict of x = α x_0 + σ ε, α² + σ² = 1, and the noise that follows from it. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Number = Any  # a float, or a tensor that broadcasts


@dataclass(frozen=True)
class Prediction:
    """One kind of output. Its errors are `scale` times the noise's: losses are mean squares of the former."""

    enter: Callable[[Number, Number, Number], Number]  # x, α, σ -> what the network receives
    noise: Callable[[Number, Number, Number, Number], Number]  # output, x, α, σ -> ε
    scale: Callable[[Number, Number], Number]  # α, σ -> |change of the output| where ε changes by 1


PREDICTIONS = {
    "noise": Prediction(
        enter=lambda x, alpha, sigma: x,
        noise=lambda out, x, alpha, sigma: out,
        scale=lambda alpha, sigma: alpha / alpha,
    ),
    # The clean latents: ε = (x - α x_0) / σ.
    "data": Prediction(
        enter=lambda x, alpha, sigma: x,
        noise=lambda out, x, alpha, sigma: (x - alpha * out) / sigma,
        scale=lambda alpha, sigma: sigma / alpha,
    ),
    # Flow matching (arXiv 2210.02747, 2209.03003): z = (1 - t) x_0 + t ε and v = ε - x_0, so ε = z + (1 - t) v. Scaled
    # to α² + σ² = 1, z is x / (α + σ) and t is σ / (α + σ).
    "velocity": Prediction(
        enter=lambda x, alpha, sigma: x / (alpha + sigma),
        noise=lambda out, x, alpha, sigma: (x + alpha * out) / (alpha + sigma),
        scale=lambda alpha, sigma: (alpha + sigma) / alpha,
    ),
}
