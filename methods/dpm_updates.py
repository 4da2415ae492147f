"""The updates of all DPM-Solvers as weights of a linear combination, computed before sampling starts.

The probability flow ODE has the exact solution (Lu et al., arXiv 2206.00927, eq. 3.4)

    x_t = (α_t / α_s) x_s - α_t ∫ e^{-λ} ε(λ) dλ    over λ_s..λ_t,

and DPM-Solver++ integrates the clean image D in place of the noise ε (arXiv 2211.01095, proposition 4.1)

    x_t = (σ_t / σ_s) x_s + σ_t ∫ e^{λ} D(λ) dλ.

The second is the first under λ -> -λ, which exchanges α and σ: one set of updates serves both, in the variable
u = λ for noise and u = -λ for data. With the integrand's Taylor series at u_s and z = u_t - u_s (2206.00927, eq. B.4),

    x_t = (α(u_t) / α(u_s)) x_s - α(-u_t) Σ_k z^{k+1} φ_{k+1}(z) D^{(k)}(u_s).

A rule estimates those derivatives from D at the nodes 0 and r_i = (u_i - u_s) / z, in units of the step, and returns
the weights of D there. r_i in (0, 1) are stages of the same step (singlestep), r_i < 0 are earlier steps (multistep).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from methods.dpm_schedule import alpha

Rule = Callable[..., np.ndarray]  # (z, *r) -> float64 [1 + len(r)]


def linear_update(rule: Rule, nodes: Sequence[float], target: float) -> tuple[float, list[float]]:
    """Scale of x(nodes[0]) and weights of D(nodes[i]) whose sum is x(target); nodes and target are values of u."""
    z = target - nodes[0]
    r = [(u - nodes[0]) / z for u in nodes[1:]]
    weights = -alpha(-target) * rule(z, *r)
    return alpha(target) / alpha(nodes[0]), weights.tolist()


def z_phi2(z: float) -> float:
    """z φ_2(z) = (e^z - 1) / z - 1 (2206.00927, eq. B.2): the factor of the first derivative."""
    return math.expm1(z) / z - 1.0


def z_phi3(z: float) -> float:
    """z φ_3(z) = φ_2(z) - 1/2: the factor of the second derivative."""
    return z_phi2(z) / z - 0.5


def slope(node: int, r: Sequence[float]) -> np.ndarray:
    """Weights of the divided difference (D(r_node) - D(0)) / r_node; node counts from 1."""
    weights = np.zeros(1 + len(r))
    weights[[0, node]] = -1.0 / r[node - 1], 1.0 / r[node - 1]
    return weights


def first_order(z: float, *r: float) -> np.ndarray:
    """D held constant: DPM-Solver-1, which is DDIM (2206.00927, section 4.1)."""
    weights = np.zeros(1 + len(r))
    weights[0] = math.expm1(z)
    return weights


def midpoint(z: float, r: float) -> np.ndarray:
    """Second order with φ_2(z) ≈ φ_1(z) / 2: DPM-Solver-2, DPM-Solver++(2S) and (2M) as published."""
    return first_order(z, r) + 0.5 * math.expm1(z) * slope(1, [r])


def taylor_2(z: float, r: float) -> np.ndarray:
    """Second order with the exact φ_2."""
    return first_order(z, r) + z_phi2(z) * slope(1, [r])


def outer_slope(z: float, r1: float, r2: float) -> np.ndarray:
    """DPM-Solver-3's last stage (2206.00927, algorithm 2): the slope from the far node alone."""
    return first_order(z, r1, r2) + z_phi2(z) * slope(2, [r1, r2])


def taylor_3(z: float, r1: float, r2: float, curvature: float = 2.0) -> np.ndarray:
    """Third order: first and second derivative of the parabola through the three nodes.

    `curvature` times the second divided difference stands for the second derivative; 2 is exact.
    """
    second = (slope(2, [r1, r2]) - slope(1, [r1, r2])) / (r2 - r1)
    first = slope(1, [r1, r2]) - r1 * second
    return first_order(z, r1, r2) + z_phi2(z) * first + z_phi3(z) * curvature * second


def multistep_3(z: float, r1: float, r2: float) -> np.ndarray:
    """DPM-Solver++(3M) as released: half the parabola's curvature, which all published 3M results have."""
    return taylor_3(z, r1, r2, curvature=1.0)


STAGE: dict[int, Rule] = {1: first_order, 2: taylor_2, 3: taylor_3}  # by number of nodes
SINGLESTEP: dict[str, dict[int, Rule]] = {
    "dpmsolver": {1: first_order, 2: midpoint, 3: outer_slope},
    "taylor": STAGE,
}
MULTISTEP: dict[str, dict[int, Rule]] = {
    "dpmsolver": {1: first_order, 2: midpoint, 3: multistep_3},
    "taylor": {1: first_order, 2: taylor_2, 3: multistep_3},
}
