"""F with Σ = FFᵀ, and the two products with it that a Fréchet distance needs, each at the cost of its structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dsygst

from models.errors import InputError

NEGATIVE = 1e-6  # of the largest eigenvalue: what rounding, also that of a float32 file, may leave below zero

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """F [d,r] with Σ = FFᵀ; `lower` says that it is a Cholesky factor, whose zeros are then not multiplied."""

    columns: Array
    lower: bool = False

    @property
    def rank(self) -> int:
        """How many directions it spans."""
        return self.columns.shape[1]

    def rows(self, x: Array) -> Array:
        """xF [n,r] of rows x [n,d]."""
        if not self.lower:
            return x @ self.columns
        return np.asarray(dtrmm(1.0, self.columns, x.T, side=0, lower=1, trans_a=1)).T  # (xL)ᵀ = Lᵀxᵀ, n d² flops

    def inner(self, symmetric: Array) -> Array:
        """FᵀSF [r,r] of a symmetric S [d,d]. Only its lower triangle holds, which is what `eigvalsh` reads."""
        if not self.lower:
            return self.columns.T @ symmetric @ self.columns
        reduced, _ = dsygst(symmetric.T, self.columns, itype=2, lower=1)  # LᵀSL in d³ flops instead of 4 d³
        return np.asarray(reduced)


def covariance_factor(covariance: Array) -> Factor:
    """Cholesky, or scaled eigenvectors of the nonzero eigenvalues when Σ [d,d] is singular.

    Raises InputError when Σ has eigenvalues below zero by more than rounding: it is no covariance then.
    """
    try:
        return Factor(np.asfortranarray(np.linalg.cholesky(covariance)), lower=True)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
    if values[0] < -NEGATIVE * max(abs(values[-1]), np.finfo(np.float64).tiny):
        raise InputError(
            f"the covariance must be positive semidefinite, got eigenvalues from {values[0]:.3g} to {values[-1]:.3g}"
        )
    keep = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return Factor(vectors[:, keep] * np.sqrt(values[keep]))
