"""A router's scores where it was not trained: each evaluation takes the row trained nearest to its timestep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import methods
from bench.studies import Unanswerable
from bench.studies.lab.masks import Array, Cacheable, Learned, Mask, learned
from bench.studies.lab.subject import Subject, title
from bench.suite.cells import Part
from methods.method import Sampler
from methods.routing.shipped import shipped


@dataclass(frozen=True)
class Source:
    """One shipped router, with the sampler that it was trained for and the timesteps [decided] of its rows."""

    part: Part
    router: Learned
    timesteps: Array

    @property
    def name(self) -> str:
        return title(self.part)

    def made_for(self, sampler: Sampler) -> bool:
        """Whether it was trained for this sampler with these parameters."""
        own = self.part.method
        return own.name == sampler.name and own.params == sampler.params

    def mask(self, subject: Subject, sampler: Sampler) -> Mask:
        """The mask that the router makes for another sampler, or for its own."""
        cacheable = Cacheable.of(subject, sampler)
        return cacheable.mask(
            self.router.scores[nearest(self.timesteps, timesteps(subject, sampler))] > self.router.threshold
        )


def timesteps(subject: Subject, sampler: Sampler) -> Array:
    """The network's timesteps at the decided evaluations [decided]."""
    evaluations = sampler.evaluations(subject.model.noise_schedule)
    return np.array([evaluations[k].timestep for k in Cacheable.of(subject, sampler).decided])


def nearest(trained: Array, wanted: Array) -> np.ndarray:
    """For each wanted timestep [n] the number of the trained one [m] that is nearest; of two equally near the first."""
    return np.abs(trained[None, :] - wanted[:, None]).argmin(axis=1)


def sources(subject: Subject, removed: float = 0.5) -> list[Source]:
    """Of each sampler that routers are shipped for, the one that removes the most similar share.

    Raises Unanswerable where none is shipped for the model.
    """
    cards = shipped(subject.spec.name).values()
    trained = {title(part): part for part in (stated(card) for card in cards)}
    if not trained:
        raise Unanswerable(f"no router is shipped for {subject.spec.name}, which this study would move")
    return [_source(subject, part, removed) for _, part in sorted(trained.items())]


def stated(card: dict[str, Any]) -> Part:
    """The sampler that a router's card names, by those parameters alone without which it would be another one."""
    name, given = card["sampler"]["name"], dict(card["sampler"]["params"])
    for key in [key for key in given if key != "steps"]:
        fewer = {other: value for other, value in given.items() if other != key}
        if methods.build(name, **fewer).params == methods.build(name, **given).params:
            given = fewer
    return Part(name, given)


def _source(subject: Subject, part: Part, removed: float) -> Source:
    cacheable = Cacheable.of(subject, part.method)
    router = min(learned(subject, part.method), key=lambda one: abs(cacheable.removed(one.mask) - removed))
    return Source(part, router, timesteps(subject, part.method))
