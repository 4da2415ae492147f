"""`ditbench run --weights`: which weights a run has, and what it then measures."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_suite import ditbench, write_plugin, write_suite

import models
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from bench.suite.weights import describe_weights, find_weights
from models.checkpoint import sha256
from models.errors import InputError

CELL = Cell("dit-mnist", Part("ddim", {"steps": 2}), None, Protocol())


def run(folder, *options):
    command = ["run", write_suite(folder), "--plugin", write_plugin(folder), "--only", "ddim-3", *options]
    return ditbench(*command, "--out", folder / "out")


def cell_of(folder):
    (path,) = (folder / "out").glob("cells/*/*.json")
    return json.loads(path.read_text())


def test_random_weights_are_for_speed_alone(tmp_path):
    done = run(tmp_path, "--weights", "random")
    assert done.returncode == 0, done.stderr
    cell = cell_of(tmp_path)
    assert cell["quality"] is None
    assert cell["timing"]["latency_ms"]["median"] > 0
    assert (cell["settings"]["weights"], cell["settings"]["weights_sha256"]) == ("random", None)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "random weights" in page
    assert "--weights random" in page
    other = run(tmp_path)
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "its run has weights 'random', this one None; choose another --out" in other.stderr


def test_a_file_of_weights_is_part_of_the_cell(tmp_path):
    runpy.run_path(str(write_plugin(tmp_path)))  # writes its weights
    own = tmp_path / "own.safetensors"
    save_file({k: v * 0.9 for k, v in load_file(tmp_path / "tiny.safetensors").items()}, own)
    assert run(tmp_path, "--weights", own).returncode == 0
    cell = cell_of(tmp_path)
    assert (cell["settings"]["weights"], cell["settings"]["weights_sha256"]) == ("own.safetensors", sha256(own))
    assert cell["quality"]["samples"] == 32


def test_weights_that_cannot_be_had_end_the_run_before_it_begins(tmp_path):
    absent = run(tmp_path, "--weights", tmp_path / "absent.pt")
    assert (absent.returncode, absent.stderr) == (
        2,
        f"ditbench: {tmp_path}/absent.pt: no such file of weights for tiny\n",
    )
    assert not (tmp_path / "out").exists()
    full = replace(CELL, model="dit-l-2")
    with pytest.raises(InputError, match=r"dit-l-2 ships no weights: give --weights .*: a file"):
        find_weights([full], Settings())
    with pytest.raises(InputError, match="dit-l-2: no official weights can be fetched; none were ever published"):
        find_weights([CELL, full], Settings(weights="official"))
    with pytest.raises(InputError, match=r"w\.pt: one model's file, but these cells are of dit-l-2, dit-mnist; choose"):
        find_weights([CELL, full], Settings(weights="w.pt"))
    find_weights([CELL, full], Settings(weights="random"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: {}, "does not fit; missing"),
        (lambda state: state | {"pos_embed": torch.zeros(1, 3, 4)}, "'pos_embed' has shape"),
        (lambda state: state | {"pos_embed": torch.full_like(state["pos_embed"], torch.nan)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_end_the_run_before_it_begins(change, words, tmp_path):
    torch.save(change(models.build("dit-mnist").state_dict()), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt") as refused:
        find_weights([CELL], Settings(weights=str(tmp_path / "w.pt")))
    assert words in str(refused.value)


def test_a_damaged_file_is_one_short_line(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(InputError) as refused:
        find_weights([CELL], Settings(weights=str(tmp_path / "w.pt")))
    assert str(refused.value).startswith(f"{tmp_path}/w.pt: not a plain file of tensors, or damaged (")
    assert len(str(refused.value)) < len(str(tmp_path)) + 80


def test_the_key_follows_the_weights_not_their_name(tmp_path):
    shipped = models.spec("dit-mnist").weights
    assert CELL.key(Settings()) == CELL.key(Settings(weights="official")) == CELL.key(Settings(weights=str(shipped)))
    other = tmp_path / "w.pt"
    torch.save({}, other)
    keys = {CELL.key(Settings(weights=w)) for w in (None, "random", str(other))}
    assert len(keys) == 3
    assert describe_weights("dit-mnist", Settings()) == {"weights": "shipped", "weights_sha256": sha256(shipped)}
