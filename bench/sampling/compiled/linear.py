"""Linear combinations of tensors that do not exist yet, with float64 coefficients.

Run on these in place of tensors, a formula yields its own coefficients: a sampler's update or a cache's
extrapolation is stated once, where it is readable, and folded from there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from numbers import Real
from typing import Any


class NotLinear(TypeError):
    """A formula does to its operands what no linear combination can express."""


class Linear:
    """Σ coefficient * source. Arithmetic with numbers and other combinations; anything else raises TypeError."""

    __array_ufunc__ = None  # numpy's numbers leave the arithmetic to this class

    def __init__(self, terms: Mapping[Hashable, float], shape: tuple[int, ...] = ()) -> None:
        self.terms, self.shape = dict(terms), shape

    def _plus(self, other: Any, sign: float) -> Linear:
        if not isinstance(other, Linear):
            raise NotLinear(f"a tensor plus {type(other).__name__}")
        terms = dict(self.terms)
        for source, coefficient in other.terms.items():
            terms[source] = terms.get(source, 0.0) + sign * coefficient
        return Linear(terms, self.shape)

    def __add__(self, other: Any) -> Linear:
        return self._plus(other, 1.0)

    def __sub__(self, other: Any) -> Linear:
        return self._plus(other, -1.0)

    def __mul__(self, factor: Any) -> Linear:
        if not isinstance(factor, Real):
            raise NotLinear(f"a tensor times {type(factor).__name__}")
        return Linear({s: c * float(factor) for s, c in self.terms.items()}, self.shape)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Linear:
        if not isinstance(divisor, Real):
            raise NotLinear(f"a tensor divided by {type(divisor).__name__}")
        return Linear({s: c / float(divisor) for s, c in self.terms.items()}, self.shape)

    def __neg__(self) -> Linear:
        return self * -1.0

    def add_(self, other: Any, alpha: float = 1.0) -> Linear:
        self.terms = self._plus(other, alpha).terms
        return self
