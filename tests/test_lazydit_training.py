"""Training of LazyDiT's gates: its loss by hand, what it decides at, resume, and the file that the method takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_router_training import digits, dit, latents, uvit

import methods
import models
from bench.cli import main
from bench.sampling import make_plan
from bench.train.loop import Trainer
from bench.train.router.lazydit import LazyGates, LazyLoss, LazyRecipe, train_lazydit
from bench.train.router.pairs import reach, timestep
from methods.lazydit import read_weights
from methods.routing import shipped
from methods.routing.file import read_card
from models import InputError
from models.checkpoint import sha256

DDIM = methods.build("ddim", steps=4)


def loss_of(model, l1: float = 0.0) -> tuple[LazyLoss, LazyGates]:
    loss = LazyLoss(model, DDIM, digits(), LazyRecipe(batch=4, l1=l1))
    return loss, LazyGates(loss.pairs, model.num_branches, model.token_shape()[1])


def at_a_pair(model, number: int) -> tuple:
    """x, t, labels and kept outputs at a pair, with the teacher's output."""
    loss, _ = loss_of(model)
    (clean, labels), generator = latents(4), torch.Generator().manual_seed(5)
    noise = torch.randn(clean.shape, generator=generator)
    pair = loss.pairs[number]
    x, kept = reach(model, DDIM, pair, clean, noise, labels, generator)
    t = timestep(DDIM.evaluations(model.noise_schedule), pair.cached, x)
    return x, t, labels, kept, model(x, t, labels)


@pytest.mark.parametrize("model", [dit, uvit])
def test_every_other_evaluation_is_decided_about_as_in_the_published_code(model) -> None:
    """There t is an odd respaced step, and t - 1 is decided about: rows 0, 2, 4, …"""
    pairs = loss_of(model())[0].pairs
    assert [(p.start, p.cached, p.row) for p in pairs] == [(0, 1, 2), (2, 3, 0)]


@pytest.mark.parametrize("model", [dit, uvit])
def test_gates_of_zero_mix_half_and_half_and_large_ones_compute_or_reuse(model) -> None:
    denoiser = model()
    x, t, labels, kept, teacher = at_a_pair(denoiser, 1)
    loss, gates = loss_of(denoiser)
    error, scores = loss.parts(x, t, labels, kept, gates.rows[0])
    assert scores.tolist() == [0.5] * denoiser.num_branches
    assert error > 0
    # a gate that follows the first branch's own input computes it: Σ w · z of every image is then large
    h, c = denoiser.embed(x, t, labels)
    first = denoiser.branch_input(0, h, c)  # [B,T,D]
    one = torch.zeros_like(gates.rows[0])
    one[0] = 100 * torch.linalg.lstsq(first.sum(dim=1), torch.ones(len(first), 1)).solution.squeeze(1)
    _, scores = loss.parts(x, t, labels, kept, one)
    assert scores[0] > 0.99
    _, scores = loss.parts(x, t, labels, kept, -one)
    assert scores[0] < 0.01
    assert loss.lazy == pytest.approx(1 / denoiser.num_branches)
    assert torch.isfinite(teacher).all()


def test_the_loss_is_the_distance_to_the_full_evaluation_and_the_mean_scores() -> None:
    """With one image, the scores of its own input by hand; weighing them adds their sum."""
    denoiser = dit()
    x, t, labels, kept, teacher = at_a_pair(denoiser, 0)
    loss, gates = loss_of(denoiser, l1=2.0)
    row = 0.05 * torch.randn(gates.rows[0].shape, generator=torch.Generator().manual_seed(7))
    error, scores = loss.parts(x, t, labels, kept, row)
    h, c = denoiser.embed(x, t, labels)
    found = []
    for index in range(denoiser.num_branches):
        z = denoiser.branch_input(index, h, c)
        s = torch.sigmoid(torch.einsum("btd,d->b", z, row[index]))
        found.append(s)
        mixed = s[:, None, None] * denoiser.branch(index, h, c) + (1 - s[:, None, None]) * kept[index]
        h = denoiser.residual(index, h, mixed, c)
    torch.testing.assert_close(scores, torch.stack(found).mean(dim=1))
    torch.testing.assert_close(error, (denoiser.unembed(h, c) - teacher).square().mean())


def trained(out: Path, model=dit, **changed: object) -> dict:
    recipe = LazyRecipe(**{"steps": 18, "batch": 4, "learning_rate": 0.1, **changed})
    return train_lazydit(model(), DDIM, digits(), recipe, out)


