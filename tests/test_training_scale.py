"""Training at scale in one process: parts of a batch, mixed precision, checkpointed blocks, losses, pictures."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import methods
import models
from bench.cli import main
from bench.train.blocks import Checkpointed
from bench.train.denoiser import DenoisingLoss, discretised_likelihood, variational_term
from bench.train.latents import in_memory
from bench.train.loop import Trainer
from bench.train.recipe import INFINITE, Recipe
from bench.train.recipes import recipe_of
from bench.train.router.drawing import figure
from bench.train.router.objective import RouterLogits, RouterLoss, RouterRecipe
from bench.train.router.training import RouterTrainer
from models.dit import DiT
from models.errors import InputError
from models.noise_schedule import linear
from models.uvit import UViT


def dit(**changes) -> DiT:
    torch.manual_seed(0)
    model = DiT(4, 2, 2, 16, depth=3, num_heads=2, num_classes=3, **changes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def uvit() -> UViT:
    torch.manual_seed(0)
    return UViT(4, 2, 2, 16, 4, 2, num_classes=4, conv=False)


BUILDERS = pytest.mark.parametrize("build", [dit, uvit])
DATA = in_memory(torch.randn(16, 2, 4, 4, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 3, "noise")


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@BUILDERS
def test_checkpointed_blocks_have_the_same_gradients(build) -> None:
    model = build()
    loss = DenoisingLoss(model, DATA, batch=4)
    found = []
    for replica in (model, Checkpointed(model)):
        model.zero_grad()
        value = loss(replica, torch.Generator().manual_seed(3))
        value.backward()
        found.append([value.detach(), *gradients(model)])
    for plain, checkpointed in zip(*found, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def router(build, recipe: RouterRecipe, checkpointing: bool = False) -> tuple[RouterLogits, RouterLoss]:
    model = build().eval().requires_grad_(False)
    loss = RouterLoss(model, methods.build("ddim", steps=6), DATA, recipe, checkpointing)
    return RouterLogits(loss.pairs, model.num_branches, seed=0), loss


@BUILDERS
def test_a_checkpointed_student_has_the_same_gradient(build) -> None:
    found = []
    for checkpointing in (False, True):
        logits, loss = router(build, RouterRecipe(batch=4, l1=0.1), checkpointing)
        loss.choose(logits, torch.Generator().manual_seed(0))
        loss(logits, torch.Generator().manual_seed(1)).backward()
        found.append(gradients(logits)[0])
    torch.testing.assert_close(*found)
    assert found[0].abs().max() > 0


@BUILDERS
def test_checkpointing_keeps_fewer_activations(build) -> None:
    model = build()
    kept = []
    for replica in (model, Checkpointed(model)):
        total = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            DenoisingLoss(model, DATA, batch=4)(replica, torch.Generator().manual_seed(0))
        kept.append(total)
    assert kept[1] < kept[0] / 2


@pytest.mark.parametrize("kind", ["denoiser", "router"])
def test_parts_of_a_batch_give_the_mean_of_their_gradients(kind: str, tmp_path: Path) -> None:
    """The step that two processes make, computed by one, against the two gradients computed by hand."""

    def trainer(parts: int) -> Trainer:
        if kind == "denoiser":
            recipe, model = Recipe(steps=9, batch=8, parts=parts, clip_norm=INFINITE), dit()
            return Trainer(model, DenoisingLoss(model, DATA, 8 // parts), recipe, tmp_path / "x")
        logits, loss = router(dit, RouterRecipe(steps=9, batch=8, parts=parts, l1=0.1))
        return RouterTrainer(logits, loss, loss.recipe, tmp_path / "x")

    run = trainer(2)
    run.begin_step()
    run._gradients()
    by_hand = trainer(2)
    by_hand.begin_step()
    sums = None
    for generator in by_hand.streams.own:
        by_hand.model.zero_grad()
        by_hand.loss(by_hand.model, generator).backward()
        own = gradients(by_hand.model)
        sums = own if sums is None else [a + b for a, b in zip(sums, own, strict=True)]
    for found, total in zip(gradients(run.model), sums, strict=True):
        torch.testing.assert_close(found, total / 2, rtol=1e-5, atol=1e-7)
    states = [generator.get_state() for generator in run.streams.own]
    assert not torch.equal(*states)


def test_a_batch_must_divide_evenly() -> None:
    recipe = Recipe(steps=1, batch=12)
    recipe.divide(2, 3)
    assert recipe.parts == 6
    with pytest.raises(InputError, match="batch of 12 cannot be divided evenly into 8 processes × 1 accumulated"):
        recipe.divide(8, 1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@BUILDERS
def test_mixed_precision_trains_float32_weights_close_to_float32(build, dtype: str, tmp_path: Path) -> None:
    ends = {}
    for name in ("float32", dtype):
        model = build()
        recipe = Recipe(steps=5, batch=16, learning_rate=1e-3, warmup=1, dtype=name)
        ends[name] = Trainer(model, DenoisingLoss(model, DATA, 16), recipe, tmp_path / name)
        ends[name].run()
        logits, loss = router(build, RouterRecipe(steps=4, batch=4, dtype=name, l1=0.1))
        routed = RouterTrainer(logits, loss, loss.recipe, tmp_path / f"{name}-router").run()
        assert all(row.dtype == torch.float32 and row.isfinite().all() for row in routed.rows)
    for p in ends[dtype].model.parameters():
        assert p.dtype == torch.float32
    exact, mixed = (ends[name].progress.losses[-1][1] for name in ("float32", dtype))
    assert exact != mixed
    assert mixed == pytest.approx(exact, rel=0.02)


def test_the_discretised_likelihood_is_that_of_8_bit_bins() -> None:
    values = torch.linspace(0, 255, 256) / 127.5 - 1
    likelihood = discretised_likelihood(values, torch.tensor(0.1), torch.tensor(0.3).log())
    edges = np.concatenate([[-np.inf], (values[:-1].double().numpy() + values[1:].double().numpy()) / 2, [np.inf]])
    expected = np.diff(norm.cdf(edges, 0.1, 0.3))
    np.testing.assert_allclose(likelihood.exp().numpy(), expected, rtol=2e-3, atol=1e-6)
    assert likelihood.exp().sum() == pytest.approx(1, abs=1e-5)


def test_the_discretised_term_differs_at_the_last_step_alone() -> None:
    schedule, x0 = linear(), torch.rand(1, 3, 4, 4) * 2 - 1
    noise, v = torch.randn_like(x0), torch.zeros_like(x0)
    for index, same in ((0, False), (1, True), (700, True)):
        abar = float(schedule.alphas_cumprod[index])
        xt = math.sqrt(abar) * x0 + math.sqrt(1 - abar) * noise
        terms = [variational_term(schedule, noise, v, x0, xt, torch.tensor([index]), d) for d in (False, True)]
        assert torch.equal(*terms) == same
    nats = -discretised_likelihood(x0, x0, v + 0.5 * math.log(schedule.betas[0]))
    index, abar = torch.tensor([0]), float(schedule.alphas_cumprod[0])
    xt = math.sqrt(abar) * x0 + math.sqrt(1 - abar) * noise
    found = variational_term(schedule, noise, v + 1, x0, xt, index, True)
    assert found == pytest.approx((nats.mean() / math.log(2)).item(), rel=1e-2)


def test_the_mean_gets_no_gradient_from_the_variational_term() -> None:
    """What the noise channels learn is the simple loss alone (Nichol & Dhariwal 2021, section 3.1)."""
    model = dit()
    x, y, t = torch.randn(2, 2, 4, 4), torch.tensor([0, 1]), torch.tensor([500, 20])
    out = model(x, t, y)
    noise, x0 = torch.randn_like(x), torch.randn_like(x)
    variational_term(model.noise_schedule, out[:, :2].detach(), out[:, 2:], x0, x, t).backward()
    grad = model.final_layer.linear.weight.grad.view(2, 2, 4, 16)  # rows are (p, q, channel)
    assert noise.shape == x.shape
    assert grad[:, :, :2].abs().max() == 0
    assert grad[:, :, 2:].abs().max() > 0


def test_full_size_models_have_the_published_recipes() -> None:
    recipe = recipe_of(models.spec("dit-l-2"), {"steps": 10})
    assert (recipe.batch, recipe.learning_rate, recipe.weight_decay, recipe.ema_decay) == (256, 1e-4, 0, 0.9999)
    assert [recipe.rate(step) for step in (0, 5, 9)] == [1e-4] * 3
    assert recipe.discretised
    assert recipe.label_dropout == 0.1
    recipe = recipe_of(models.spec("uvit-h-2"), {})
    assert (recipe.batch, recipe.betas, recipe.weight_decay, recipe.steps) == (1024, (0.99, 0.99), 0.03, 500_000)
    assert recipe.rate(2499) == pytest.approx(1e-4)
    assert recipe_of(models.spec("dit-mnist"), {}).steps == 7000


class Zeros:
    name = "zeros"

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(count, 2, 4, 4), torch.zeros(count, dtype=torch.int64)


@BUILDERS
def test_losses_run_where_the_model_is(build) -> None:
    """On a stand-in for a CUDA device, which takes no tensors of the host and waits for no values."""
    logits, loss = router(build, RouterRecipe(batch=4))
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in (*loss.denoiser.modules(), *logits.modules()):
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = nn.Parameter(torch.empty(parameter.shape, device="cuda"))
        generator, loss.data = torch.Generator(), Zeros()
        routed = loss(logits, generator)
        denoised = DenoisingLoss(loss.denoiser, loss.data, 4, discretised=True)(loss.denoiser, generator)
    assert routed.device.type == denoised.device.type == "cuda"


def test_the_router_is_drawn_at_every_checkpoint(tmp_path: Path) -> None:
    logits, loss = router(dit, RouterRecipe(steps=3, batch=4))
    trainer = RouterTrainer(logits, loss, loss.recipe, tmp_path / "x")
    trainer.plot = tmp_path / "router.svg"
    trainer.save()
    first = trainer.plot.read_text()
    trainer.run()
    assert first.lstrip().startswith("<?xml")
    assert trainer.plot.read_text() != first
    scores = loss.scores(logits)
    assert scores.shape == (6, 6)
    assert scores.isnan().all(1).tolist() == [True, False] * 3
    axes = figure(scores, [(1, 0.5), (2, 0.3)], "title").axes
    np.testing.assert_array_equal(np.asarray(axes[0].images[0].get_array().filled(np.nan)), scores.numpy())
    assert axes[1].lines[0].get_ydata().tolist() == [0.5, 0.3]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["train", "dit-l-2"], "needs --data"),
        (["train", "dit-mnist", "--dtype", "bfloat61"], "did you mean 'bfloat16'"),
        (["train", "dit-mnist", "--accumulate", "0"], "--accumulate"),
        (["train", "dit-mnist", "--accumulate", "3"], "cannot be divided evenly"),
        (["train", "digit-classifier", "--accumulate", "2"], "by one process"),
        (["train", "dit-mnist", "--device", "tpu"], "--device"),
        (["train", "dit-mnist", "--save-every", "-1"], "--save-every"),
        (["train-router", "dit-mnist", "--l1", "1", "--plot", "x.pdf"], ".pdf"),
        (["train-router", "dit-mnist", "--l1", "1", "--data", "absent"], "'absent': no such file or folder"),
        (["encode", "dit-mnist", "--data", "x", "--out", "y", "--batch", "0"], "--batch"),
    ],
)
def test_bad_usage(arguments: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = [] if arguments[0] == "encode" else ["--out", str(tmp_path / "out")]
    assert main([*arguments, *out]) == 2
    error = capsys.readouterr().err
    assert word in error.splitlines()[-1]
    assert sum(line.startswith("ditbench:") for line in error.splitlines()) == 1
