"""The study of transfer on what is known: rows by timestep, a router at home, and ratios made up by hand."""

from __future__ import annotations

import numpy as np
import pytest

import methods
from bench.studies.lab.subject import Subject, title
from bench.studies.lab.transfer import nearest, sources, timesteps
from bench.studies.transfer import QUICK, answer, at_target
from bench.suite.cells import Part
from models.errors import InputError


def test_rows_are_taken_by_timestep():
    trained, wanted = np.array([900.0, 500.0, 100.0]), np.array([999.0, 701.0, 700.0, 450.0, 0.0])
    assert nearest(trained, wanted).tolist() == [0, 0, 0, 1, 2]


@pytest.fixture(scope="module", params=["dit-mnist", "uvit-mnist"])
def subject(request):
    return Subject.named(request.param)


def test_a_router_at_home_makes_its_own_mask(subject):
    found = sources(subject)
    assert len(found) == 2
    for source in found:
        (part,) = (p for p in known_parts() if title(p) == source.name)
        assert source.made_for(part.method)
        assert [source.made_for(other.method) for other in known_parts()].count(True) == 1
        assert (source.mask(subject, part.method) == source.router.mask).all()


def known_parts() -> list[Part]:
    singlestep = {"steps": 20, "variant": "uvit-singlestep"}
    return [Part("ddim", {"steps": 50}), Part("ddim", {"steps": 20}), Part("dpm-solver++", singlestep)]


def test_a_moved_router_decides_by_the_row_of_the_same_time(subject):
    source, sampler = sources(subject)[0], methods.build("unipc", steps=10)
    mask, wanted = source.mask(subject, sampler), timesteps(subject, sampler)
    decided = [k for k in range(len(mask)) if not mask[k].all()]
    assert decided
    evaluations = sampler.evaluations(subject.model.noise_schedule)
    for k in decided:
        row = int(np.abs(source.timesteps - evaluations[k].timestep).argmin())
        assert (mask[k] == (source.router.scores[row] > source.router.threshold)).all()
        assert evaluations[k].timestep in wanted


def test_a_model_without_routers_is_refused():
    with pytest.raises(InputError, match="no router is shipped for dit-s-2"):
        sources(Subject.named("dit-s-2", "random"))


def test_nothing_is_retrained_at_home(subject):
    pytest.importorskip("mlxtend")
    found = at_target(subject, QUICK, QUICK.targets[0], sources(subject))
    for one in found["sources"]:
        assert (one["retrained"] is None) == one["home"]
        assert 0 < one["removed"] < 1


def ratio(low: float, high: float) -> dict[str, float]:
    return {"value": (low + high) / 2, "low": low, "high": high}


def case(lost, random, retrained=None, home=False):
    return {"home": home, "removed": 0.5, "lost": lost, "random": random, "retrained": retrained}


def test_the_sentence_counts_what_is_sure():
    cases = [
        case(ratio(1.0, 1.2), ratio(1.5, 2.5), home=True),
        case(ratio(1.1, 1.3), ratio(1.01, 1.2), ratio(1.02, 1.2)),
        case(ratio(1.9, 2.1), ratio(0.8, 0.9), ratio(0.9, 1.1)),
        case(ratio(1.4, 1.6), ratio(0.9, 1.1), ratio(0.6, 0.8)),
    ]
    said = answer({"targets": [{"sources": cases}]})
    assert "surely beats random masks of equal cost in 1 of 3 cases (surely loses in 1)" in said
    assert "at 1.20 [1.10, 1.30] to 2.00 [1.90, 2.10] times the uncached error" in said
    assert said.endswith(
        "; a router trained there surely errs less in 1 of 3 (surely more in 1), the moved one's error being "
        "0.70 [0.60, 0.80] to 1.11 [1.02, 1.20] times its."
    )
