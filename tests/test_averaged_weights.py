"""Which of a checkpoint's weights are taken; the layouts are those of the trainers' own savers, built by hand."""

import argparse
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from safetensors.torch import save_file

import models
from models.checkpoint import read_tensors
from models.errors import InputError

RAW, EMA = small_models.state(1), small_models.state(2)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    small_models.register(monkeypatch)


def prefixed(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def squashed(state):
    """LitEma's names: without the dots, and without what is not trained."""
    return {f"net{key.replace('.', '')}": value for key, value in state.items() if key != "pos_embed"}


COUNTER = torch.tensor(7)
EMA_PYTORCH = {
    "initted": torch.tensor(True),
    "step": COUNTER,
    **prefixed("online_model.", RAW),
    **prefixed("ema_model.", EMA),
}
SHADOW = {"decay": 0.9, "num_updates": 1, "shadow_params": list(EMA.values()), "collected_params": list(RAW.values())}
LIT_EMA = {"decay": COUNTER, "num_updates": COUNTER, **squashed(EMA)}
LIGHTNING = {"state_dict": prefixed("net.", EMA), "current_model_state": prefixed("net.", RAW)}
AVERAGED = {  # what is saved -> which of it is said to be taken
    "ema": ({"model": RAW, "ema": EMA, "opt": {"state": {0: {"exp_avg": COUNTER}}}}, "ema"),
    "ema first": ({"ema": EMA, "model": RAW}, "ema"),
    "model_ema": ({"model": RAW, "model_ema": EMA}, "model_ema"),
    "ema_model": ({"model": RAW, "ema_model": EMA}, "ema_model"),
    "ema_state_dict": ({"model": RAW, "ema_state_dict": EMA}, "ema_state_dict"),
    "timm": ({"epoch": 0, "arch": "dit", "state_dict": RAW, "state_dict_ema": EMA}, "state_dict_ema"),
    "model_state_dict": ({"model_state_dict": RAW, "ema_model_state_dict": EMA}, "ema_model_state_dict"),
    "camel case": ({"net": RAW, "netEMA": EMA}, "netEMA"),
    "a decay in the name": ({"model": RAW, "ema-0.9999": EMA}, "ema-0.9999"),
    "stochastic weight averaging": ({"model": RAW, "swa_model": EMA}, "swa_model"),
    "one word": ({"model": RAW, "emamodel": EMA}, "emamodel"),
    "one word, the other way": ({"model": RAW, "modelema": EMA}, "modelema"),
    "a list of one": ({"model": RAW, "ema": [EMA]}, "ema.0"),
    "a list beside its decays": ({"model": RAW, "emas": [EMA], "decays": [0.9999]}, "emas.0"),
    "nested": ({"checkpoint": {"model": RAW, "average": {"module": EMA}}}, "checkpoint.average"),
    "torch's AveragedModel": ({"n_averaged": COUNTER, **prefixed("module.", EMA)}, "outermost"),
    "AveragedModel in a wrapper": ({"model": {"n_averaged": COUNTER, **prefixed("module.", EMA)}}, "model"),
    "ema-pytorch": ({"model": RAW, "ema": EMA_PYTORCH}, "ema.ema_model"),
    "ema-pytorch alone": (EMA_PYTORCH, "ema_model"),
    "torch_ema": ({"model": RAW, "ema": SHADOW}, "ema.shadow_params"),
    "torch_ema alone": (SHADOW, "shadow_params"),
    "Lightning averaging": (LIGHTNING | {"averaging_state": {"n_averaged": COUNTER}}, "state_dict.net"),
    "Lightning callback": (
        {"state_dict": prefixed("net.", RAW), "callbacks": {"EMACallback": {"ema_weights": prefixed("net.", EMA)}}},
        "callbacks.EMACallback.ema_weights.net",
    ),
    "Lightning module": ({"state_dict": {**prefixed("net.", RAW), **prefixed("ema_net.", EMA)}}, "state_dict.ema_net"),
    "LitEma": ({"state_dict": {**prefixed("net.", RAW), **prefixed("model_ema.", LIT_EMA)}}, "state_dict.model_ema"),
}


def is_ema(model):
    return all(torch.equal(value, EMA[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("layout", AVERAGED)
def test_averaged_weights_come_before_raw_ones_under_every_usual_name(layout, tmp_path, capsys):
    content, name = AVERAGED[layout]
    file = tmp_path / f"{layout}.pt".replace("'", "")
    torch.save(content, file)
    model = models.build("tiny-dit", weights=file)
    assert is_ema(model)
    assert model.weights_taken == f"averaged ('{name}')"
    assert capsys.readouterr().err == f"{file}: weights taken: averaged ('{name}')\n"
    models.check_weights("tiny-dit", file)
    assert capsys.readouterr().err == ""  # said once a process


def test_several_averages_of_a_list_are_refused_by_their_places(tmp_path):
    torch.save({"model": RAW, "emas": [EMA, RAW]}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"several averaged copies of the weights \('emas\.0', 'emas\.1'\)"):
        models.build("tiny-dit", weights=tmp_path / "w.pt")


def test_other_copies_of_which_nothing_is_known_are_named(tmp_path):
    torch.save({"model": RAW, "target": EMA}, tmp_path / "w.pt")
    taken = models.build("tiny-dit", weights=tmp_path / "w.pt").weights_taken
    assert taken == "raw ('model'), not those under 'target'"


@pytest.mark.parametrize("content", [torch.ones(3), [torch.ones(3), torch.ones(2)]])
def test_tensors_that_are_no_state_dict_are_refused_in_one_line(content, tmp_path):
    torch.save(content, tmp_path / "w.pt")
    for read in (lambda file: models.build("tiny-dit", weights=file), read_tensors):
        with pytest.raises(InputError, match=r"^[^\n]*w\.pt: [^\n]+$"):
            read(tmp_path / "w.pt")


def test_a_uvit_and_a_safetensors_file_are_read_alike(tmp_path):
    raw, ema = (small_models.state(seed, small_models.UVIT_SPEC) for seed in (1, 2))
    torch.save({"state_dict": prefixed("nnet.", raw), "shadow": prefixed("nnet.", ema)}, tmp_path / "w.pt")
    save_file(prefixed("raw.", raw) | prefixed("ema.", ema), tmp_path / "w.safetensors")
    for file in ("w.pt", "w.safetensors"):
        loaded = models.build("tiny-uvit", weights=tmp_path / file).state_dict()
        assert all(torch.equal(loaded[key], ema[key]) for key in ema), file


def test_a_list_without_the_frozen_table_gets_its_names_too(tmp_path):
    shorter = [value for key, value in EMA.items() if key != "pos_embed"]
    for extra in ({}, {"model": RAW}):
        torch.save({"ema": {"shadow_params": shorter}, **extra}, tmp_path / "w.pt")
        assert is_ema(models.build("tiny-dit", weights=tmp_path / "w.pt"))
    torch.save({"ema": {"shadow_params": shorter[1:]}, "model": RAW}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt: 'ema\.shadow_params' is a list of 30 averages .*copy_to"):
        models.build("tiny-dit", weights=tmp_path / "w.pt")


def test_an_average_of_what_is_trained_is_completed_from_the_raw_weights(tmp_path):
    trained = {key: value for key, value in EMA.items() if key != "pos_embed"}
    torch.save({"model": RAW, "ema": trained}, tmp_path / "w.pt")
    assert is_ema(models.build("tiny-dit", weights=tmp_path / "w.pt"))
    torch.save({"model": RAW, "ema": {k: v for k, v in EMA.items() if "mlp" not in k}}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="does not fit; missing"):  # never filled up with raw weights
        models.build("tiny-dit", weights=tmp_path / "w.pt")


def test_raw_weights_are_called_raw_and_a_bare_state_dict_needs_no_word(tmp_path, capsys):
    torch.save({"model": RAW, "epoch": 3}, tmp_path / "w.pt")
    assert models.build("tiny-dit", weights=tmp_path / "w.pt").weights_taken == "raw ('model')"
    assert "weights taken: raw ('model')" in capsys.readouterr().err
    torch.save(RAW, tmp_path / "bare.pt")
    assert models.build("tiny-dit", weights=tmp_path / "bare.pt").weights_taken == ""
    assert capsys.readouterr().err == ""
    (tmp_path / "nnet_ema.pth").write_bytes((tmp_path / "bare.pt").read_bytes())
    assert models.build("tiny-dit", weights=tmp_path / "nnet_ema.pth").weights_taken == "averaged ('nnet_ema')"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": RAW, "ema1": EMA, "ema2": EMA}, "holds several averaged copies of the weights .'ema1', 'ema2'."),
        ({"teacher": RAW, "student": EMA}, "holds several raw copies of the weights .'teacher', 'student'."),
        ({"module._flat_param": torch.zeros(9)}, "'_flat_param' joins FSDP's parameters; save with"),
        ({**RAW, "module.pos_embed": RAW["pos_embed"]}, "'pos_embed' is there twice, with wrappers"),
        ({"epoch": 3, "loss": 0.1}, "expected a mapping of names to tensors, it holds epoch, loss"),
        ({"weights": {"a": np.zeros(3)}}, "expected a mapping of names to tensors, it holds weights"),
    ],
)
def test_what_cannot_be_told_is_one_line(content, message, tmp_path):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"w\.pt: {message}"):
        models.build("tiny-dit", weights=tmp_path / "w.pt")


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "_fsdp_wrapped_module.", "model.", "net.",
     "model._forward_module._orig_mod.", "lightning.module.net."],
)  # fmt: skip
@pytest.mark.parametrize("wrapper", [None, "ema", "state_dict"])
def test_prefixes_in_any_nesting_are_taken_off(prefix, wrapper, tmp_path):
    content = prefixed(prefix, EMA)
    torch.save(content if wrapper is None else {wrapper: content}, tmp_path / "w.pt")
    assert is_ema(models.build("tiny-dit", weights=tmp_path / "w.pt"))


