"""No method holds more between two evaluations than its plan predicts, whoever holds it: executor, path or policy."""

from functools import cache

import pytest
import torch

import methods
from bench.measure.alive import Alive, bytes_between_evaluations
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.executor import Executor
from methods.plan import OFFSET, Plan, Span
from methods.policy import Decisions, Policy
from models.dit import DiT
from models.uvit import UViT

MODELS = {
    "dit": DiT(4, 1, 4, 32, 6, 4, num_classes=10).eval().requires_grad_(False),
    "uvit": UViT(4, 1, 4, 32, 6, 4, num_classes=11, conv=False).eval().requires_grad_(False),
}
SAMPLER = methods.build("ddim", steps=8)
PATHS = ("plain", "compiled")
IMAGES = 3
MORE = [  # what tiny settings do not reach
    *(("toca", {"score": score}) for score in ("norm", "similarity", "kv-norm")),
    ("duca", {"score": "similarity"}),
    ("speca", {"order": 4, "max_steps": 2}),
    ("dbcache", {"order": 2, "threshold": 1.0}),
    ("first-block-cache", {"threshold": 1e6}),
    ("easycache", {"threshold": 1e6}),
    ("taylorseer", {"interval": 2, "order": 4}),
]


@pytest.fixture(autouse=True, scope="module")
def every_branch_counts():
    generator = torch.Generator().manual_seed(3)
    for model in MODELS.values():
        for parameter in model.parameters():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)


def held(model, plan, path):
    run = prepare(model, SAMPLER, plan, batch=IMAGES, guidance_scale=1.5, options=Execution(path))
    return bytes_between_evaluations(
        run, seeded_noise(range(IMAGES), model.latent_shape), balanced_labels(range(IMAGES), 10)
    )


@cache
def uncached(architecture, path):
    return held(MODELS[architecture], make_plan(MODELS[architecture], SAMPLER, None), path)


def most(architecture, plan, path):
    """Bytes beside the uncached trajectory's, at most."""
    both = zip(held(MODELS[architecture], plan, path), uncached(architecture, path), strict=True)
    return max(cached - whole for cached, whole in both)


def predicted(model, plan):
    executor = Executor(model, plan)
    return executor.cache_bytes(IMAGES), executor.decision_bytes(IMAGES)


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize(("name", "changed"), [*((name, {}) for name in methods.names("cache")), *MORE])
def test_a_method_holds_what_was_predicted_and_no_more(name, changed, architecture):
    model = MODELS[architecture]
    method = methods.build(name, **methods.find(name).tiny_params(model, SAMPLER) | changed)
    if method.supports(model, SAMPLER):
        pytest.skip("not on this architecture")
    plan = make_plan(model, SAMPLER, method)
    kept, remembered = predicted(model, plan)
    assert (remembered > 0) == (plan.policy is not None)
    for path in PATHS:
        assert 0 < most(architecture, plan, path) <= kept + remembered


class Hoarder(Policy):
    """Remembers the tokens of every evaluation, and says nothing of it."""

    points = (0,)

    def begin(self, evaluations):
        return Hoard()


class Hoard(Decisions):
    def __init__(self):
        self.all = []

    def decide(self, k, point, look):
        self.all.append(look.tokens.clone())
        return ()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("architecture", MODELS)
def test_what_a_policy_does_not_say_is_seen(architecture, path):
    model = MODELS[architecture]
    plan = Plan(model.num_branches, ((),) * 8, policy=Hoarder())
    tokens, width = model.token_shape()
    kept, remembered = predicted(model, plan)
    assert kept == 0
    assert most(architecture, plan, path) >= 8 * 2 * IMAGES * tokens * width * 4 > remembered


@pytest.mark.parametrize("path", PATHS)
def test_an_offset_is_counted_to_the_byte(path):
    plan = Plan(12, ((), *((Span(0, 12, OFFSET),),) * 7))
    tokens, width = MODELS["dit"].token_shape()
    assert most("dit", plan, path) == 2 * IMAGES * tokens * width * 4 == predicted(MODELS["dit"], plan)[0]


def test_memory_that_was_there_and_views_of_it_count_nothing():
    before = torch.ones(1000)
    with Alive() as alive:
        view = before[10:]
        kept = view + 1
        assert alive.bytes() == kept.nbytes
        del kept
        assert alive.bytes() == 0
