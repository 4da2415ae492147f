"""HarmoniCa's training: the published run number for number, resume, the file that the method takes, the command."""

from __future__ import annotations

import json
from pathlib import Path

import golden_field as field
import pytest
import torch
from test_router_training import dit, uvit

import methods
import models
from bench.cli import main
from bench.sampling import make_plan
from bench.train.distributed import World
from bench.train.loop import Trainer
from bench.train.router.harmonica import HarmonicaLogits, HarmonicaRecipe, HarmonicaTrainer, train_harmonica
from bench.train.router.training import Scale
from bench.train.router.trajectory import Trajectory, importance
from methods.routing import shipped
from methods.routing.file import read_router
from methods.routing.shipped import ROUTERS
from models import InputError
from models.checkpoint import sha256

GATE = 5e-5  # the set's own, relative to max|reference|
DDIM = methods.build("ddim", steps=4)


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


def test_four_epochs_of_the_published_training_number_for_number(tmp_path: Path) -> None:
    """λ, inputs, teacher, student and gradient of every update, and the logits after all of them."""
    T, J = field.load("harmonica_train")
    stated, model = J["settings"], field.model("harmonica_train")
    sampler = methods.build("ddim", steps=stated["num_sampling_steps"])
    half, recipe = len(T["e0.y"]) // 2, HarmonicaRecipe(l1=stated["l1"], learning_rate=stated["lr"])
    logits = HarmonicaLogits(stated["num_sampling_steps"], model.num_branches, 0)
    with torch.no_grad():
        for row, first in zip(logits.rows, T["init_logits"].flip(0), strict=True):
            row.copy_(first)
    trainer = HarmonicaTrainer(model, sampler, logits, recipe, tmp_path / "checkpoint", Scale())

    def begin(epoch: int) -> Trajectory:
        labels = T[f"e{epoch}.y"][:half]
        return Trajectory(model, sampler, labels, stated["ste_threshold"], stated["cfg_scale"], 3)

    for epoch in range(4):
        trajectory = begin(epoch)
        if epoch % 2 == 0:  # λ is measured anew, and what that leaves behind begins the epoch
            rows = [row.detach() for row in logits.rows]
            weights, trajectory.slots = importance(lambda e=epoch: begin(e), T[f"lambda{epoch // 2}.z"][:half], rows)
            assert distance(weights[1:], T[f"lambda{epoch // 2}.value"].flip(0)) < GATE
            logits.weights.copy_(weights)
        seen: list[float] = []

        def compare(
            k: int, x: torch.Tensor, teacher: torch.Tensor, student: torch.Tensor, e: int = epoch, to: list = seen
        ) -> None:
            made = x, teacher, student, logits.rows[k].grad
            known = T[f"e{e}.x_t"][k - 1][:half], *(T[f"e{e}.{name}"][k - 1] for name in ("teacher", "student", "grad"))
            to.append(max(distance(a, b) for a, b in zip(made, known, strict=True)))

        trainer.follow(trajectory, T[f"e{epoch}.x_T"][:half], compare)
        assert len(seen) == 9
        assert max(seen) < GATE
    assert distance(torch.stack(list(logits.rows)).flip(0), T["final_logits"]) < GATE


def trained(out: Path, model=dit, **changed: object) -> dict:
    recipe = HarmonicaRecipe(**{"steps": 12, "batch": 4, "refresh": 5, "guidance_scale": 1.5, **changed})
    return train_harmonica(model(), DDIM, recipe, out)


@pytest.mark.parametrize("model", [dit, uvit])
def test_a_larger_weight_of_the_scores_removes_more_and_the_method_takes_the_file(model, tmp_path: Path) -> None:
    cheap, dear = (trained(tmp_path / f"{l1}.safetensors", model, l1=l1, learning_rate=1.0) for l1 in (0.0, 100.0))
    assert cheap["removed"] < dear["removed"] == 1
    router = read_router(tmp_path / "100.0.safetensors")
    assert router.card == json.loads(json.dumps(dear))
    plan = make_plan(model(), DDIM, methods.build("harmonica", router=tmp_path / "100.0.safetensors"))
    assert plan.computed.any(axis=1).tolist() == [True, False, False, False], "the first evaluation is computed"
    assert methods.build("harmonica", router=str(tmp_path / "100.0.safetensors")).training["images"] == 48