@pytest.mark.parametrize("inside", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_inside_a_name_are_taken_out(inside, tmp_path):
    """Regional compilation, FSDP's and activation checkpointing's wrappers of each block."""
    torch.save(
        OrderedDict((k.replace("blocks.1.", f"blocks.1.{inside}."), v) for k, v in EMA.items()), tmp_path / "w.pt"
    )
    assert is_ema(models.build("tiny-dit", weights=tmp_path / "w.pt"))


def test_other_networks_beside_the_denoiser_are_left_out(tmp_path):
    others = {"vae.encoder.weight": torch.zeros(3), "vae.norm.weight": torch.zeros(2)}
    torch.save({"state_dict": prefixed("net.", EMA) | others}, tmp_path / "w.pt")
    assert is_ema(models.build("tiny-dit", weights=tmp_path / "w.pt"))


def test_unexpected_names_beside_the_weights_are_still_refused(tmp_path):
    torch.save({"ema": {**EMA, "extra.weight": torch.zeros(3)}}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"does not fit; missing nothing, unexpected extra\.weight"):
        models.build("tiny-dit", weights=tmp_path / "w.pt")


def test_another_models_checkpoint_still_says_whose_it_is(tmp_path):
    for content in ({"model": RAW, "ema": EMA}, prefixed("module.", EMA)):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(InputError, match=r"tiny-uvit: .* these are tiny-dit's shapes"):
            models.build("tiny-uvit", weights=tmp_path / "w.pt")


HARMLESS = {
    "a path": Path("x"),
    "arguments with paths and numbers": argparse.Namespace(d=Path("x"), lr=np.float32(1e-4)),
    "a scalar": np.float64(0.1),
    "an integer": np.int64(3),
    "an array": np.arange(4.0),
    "words": np.array(["a", "b"]),
}


@pytest.mark.parametrize("what", HARMLESS)
@pytest.mark.parametrize("new", [True, False])
def test_harmless_objects_beside_the_weights_do_not_stop_them(what, new, tmp_path):
    content = {"model": RAW, "ema": EMA, "args": HARMLESS[what]}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=new)
    assert is_ema(models.build("tiny-dit", weights=tmp_path / "w.pt"))


def test_a_refused_object_is_named(tmp_path):
    torch.save({"ema": EMA, "args": replace(small_models.DIT_SPEC)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt: not a plain file of tensors: it holds a models\.spec\.ModelSpec, "):
        models.build("tiny-dit", weights=tmp_path / "w.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"it holds a torch\.nn\.modules\.linear\.Linear, .*save the state_dict"):
        read_tensors(tmp_path / "w.pt")


def test_without_a_model_the_averaged_weights_are_taken_too(tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "model_ema": {"a": torch.ones(2)}}, tmp_path / "w.pt")
    assert torch.equal(read_tensors(tmp_path / "w.pt")["a"], torch.ones(2))
