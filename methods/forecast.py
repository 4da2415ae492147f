"""What stands for a tensor between two evaluations that compute it: weights of what was kept and its differences.

At every computing evaluation the newest tensor is F_0 and F_{n+1} = (F_n - F_n before) / gap, all orders with the gap
since the last computing evaluation, as TaylorSeer's code has it: after an uneven gap a second difference mixes two
gaps. The first evaluation keeps order 0 alone and each later one adds an order.

* Taylor (arXiv 2503.06923, eq. 6): Σ F_n d^n / n!, d the distance to the newest tensor.
* Hermite (HiCache, arXiv 2508.16984, eq. 10): Σ F_n H̃_n(d) / n!, with the contracted polynomials
  H̃_n(d) = σ^n H_n(σ d) of the physicists' H_n. The linear term is 2 σ² d: σ = 0.5 halves the slope, σ = √½ keeps it.
"""

from __future__ import annotations

from math import factorial


def weights(count: int, distance: float, sigma: float = 0.0) -> list[float]:
    """Weights of the `count` kept tensors, newest and its differences, at `distance` evaluations after the newest."""
    powers = hermite(count, distance, sigma) if sigma else [distance**n for n in range(count)]
    return [power / factorial(n) for n, power in enumerate(powers)]


def hermite(count: int, distance: float, sigma: float) -> list[float]:
    """σ^n H_n(σ d) for n < count, by H_{n+1}(y) = 2 y H_n(y) - 2 n H_{n-1}(y)."""
    y, values = sigma * distance, [1.0, 2.0 * sigma * distance]
    for n in range(1, count - 1):
        values.append(2.0 * y * values[n] - 2.0 * n * values[n - 1])
    return [sigma**n * value for n, value in enumerate(values[:count])]