def test_resumes_between_trajectories_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    trained(whole, l1=0.01)
    step = HarmonicaTrainer._step

    def interrupted(self: Trainer) -> torch.Tensor:
        if self.progress.step == 7:
            self.save()
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(HarmonicaTrainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(broken, l1=0.01)
    monkeypatch.undo()
    with pytest.raises(InputError, match="another recipe"):
        trained(broken, l1=0.02)
    trained(broken, l1=0.01)
    assert torch.equal(read_router(whole).scores, read_router(broken).scores)


def test_a_router_decides_where_it_was_made_for_and_for_its_own_method_alone(tmp_path: Path) -> None:
    out = tmp_path / "r.safetensors"
    trained(out, l1=0.01)
    other = methods.build("ddim", steps=4, eta=0.5)
    with pytest.raises(InputError, match="transfer = true"):
        make_plan(dit(), other, methods.build("harmonica", router=out))
    assert "transfer = true" in methods.build("harmonica", router=out).supports(dit(), other)
    assert len(make_plan(dit(), other, methods.build("harmonica", router=out, transfer=True))) == 4
    with pytest.raises(InputError, match="is a router of 'harmonica', expected one of 'l2c'"):
        methods.build("l2c", router=out)
    of_l2c = next(iter(ROUTERS.glob("dit-mnist/*.safetensors")))
    with pytest.raises(InputError, match="is a router of 'l2c', expected one of 'harmonica'"):
        methods.build("harmonica", router=of_l2c)


def test_shipped_routers_form_a_curve_and_the_least_weight_is_the_default() -> None:
    model, sampler = models.build("dit-mnist", weights="random"), methods.build("ddim", steps=20)
    strengths = shipped.strengths(shipped.shelf("dit-mnist", "harmonica"), sampler)
    computed = []
    for l1, path in strengths.items():
        cache = methods.build("harmonica", l1=l1)
        computed.append(make_plan(model, sampler, cache).computed.mean())
        card = read_router(path).card
        assert cache.training == {"seconds": card["device_seconds"], "images": card["images"], "l1": l1}
        assert cache.files("dit-mnist", sampler) == [path]
        assert path.name == shipped.file_name(sampler, l1)
        assert json.loads(path.with_suffix(".json").read_text()) == card
        assert card["recipe"]["weights"] == sha256(models.spec("dit-mnist").weights)
    assert len(computed) >= 2
    assert computed == sorted(computed, reverse=True)
    default = methods.build("harmonica")
    assert make_plan(model, sampler, default).computed.mean() == computed[0]
    assert default.files("dit-mnist", sampler) == [next(iter(strengths.values()))]


def test_where_no_router_is_shipped_the_cell_is_unsupported_and_says_what_there_is() -> None:
    model, sampler = models.build("dit-mnist", weights="random"), methods.build("ddim", steps=20)
    absent = methods.build("harmonica", l1=3.0)
    assert absent.files("dit-mnist", sampler) == []
    with pytest.raises(
        InputError, match=r"no shipped router with l1 = 3 for ddim .*harmonica/dit-mnist; available l1: 1e-0"
    ):
        make_plan(model, sampler, absent)
    other = methods.build("ddim", steps=21)
    assert "harmonica: no router is shipped for dit-mnist with DDIM-21" in methods.build("harmonica").supports(
        model, other
    )
    with pytest.raises(InputError, match="not both"):
        methods.build("harmonica", l1=1e-5, router=torch.ones(20, model.num_branches))


def test_what_cannot_be_trained_is_one_line(tmp_path: Path) -> None:
    out, recipe = tmp_path / "r.safetensors", HarmonicaRecipe(steps=1, batch=2)
    with pytest.raises(InputError, match="nothing to decide"):
        train_harmonica(dit(), methods.build("ddim", steps=1), recipe, out)
    with pytest.raises(InputError, match="draws no noise"):
        train_harmonica(dit(), methods.build("ddpm", steps=3), recipe, out, Scale(World()))


def test_the_command_trains_and_refuses_what_is_for_l2c(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "router.safetensors"
    words = [
        "train-router",
        "dit-mnist",
        "--method",
        "harmonica",
        "--weights",
        "random",
        "--steps",
        "3",
        "--l1",
        "1e-6",
    ]
    assert main([*words, "--iterations", "1", "--batch", "2", "--out", str(out)]) == 0
    card = read_router(out).card
    assert (card["model"], card["method"], card["images"], card["rows"]) == ("dit-mnist", "harmonica", 2, 3)
    capsys.readouterr()
    for option in (["--data", "digits"], ["--samples", "5"], ["--dtype", "bf16"], ["--accumulate", "2"]):
        assert main([*words, *option, "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert f"{option[0]} is for l2c" in error
        assert error.count("\n") == 1
