"""Search: chains against brute force, sensitivities of what is known, and calibrations that are none."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
import torch

import methods
import models
from bench.sampling import make_plan
from methods.searching.chain import cheapest, greedy, links, total
from methods.searching.sensitivity import link_defects, probe
from models.errors import InputError

COUNT, GAPS = 7, 4


def chains(count, length):
    return [(0, *rest) for rest in combinations(range(1, count), length - 1)]


def random_defects(seed, count=COUNT, gaps=GAPS):
    """Vectors of every link that can be, infinite elsewhere."""
    defects = np.full((count, gaps + 1, gaps + 1, 3), np.inf)
    rng = np.random.default_rng(seed)
    for i in range(count):
        for before in range(1, min(i, gaps) + 1) if i else (0,):
            for after in range(1, min(gaps, count - i) + 1):
                defects[i, before, after] = rng.normal(size=3)
    return defects


def test_links_of_a_chain_are_where_it_turns():
    assert links((0, 1, 4), 6).tolist() == [[0, 0, 1], [1, 1, 3], [4, 3, 2]]


@pytest.mark.parametrize("seed", range(4))
def test_dynamic_programming_finds_the_cheapest_of_all_chains(seed):
    costs = np.square(random_defects(seed)).sum(axis=-1)
    found = cheapest(costs)
    for length in range(1, COUNT + 1):
        least = min(float(total(chain, costs)) for chain in chains(COUNT, length))
        if np.isinf(least):
            assert length not in found
        else:
            assert len(found[length]) == length
            assert total(found[length], costs) == pytest.approx(least)
    assert set(found) == {2, 3, 4, 5, 6, 7}  # one computed evaluation alone leaves too long a gap


@pytest.mark.parametrize("seed", range(4))
def test_greedy_drops_the_evaluation_that_is_missed_least(seed):
    defects = random_defects(seed)
    found = greedy(defects)
    assert found[COUNT] == tuple(range(COUNT))
    for length in sorted(found)[:-1]:
        larger = found[length + 1]
        options = [tuple(k for k in larger if k != dropped) for dropped in larger[1:]]
        lengths = [np.square(total(chain, defects)).sum() for chain in options]
        assert found[length] == options[int(np.argmin(lengths))]


def test_weights_are_what_a_unit_of_output_moves_the_sample_by():
    model = models.build("dit-mnist")
    sampler, schedule = methods.build("ddim", steps=6), model.noise_schedule
    weights, one_step = probe(sampler, schedule)
    outputs = torch.randn(6, 1, 2, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
    moved = sampler.sample(lambda k, x: outputs[k], start, schedule, None)
    torch.testing.assert_close(moved, sum(w * out for w, out in zip(weights, outputs, strict=True)))
    assert one_step


@pytest.mark.parametrize("name", ["dpm-solver++", "unipc", "deis"])
def test_a_multistep_sampler_is_told_from_a_one_step_one(name):
    assert not probe(methods.build(name, steps=6), models.build("dit-mnist").noise_schedule)[1]


def test_a_sampler_that_draws_noise_is_refused():
    with pytest.raises(InputError, match="'ddpm' draws noise"):
        probe(methods.build("ddpm", steps=6), models.build("dit-mnist").noise_schedule)


def test_outputs_on_a_line_are_forecast_without_defect():
    outputs, weights = np.arange(6.0)[:, None] * [1.0, -2.0], np.linspace(1, 2, 6)
    defects = link_defects(outputs, weights, 1.0, one_step=False, max_gap=3)
    assert np.abs(defects[1:][np.isfinite(defects[1:])]).max() < 1e-12
    assert defects[0, 0, 3] == pytest.approx([-(weights[1] + 2 * weights[2]), 2 * (weights[1] + 2 * weights[2])])


def test_leaning_makes_up_for_the_lag_of_a_one_step_sampler():
    """Half a step behind where computed, half a step ahead where forecast with twice the slope: nothing is left."""
    defects = link_defects(np.arange(9.0)[:, None], np.ones(9), 2.0, one_step=True, max_gap=2)
    assert defects[2, 2, 2] == pytest.approx([0.0])
    assert defects[2, 1, 1] == pytest.approx([-0.5])


@pytest.fixture
def content():
    errors = {"110101": 0.2, "111111": 0.1, "110000": 0.4, "111110": 0.3}
    plans = [{"computed": marked, "slope": 1.5, "error": error} for marked, error in errors.items()]
    data = {"reuse": 0.1, "greedy": plans, "dynamic": plans[1:2]}
    return {"method": "search", "model": "dit-mnist", "sampler": "ddim", "evaluations": 6, "data": data}


def planned(calibration, budget=0.75, model="dit-mnist", sampler="ddim", steps=6, **params):
    cache = methods.build("search", calibration=calibration, budget=budget, **params)
    return make_plan(models.build(model), methods.build(sampler, steps=steps), cache)


@pytest.mark.parametrize(
    ("budget", "computed"),
    [(1.0, "111111"), (0.9, "110101"), (0.7, "110101"), (0.69, "110000"), (0.4, "110000")],
)
def test_the_plan_of_least_error_within_the_budget_is_taken(content, budget, computed):
    """Latencies are 1, (4 + 2 * 0.1) / 6 = 0.7 and (2 + 4 * 0.1) / 6 = 0.4 of the uncached one."""
    plan = planned(content, budget)
    assert "".join(str(int(row.all())) for row in plan.computed) == computed
    assert {span.sigma for row in plan.rows for span in row} <= {0.75**0.5}


def test_a_budget_below_the_fastest_plan_is_one_line(content):
    with pytest.raises(InputError, match=r"its fastest plan takes 0\.4 of the uncached latency, 'budget' is 0\.3"):
        planned(content, 0.3)
    with pytest.raises(InputError, match="takes 1 of the uncached latency"):
        planned(content, by="dynamic")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reuse": -1}, "'reuse' must be a number in"),
        ({"reuse": True}, "'reuse' must be a number in"),
        ({"greedy": []}, "'greedy' must be a list of plans"),
        ({"greedy": [{"error": 0, "slope": 1.5, "computed": "011111"}]}, "the first of them 1"),
        ({"greedy": [{"error": 0, "slope": 1.5, "computed": "11111"}]}, "6 marks"),
        ({"greedy": [{"error": 0, "slope": 1.5, "computed": "11x111"}]}, "6 marks"),
        ({"greedy": [{"error": 0, "slope": 0, "computed": "111111"}]}, "'slope', a number"),
        ({"greedy": [{"error": 0, "slope": -1.5, "computed": "111111"}]}, "'slope', a number"),
        ({"greedy": [{"slope": 1.5, "computed": "111111"}]}, "'error', a number"),
        ({"greedy": ["111111"]}, "'greedy' must be a list of plans"),
    ],
)
def test_a_damaged_calibration_is_one_line(content, changed, said, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content | {"data": content["data"] | changed}))
    with pytest.raises(InputError, match=f"c.json: .*{said}") as error:
        planned(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("elsewhere", "said"),
    [
        ({"model": "uvit-mnist"}, "made for model 'dit-mnist', expected 'uvit-mnist'"),
        ({"sampler": "unipc"}, "made for sampler 'ddim', expected 'unipc'"),
        ({"steps": 7}, "made for evaluations '6', expected '7'"),
    ],
)
def test_a_calibration_for_something_else_is_one_line(content, elsewhere, said):
    with pytest.raises(InputError, match=said):
        planned(content, **elsewhere)
