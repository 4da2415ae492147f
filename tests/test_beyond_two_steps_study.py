"""Routers of other intervals, and the study of them, on what is known: patterns by hand, and invented errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from invented_times import session

import methods
from bench.studies.beyond_two_steps import against, answer, plot, speedup, tables
from bench.studies.lab.latency import Times
from bench.studies.lab.masks import Cacheable, learned
from bench.studies.lab.subject import Subject
from bench.suite.cells import Part
from bench.train.router.interpolation import record
from bench.train.router.pairs import pairs, reach, timestep
from methods.routing.pattern import routed_between, routed_evaluations
from methods.routing.shipped import ROUTERS
from models.errors import InputError

DDIM_20 = Part("ddim", {"steps": 20})


@pytest.fixture(scope="module", params=["dit-mnist", "uvit-mnist"])
def subject(request):
    return Subject.named(request.param)


@pytest.mark.parametrize(
    ("interval", "steps", "full"),
    [(2, 6, [0, 2, 4]), (2, 5, [0, 1, 3]), (3, 6, [0, 3]), (3, 8, [0, 2, 5]), (4, 20, [0, 4, 8, 12, 16]), (9, 4, [0])],
)
def test_full_evaluations_are_counted_from_the_end(subject, interval, steps, full):
    evaluations = methods.build("ddim", steps=steps).evaluations(subject.model.noise_schedule)
    found = routed_between(subject.model, evaluations, interval)
    assert [k for k in range(steps) if k not in {routed.evaluation for routed, _ in found}] == full
    assert all(kept == max(k for k in full if k < routed.evaluation) for routed, kept in found)
    everywhere = {r.evaluation: r.row for r in routed_evaluations(subject.model, evaluations)}
    assert all(everywhere[r.evaluation] == r.row for r, _ in found if r.evaluation in everywhere)


def test_inner_evaluations_have_no_other_interval(subject):
    sampler = methods.build("dpm-solver++", steps=8, variant="uvit-singlestep")
    evaluations = sampler.evaluations(subject.model.noise_schedule)
    assert routed_between(subject.model, evaluations)
    with pytest.raises(InputError, match="an interval of 3 needs a sampler with one evaluation a step"):
        pairs(subject.model, sampler, 3)


@torch.no_grad()
def test_a_pair_keeps_what_the_full_evaluation_computed(subject):
    model, sampler = subject.model, methods.build("ddim", steps=6)
    pair = pairs(model, sampler, 3)[1]
    assert (pair.start, pair.full, pair.cached) == (0, 0, 2)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(2, *model.latent_shape, generator=generator) for _ in range(2))
    labels, evaluations = torch.tensor([1, 2]), sampler.evaluations(model.noise_schedule)
    seen = []

    def denoise(k, x):
        seen.append(x)
        return model(x, timestep(evaluations, k, x), labels)

    x, kept = reach(model, sampler, pair, clean, noise, labels, generator)
    first, _ = reach(model, sampler, pairs(model, sampler, 3)[0], clean, noise, labels, generator)
    evaluate_start = record(model, start_of(model, sampler, clean, noise), timestep(evaluations, 0, x), labels)[1]
    torch.testing.assert_close(kept, evaluate_start)
    sampler.sample(denoise, start_of(model, sampler, clean, noise), model.noise_schedule, lambda k: noise)
    torch.testing.assert_close(first, seen[1])
    torch.testing.assert_close(x, seen[2])


def start_of(model, sampler, clean, noise):
    from bench.train.router.pairs import signal_and_noise

    alpha, sigma = signal_and_noise(model.noise_schedule, sampler.evaluations(model.noise_schedule)[0].timestep)
    return alpha * clean + sigma * noise


def test_l2c_refuses_a_router_of_another_interval():
    path = next((ROUTERS / "dit-mnist" / "interval-4").glob("*.safetensors"))
    with pytest.raises(InputError, match=r"is a router of 'l2c with interval 4', expected one of 'l2c'"):
        methods.build("l2c", router=str(path))


@pytest.mark.parametrize("interval", [2, 3, 4, 5, 6])
def test_shipped_routers_decide_only_between_full_evaluations(interval):
    subject = Subject.named("dit-mnist")
    cacheable = Cacheable.of(subject, DDIM_20.method, interval)
    routers = learned(subject, DDIM_20.method, interval)
    assert routers
    for router in routers:
        cached = np.flatnonzero(~router.mask.all(axis=1)).tolist()
        assert set(cached) <= set(cacheable.decided)
        assert 0 < cacheable.removed(router.mask) < 1
        assert np.isfinite(router.scores).all()


def way(name: str, *points: tuple[float, float]) -> list[dict]:
    """Points of (speed-up, error)."""
    return [
        {"name": f"{name}-{s:g}", "steps": i, "speed": s, "errors": [e, e * 1.1]} for i, (s, e) in enumerate(points)
    ]


@pytest.fixture
def data():
    l2c = [
        {"interval": n, "l1": 0.1, "removed": 0.5, "name": f"l2c-{n}", "speed": s, "errors": [e, 1.1 * e]}
        for n, s, e in ((2, 1.5, 9.0), (3, 2.0, 1.0), (4, 3.0, 3.0))
    ]
    fewer, fora = way("steps", (0.9, 2.0), (4.0, 2.0)), way("fora", (1.4, 4.0), (5.0, 4.0))
    taylor = way("taylorseer", (2.5, 1.0), (3.5, 1.0))
    every = [*fewer, *fora, *taylor, *l2c]
    return {
        "resolution": 0.1,
        "fewer steps": fewer,
        "FORA": fora,
        "TaylorSeer": taylor,
        "L2C": l2c,
        "times": session({point["name"]: 10.0 / point["speed"] for point in every}, noise=1e-7),
    }


def test_ways_are_compared_in_equal_time(data):
    assert [r["value"] for r in against(data, "fewer steps")] == pytest.approx([4.5, 0.5, 1.5])
    assert speedup(Times(data["times"]), data["L2C"][1])["value"] == pytest.approx(2.0)
    assert against(data, "TaylorSeer")[1] is None


def test_the_sentence_counts_what_is_sure(data):
    said = answer(data)
    assert "fewer steps with 1 (worse: 1) of 2 routers, FORA with 2 (worse: 0) of 2 routers" in said
    assert "TaylorSeer with 0 (worse: 1) of 1 routers" in said
    assert said.endswith("at best its error of 1.0500 is 0.50 [0.50, 0.50] times that of fewer steps (interval 3, "
                         "2.00 [2.00, 2.00] times as fast as uncached).")  # fmt: skip
    assert tables(data)[0].rows[1][-1] == "–"
    assert len(plot(data).axes) == 2
