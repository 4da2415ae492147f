"""A router that says what it was made for decides there alone, unless a transfer is asked for by name."""

import dataclasses
import json

import pytest
import small_models
import torch
from tiny_suite import ditbench

import methods
import models
from methods.routing.file import read_card, read_router, write_router
from methods.routing.shipped import ROUTERS, made_for
from models.errors import InputError
from models.spec import build_empty

SHIPPED = ROUTERS / "dit-mnist/ddim-20-l1-0.0001.safetensors"


def named(name):
    model = build_empty(models.spec(name))
    model.name = name
    return model


def plan(model, sampler, router=SHIPPED, **params):
    return methods.build("l2c", router=router, **params).plan(model, sampler)


OTHERS = {  # model, sampler and its parameters -> what is said
    "another model": ("dit-b-2", "ddim", {"steps": 20}, r"model dit-mnist \(here dit-b-2\)"),
    "another sampler": ("dit-mnist", "dpm-solver++", {"steps": 20}, r"sampler ddim \(here dpm-solver\+\+\)"),
    "another number of steps": ("dit-mnist", "ddim", {"steps": 21}, r"steps 20 \(here 21\)"),
    "another spacing": ("dit-mnist", "ddim", {"steps": 20, "spacing": "stride"}, r"spacing even \(here stride\)"),
    "noise in every step": ("dit-mnist", "ddim", {"steps": 20, "eta": 1.0}, r"eta 0\.0 \(here 1\.0\)"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_router_made_for_something_else_is_refused_unless_transferred(what):
    name, sampler, params, message = OTHERS[what]
    model, sampler = named(name), methods.build(sampler, **params)
    with pytest.raises(InputError, match=message) as refused:
        plan(model, sampler)
    assert "transfer = true takes it all the same" in str(refused.value)
    assert methods.build("l2c", router=SHIPPED).supports(model, sampler) == str(refused.value)
    cache = methods.build("l2c", router=SHIPPED, transfer=True)
    assert cache.supports(model, sampler) is None
    if params["steps"] != 20:  # there is no row for every step, whoever asks
        with pytest.raises(InputError, match="scores of shape"):
            cache.plan(model, sampler)
        return
    said = cache.plan(model, sampler).notes["made_for"]
    assert said in str(refused.value)
    assert cache.training["made_for"] == said


def test_a_card_that_names_its_sampler_in_one_word_is_compared_too():
    card, sampler = {"model": "dit-mnist", "sampler": "dpm-solver"}, methods.build("ddim", steps=20)
    assert made_for(card, "dit-mnist", sampler) == "sampler dpm-solver (here ddim)"
    assert made_for(card | {"sampler": "ddim"}, "dit-mnist", sampler) is None  # of its steps nothing is stated


def test_where_it_was_made_for_nothing_is_said():
    model, sampler = named("dit-mnist"), methods.build("ddim", steps=20)
    cache = methods.build("l2c", router=SHIPPED)
    assert cache.plan(model, sampler).notes["made_for"] is None
    assert "made_for" not in cache.training
    model.name = ""  # a bare denoiser has no name to compare
    assert cache.plan(model, sampler).notes["made_for"] is None


def test_every_shipped_router_fits_its_own_setting():
    for path in ROUTERS.rglob("*.safetensors"):
        card = read_card(path)
        sampler = methods.build(card["sampler"]["name"], **card["sampler"]["params"])
        assert made_for(card, card["model"], sampler) is None


def test_another_guidance_is_another_setting(tmp_path, monkeypatch):
    strong = dataclasses.replace(small_models.DIT_SPEC, guidance_scale=5.0)
    small_models.register(monkeypatch, strong)
    model, sampler = named("tiny-dit"), methods.build("ddim", steps=4)
    rows = {row: torch.zeros(model.num_branches) for row in (0, 2)}
    card = {"model": "tiny-dit", "sampler": {"name": "ddim", "params": {"steps": 4}}, "rows": 4}
    for guidance in (None, 5.0, 1.5):
        write_router(tmp_path / "r.safetensors", rows, card | {"guidance_scale": guidance})
        if guidance == 1.5:
            with pytest.raises(InputError, match=r"guidance_scale 1\.5 \(here 5\.0\)"):
                plan(model, sampler, tmp_path / "r.safetensors")
        else:
            plan(model, sampler, tmp_path / "r.safetensors")


def test_a_file_that_states_nothing_and_a_tensor_are_taken_as_they_are(tmp_path):
    model, sampler = named("dit-mnist"), methods.build("ddim", steps=20)
    torch.save({f"{i}.prob": torch.full((model.num_branches,), -9.0) for i in range(20)}, tmp_path / "r.pt")
    computed = plan(model, sampler, tmp_path / "r.pt").computed
    assert computed[0].all()
    assert not computed[1].any(), "scores far below the threshold reuse all"
    assert plan(model, sampler, torch.ones(20, model.num_branches)).computed.all()


def test_the_command_says_so():
    words = ("plan", "l2c", f"router={SHIPPED}", "sampler=dpm-solver++", "steps=20", "--model", "dit-mnist")
    refused = ditbench(*words)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert ditbench(*words[:3], "transfer=true", *words[3:]).returncode == 0


@pytest.mark.parametrize("twice", ["00.prob", "000.prob"])
def test_a_row_given_twice_is_refused(twice, tmp_path):
    rows = {f"{i}.prob": torch.full((12,), -5.0) for i in range(4)}
    torch.save({"routers": rows | {twice: torch.full((12,), 5.0)}}, tmp_path / "r.pt")
    with pytest.raises(InputError, match=f"row 0 is there twice, once as '{twice}'"):
        methods.build("l2c", router=tmp_path / "r.pt")


@pytest.mark.parametrize("change", [lambda v: v.to_sparse(), lambda v: v.to("meta"), lambda v: v.to(torch.float8_e5m2)])
def test_rows_that_are_no_plain_numbers_are_refused(change, tmp_path):
    rows = {f"{i}.prob": torch.ones(12) for i in range(4)}
    torch.save(rows | {"1.prob": change(rows["1.prob"])}, tmp_path / "r.pt")
    with pytest.raises(InputError, match=r"r\.pt: '1\.prob' is"):
        methods.build("l2c", router=tmp_path / "r.pt")


def test_a_schedule_says_every_branch_once(tmp_path):
    row = [1, 0, 1, 0]
    for text, word in (
        ('{"attn": %s, "mlp": %s, "attn": %s}', "'attn' is there 2 times, expected once"),
        ('{"attn": %s, "mlp": %s, "attn1": %s}', "'attn' and 'attn1' name the same branch"),
        ('{"attn": %s, "mlp-1": %s, "mlp-1": %s}', "'mlp-1' is there 2 times"),
    ):
        (tmp_path / "s.json").write_text(text % (row, row, row))
        with pytest.raises(InputError, match=word):
            methods.build("schedule", file=str(tmp_path / "s.json")).plan(
                named("dit-mnist"), methods.build("ddim", steps=4)
            )


def test_a_router_s_description_says_everything_once(tmp_path):
    write_router(tmp_path / "r.safetensors", {0: torch.zeros(3)}, {"rows": 1})
    content = (tmp_path / "r.safetensors").read_bytes()
    old, new = json.dumps({"rows": 1}), '{"rows":1,"rows":1}'
    escaped = json.dumps(old)[1:-1].encode()
    assert escaped in content
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(escaped, json.dumps(new)[1:-1].encode())
    (tmp_path / "r.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    with pytest.raises(InputError, match="'rows' is there 2 times, expected once"):
        read_router(tmp_path / "r.safetensors")
