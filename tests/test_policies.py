"""The mechanism of policies: decided during sampling, the same in both paths, refused where it does not fit."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import methods
from bench.cost.plan_cost import plan_macs
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.executor import Executor
from methods.plan import BRANCH, OFFSET, Plan, Span, uncached
from methods.policy import Decisions, Policy
from models.dit import DiT
from models.errors import InputError
from models.uvit import UViT

STEPS = 6


def randomised(model):
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["dit", "uvit"])
def model(request):
    if request.param == "dit":
        return randomised(DiT(4, 1, 4, 32, 6, 4, num_classes=10))
    return randomised(UViT(4, 1, 4, 32, 6, 4, num_classes=11, conv=False))


@dataclass(frozen=True)
class Answers(Policy):
    """Decides what it was told to, branch spans or an offset of all but the first block."""

    rows: tuple = ()
    at: tuple[int, ...] = (0, 2)
    reused: tuple[Span, ...] = ()

    @property
    def points(self):
        return self.at

    @property
    def slots(self):
        return self.reused

    def begin(self, evaluations):
        return Answer(self)


class Answer(Decisions):
    def __init__(self, policy):
        self.policy = policy

    def decide(self, k, point, look):
        return self.policy.rows[k].get(point, ())

    def fresh(self, k, index, look):
        mask = torch.zeros(len(look.tokens), dtype=torch.bool)
        mask[::2] = True
        return mask if self.policy.rows[k].get("images") else torch.arange(4).expand(len(mask), 4)


def run(model, plan, path="compiled", **settings):
    noise, labels = seeded_noise(range(2), model.latent_shape), balanced_labels(range(2), 10)
    settings |= {"noise": noise, "labels": labels, "guidance_scale": 1.5, "options": Execution(path)}
    return sample(model, methods.build("ddim", steps=STEPS), plan, **settings)


def decided(model, rows, slots, at=(0, 2)):
    return Plan(model.num_branches, ((),) * STEPS, policy=Answers(tuple(rows), at, tuple(slots)))


def close(a, b):
    return (a - b).abs().max() <= 2e-5 * b.abs().max()


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("path", ["plain", "compiled"])
def test_a_policy_equals_the_static_plan_that_it_decides(model, order, path):
    end = model.num_branches
    spans = {1: (Span(2, end, OFFSET, order),), 3: (Span(2, end, OFFSET, order),), 4: (Span(2, end, OFFSET, order),)}
    static = Plan(end, tuple(spans.get(k, ()) for k in range(STEPS)))
    policy = decided(model, [{2: spans.get(k, ())} for k in range(STEPS)], [Span(2, end, OFFSET, order)])
    trace = []
    assert close(run(model, policy, path, trace=trace), run(model, static, path))
    assert np.array_equal(trace, static.computed)


@pytest.mark.parametrize("path", ["plain", "compiled"])
def test_always_computing_equals_the_uncached_sampler_bit_for_bit(model, path):
    end = model.num_branches
    slots = [Span(2, end, OFFSET, 1), *(Span(j, j + 1, BRANCH, 2) for j in range(end))]
    policy = decided(model, [{}] * STEPS, slots, tuple(range(3)))
    assert torch.equal(run(model, policy, path), run(model, uncached(STEPS, end), path))


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("images", [False, True])
def test_a_partly_computed_branch_is_the_same_in_both_paths(model, order, images):
    """Branch 3, an MLP, keeps its output; some tokens, or some images, of it are computed anew."""
    slot = Span(3, 4, BRANCH, order)
    part = Span(3, 4, BRANCH, order, fresh=0.5)
    rows = [{}, {}, {3: (part,), "images": images}, {3: (slot,)}, {}, {3: (part,), "images": images}]
    policy = decided(model, rows, [slot], (3, 4))
    plain, compiled = run(model, policy, "plain"), run(model, policy)
    assert close(compiled, plain)
    held = decided(model, [*rows[:2], {3: (slot,)}, rows[3], {}, {3: (slot,)}], [slot], (3, 4))
    assert not torch.equal(run(model, held), compiled)


def test_two_trajectories_share_nothing(model):
    end = model.num_branches
    policy = decided(model, [{}, *[{2: (Span(2, end, OFFSET),)}] * 5], [Span(2, end, OFFSET)])
    assert torch.equal(run(model, policy), run(model, policy))
    assert Executor(model, policy).cache_bytes(1) > 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((Span(0, 2, OFFSET),), r"expected spans within the branches 2\.\."),
        (("hold",), "decided 'hold'"),
        ((Span(2, 4, OFFSET),), "which is not kept"),
        ((Span(2, 4, OFFSET), Span(2, 4, OFFSET)), "which is not kept|expected spans"),
    ],
)
def test_a_decision_that_does_not_fit_is_one_line(model, answer, said):
    policy = decided(model, [{}, *[{2: answer}] * 5], [Span(2, model.num_branches, OFFSET)])
    for path in ("plain", "compiled"):
        with pytest.raises(InputError, match=said):
            run(model, policy, path)


def test_points_and_slots_must_fit_the_denoiser(model):
    for at, slot in [((0, 99), Span(0, 2, OFFSET)), ((0, 2), Span(0, 4, OFFSET))]:
        with pytest.raises(InputError, match=r"points|cut by a point"):
            run(model, decided(model, [{}] * STEPS, [slot], at))


def test_what_decides_during_sampling_takes_no_cuda_graph(model):
    policy = decided(model, [{}] * STEPS, [Span(2, 4, OFFSET)])
    with pytest.raises(InputError, match="neither cuda_graphs nor compile"):
        sample(
            model,
            methods.build("ddim", steps=STEPS),
            policy,
            noise=seeded_noise(range(1), model.latent_shape),
            labels=torch.tensor([1]),
            options=Execution(cuda_graphs=True),
        )


@pytest.mark.parametrize("path", ["plain", "compiled"])
def test_what_a_policy_runs_for_itself_is_part_of_the_work(model, path, monkeypatch):
    """Two branches more at one evaluation, run to decide and never used."""

    def decide(self, k, point, look):
        if k == 2 and point == 2:
            look.branch(2, look.branch(3, look.tokens))
        return ()

    monkeypatch.setattr(Answer, "decide", decide)
    end = model.num_branches
    plan = decided(model, [{}] * STEPS, [Span(2, end, OFFSET)])
    run = prepare(model, methods.build("ddim", steps=STEPS), plan, batch=1, options=Execution(path))
    run(seeded_noise([0], model.latent_shape), balanced_labels([0], 10))
    assert run.taken().looked == ((2, 3), (2, 2))
    more = plan_macs(model, run.taken()) - plan_macs(model, uncached(STEPS, end))
    assert more == sum(model.branch_macs(j) + model.residual_macs(j) for j in (2, 3))
