"""A sampler's update folded into coefficients: x after evaluation k as a combination of what came before.

The sampler runs once on symbols (linear.py beside this). At every evaluation its current x becomes a symbol of its
own, so that DDIM, whose paper writes four operations, is x_{k+1} = a x_k + b ε_k with a and b made in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.sampling.compiled.linear import Linear, NotLinear
from methods.method import Sampler
from models.denoiser import Denoiser

X, PREDICTION, STEP_NOISE = "x", "prediction", "noise"
Source = tuple[str, int]  # kind, evaluation


@dataclass(frozen=True)
class Update:
    """x_{k+1} = Σ coefficient * source; afterwards `spent` are never read again."""

    terms: tuple[tuple[Source, float], ...]
    spent: tuple[Source, ...]


class Output(Linear):
    """A model output: [:, :C] is the noise prediction; whatever else is read of it is a source that nothing folds."""

    def __init__(self, k: int, channels: int, shape: tuple[int, ...]) -> None:
        super().__init__({("output" if shape[1] > channels else PREDICTION, k): 1.0}, shape)
        self.k, self.channels = k, channels

    def __getitem__(self, key: tuple[slice, slice]) -> Linear:
        batch, channels = key
        picked = range(self.shape[1])[channels]
        if batch != slice(None) or picked.step != 1:
            raise NotLinear(f"a model output indexed by {key}")
        kind = PREDICTION if picked == range(self.channels) else f"channels {picked}"
        return Linear({(kind, self.k): 1.0} if picked else {}, (1, len(picked), *self.shape[2:]))


def fold(sampler: Sampler, model: Denoiser, evaluations: int) -> list[Update] | None:
    """The update after every evaluation, the noise prediction being the first C channels of the model's output.

    None where the sampler's formula is not linear, as with clipping, thresholding and learned variances: such a
    sampler runs its own formula on tensors.
    """
    try:
        states = _states(sampler, model, evaluations)
    except (TypeError, AttributeError):  # an operation that Linear lacks
        return None
    terms = [tuple((s, c) for s, c in state.items() if c != 0.0) for state in states]
    if any(source not in _sources(k) for k, row in enumerate(terms) for source, _ in row):
        return None  # reads variance channels
    return _with_lifetimes(terms)


def _states(sampler: Sampler, model: Denoiser, evaluations: int) -> list[dict[Any, float]]:
    """x_1 .. x_E, each in terms of earlier sources."""
    C, H, W = model.latent_shape
    wide = getattr(model, "out_channels", 2 * C)  # not stated: there may be variances
    states: list[dict[Any, float]] = []

    def denoise(k: int, x: Linear) -> Linear:
        if not isinstance(x, Linear) or k != len(states):
            raise NotLinear("evaluations out of order")
        if not states and x.terms != {(X, 0): 1.0}:
            raise NotLinear("the first evaluation is not of the noise itself")
        states.append(x.terms)
        x.terms = {(X, k): 1.0}  # whoever holds this x holds the symbol from now on
        return Output(k, C, (1, wide, H, W))

    def step_noise(k: int) -> Linear:
        return Linear({(STEP_NOISE, k): 1.0}, (1, C, H, W))

    symbolic: Any = sampler.sample  # typed for tensors
    result = symbolic(denoise, Linear({(X, 0): 1.0}, (1, C, H, W)), model.noise_schedule, step_noise)
    if not isinstance(result, Linear) or len(states) != evaluations:
        raise NotLinear("the sampler did not make the evaluations that it announced")
    return [*states[1:], result.terms]


def _sources(k: int) -> set[Any]:
    return {(kind, j) for kind in (X, PREDICTION, STEP_NOISE) for j in range(k + 1)}


def _with_lifetimes(terms: list[tuple[tuple[Any, float], ...]]) -> list[Update]:
    last = {source: k for k, row in enumerate(terms) for source, _ in row}
    return [Update(row, tuple(s for s, _ in row if last[s] == k)) for k, row in enumerate(terms)]