@pytest.mark.parametrize("model", [dit, uvit])
def test_a_larger_weight_of_the_scores_skips_more_and_the_method_takes_the_file(model, tmp_path: Path) -> None:
    eager, lazy = (trained(tmp_path / f"{l1}.safetensors", model, l1=l1) for l1 in (0.0, 100.0))
    assert eager["removed"] < lazy["removed"]
    file = tmp_path / "100.0.safetensors"
    assert json.loads(file.with_suffix(".json").read_text()) == json.loads(json.dumps(lazy))
    table = read_weights(file)
    assert table.shape == (4, model().num_blocks, 2, model().token_shape()[1])
    assert [bool(row.any()) for row in table] == [True, False, True, False], "gates of zero compute"
    cache = methods.build("lazydit", weights=file)
    assert cache.training == {"seconds": lazy["device_seconds"], "images": 72, "l1": 100.0}
    assert make_plan(model(), DDIM, cache).policy is not None
    with pytest.raises(InputError, match="transfer = true"):
        make_plan(model(), methods.build("ddim", steps=4, eta=0.5), cache)
    other = methods.build("lazydit", weights=file, transfer=True)
    assert make_plan(model(), methods.build("ddim", steps=4, eta=0.5), other).policy is not None
    with pytest.raises(InputError, match="unexpected entry 'lazy_weights'"):
        methods.build("l2c", router=file)


def test_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    trained(whole, l1=0.01)
    step = Trainer._step

    def interrupted(self: Trainer) -> torch.Tensor:
        if self.progress.step == 9:
            self.save()
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(broken, l1=0.01)
    monkeypatch.undo()
    trained(broken, l1=0.01)
    assert torch.equal(read_weights(whole), read_weights(broken))


def test_the_command_trains_and_refuses_what_is_for_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gates.safetensors"
    words = ["train-router", "dit-mnist", "--method", "lazydit", "--weights", "random", "--steps", "3", "--l1", "1e-5"]
    words += ["--data", "generated", "--samples", "2", "--iterations", "1", "--batch", "2", "--out", str(out)]
    assert main(words) == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["model"], card["method"], card["images"]) == ("dit-mnist", "lazydit", 2)
    capsys.readouterr()
    for option in (["--threshold", "0.5"], ["--plot", "a.png"], ["--checkpointing"]):
        assert main([*words, *option]) == 2
        error = capsys.readouterr().err
        assert f"{option[0]} is for l2c; lazydit learns" in error
        assert error.count("\n") == 1


def test_one_evaluation_leaves_nothing_to_decide(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to decide"):
        train_lazydit(dit(), methods.build("ddim", steps=1), digits(), LazyRecipe(steps=1), tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", ["dit-mnist", "uvit-mnist"])
def test_shipped_gates_are_found_by_their_weight_and_the_least_is_the_default(name: str) -> None:
    model, sampler = models.build(name, weights="random"), methods.build("ddim", steps=20)
    strengths = shipped.strengths(shipped.shelf(name, "lazydit"), sampler)
    assert len(strengths) >= 2
    for l1, path in strengths.items():
        cache, card = methods.build("lazydit", l1=l1), read_card(path)
        policy = make_plan(model, sampler, cache).policy
        assert torch.equal(policy.weights.flip(0).flatten(), read_weights(path).flatten())
        assert cache.training == {"seconds": card["device_seconds"], "images": card["images"], "l1": l1}
        assert cache.files(name, sampler) == [path]
        assert path.name == shipped.file_name(sampler, l1)
        assert json.loads(path.with_suffix(".json").read_text()) == card
        assert card["recipe"]["weights"] == sha256(models.spec(name).weights)
    assert methods.build("lazydit").files(name, sampler) == [next(iter(strengths.values()))]


def test_where_no_gates_are_shipped_the_cell_is_unsupported_and_says_what_there_is() -> None:
    model, sampler = models.build("dit-mnist", weights="random"), methods.build("ddim", steps=20)
    absent = methods.build("lazydit", l1=3.0)
    assert absent.files("dit-mnist", sampler) == []
    assert "l1 = 3 for ddim" in absent.supports(model, sampler)
    other = methods.build("ddim", steps=21)
    assert "lazydit: no router is shipped for dit-mnist with DDIM-21" in methods.build("lazydit").supports(model, other)
    with pytest.raises(InputError, match="not both"):
        methods.build("lazydit", l1=1e-5, weights=torch.ones(20, 12, 2, 96))
