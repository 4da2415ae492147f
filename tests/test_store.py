"""A run's directory: whole files only, and no second run in another one's place."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from dataclasses import replace

import pytest

from bench.host.files import OutputError, write_bytes, write_json
from bench.schema.checksum import sealed
from bench.store.directory import Store
from bench.store.stored_cell import stored
from bench.suite.cells import Cell, Settings
from bench.suite.file import Suite
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.errors import InputError

CELL = Cell("dit-mnist", Part("ddim", {"steps": 5}), None, Protocol())


def suite_of(name: str = "t", **rules: int) -> Suite:
    return Suite(name, name, "", Protocol(**rules), (CELL,), {}, "0" * 64)


def result(**changes: object) -> dict[str, object]:
    head = {"schema": 1, "protocol": "1", "key": CELL.key(Settings()), **CELL.summary()}
    return {**head, "status": "failed", "reason": "why", "finished": "now", **changes}


NO_KEY = json.dumps({name: value for name, value in result().items() if name != "key"})


def test_results_come_back(tmp_path):
    store = Store(tmp_path)
    assert store.read(CELL) is None
    store.write(CELL, result())
    assert store.read(CELL) == stored(result())
    assert store.read(CELL).document == sealed(result())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 99}', "\0", "[" * 100_000, NO_KEY])
def test_corrupt_cell_file_is_one_line_that_names_it(tmp_path, content):
    store = Store(tmp_path)
    store.write(CELL, result())
    store.cell_path(CELL).write_text(content)
    with pytest.raises(InputError) as caught:
        store.read(CELL)
    message = str(caught.value)
    assert str(store.cell_path(CELL)) in message
    assert "delete" in message
    assert "\n" not in message


def test_same_suite_goes_on_and_may_gain_cells(tmp_path):
    store = Store(tmp_path / "out")
    store.open(suite_of(), Settings())
    store.open(suite_of(), Settings())
    assert json.loads((tmp_path / "out" / "suite.json").read_text())["cells"] == [["dit-mnist", "ddim-5"]]


def test_the_record_names_the_plugins(tmp_path):
    (tmp_path / "mine.py").write_bytes(b"x = 1\n")
    Store(tmp_path / "out").open(suite_of(), Settings(), [str(tmp_path / "mine.py")])
    record = json.loads((tmp_path / "out" / "suite.json").read_text())
    assert record["plugins"] == [{"file": "mine.py", "sha256": hashlib.sha256(b"x = 1\n").hexdigest()}]


@pytest.mark.parametrize(
    ("other", "settings", "expected"),
    [
        (suite_of("u"), Settings(), "holds a run of suite 't', not 'u'"),
        (suite_of(samples=9), Settings(), "samples 256, this one 9"),
        (suite_of(), Settings(threads=2), "threads 1, this one 2"),
        (suite_of(), Settings(device="cuda"), "device 'cpu', this one 'cuda'"),
    ],
)
def test_directory_of_another_run_is_refused(tmp_path, other, settings, expected):
    store = Store(tmp_path)
    store.open(suite_of(), Settings())
    before = (tmp_path / "suite.json").read_bytes()
    with pytest.raises(InputError, match=expected):
        store.open(other, settings)
    assert (tmp_path / "suite.json").read_bytes() == before


def test_another_reference_is_refused_and_a_new_model_may_bring_its_own(tmp_path):
    def compared_with(**references: int) -> Suite:
        cells = {m: Cell(m, Part("ddim", {"steps": s}), None, Protocol()) for m, s in references.items()}
        return Suite("t", "t", "", Protocol(), (CELL,), cells, "0" * 64)

    store = Store(tmp_path)
    store.open(compared_with(dit=5), Settings())
    for other, shown in ((compared_with(dit=9), "ddim-9"), (suite_of(), "none")):
        with pytest.raises(InputError, match=f"reference ddim-5, this one {shown}"):
            store.open(other, Settings())
    store.open(compared_with(dit=5, uvit=5), Settings())


def test_damaged_or_missing_suite_record_is_refused(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "suite.json").write_text("{")
    with pytest.raises(InputError, match=r"suite\.json"):
        store.open(suite_of(), Settings())
    (tmp_path / "suite.json").unlink()
    (tmp_path / "cells").mkdir()
    with pytest.raises(InputError, match=r"no suite\.json"):
        store.open(suite_of(), Settings())


def test_a_lost_or_damaged_suite_record_is_made_again_where_a_cell_is_of_this_run(tmp_path, capsys):
    store = Store(tmp_path)
    rules = Protocol(samples=9)
    longer = Suite("t", "t", "", rules, (replace(CELL, protocol=rules),), {}, "0" * 64)
    store.open(suite_of(), Settings())
    record = (tmp_path / "suite.json").read_bytes()
    for damage in (lambda path: path.unlink(), lambda path: path.write_text("{"), lambda path: path.write_bytes(b"")):
        store.write(CELL, result())
        damage(tmp_path / "suite.json")
        for other, settings in ((longer, Settings()), (suite_of(), Settings(threads=2))):
            with pytest.raises(InputError, match="no cell in it is one of this run"):
                store.open(other, settings)
        store.open(suite_of(), Settings())
        assert (tmp_path / "suite.json").read_bytes() == record
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_that_cannot_be_read_is_not_set_aside(tmp_path):
    store = Store(tmp_path)
    path = store.cell_path(CELL)
    for make in (lambda: path.mkdir(parents=True), lambda: os.mkfifo(path)):
        make()
        with pytest.raises(OutputError, match=r"cannot set .* aside: not a regular file"):
            store.set_aside(CELL)
        assert path.exists()
        if path.is_dir():
            path.rmdir()


def test_which_gpu_it_was_is_no_setting(tmp_path):
    one, other = (Settings(device=f"cuda:{n}") for n in (0, 1))
    assert CELL.key(one) == CELL.key(other) == CELL.key(Settings(device="cuda")) != CELL.key(Settings())
    assert CELL.samples_key(one) == CELL.samples_key(other) == CELL.samples_key(Settings(device="cuda"))
    Store(tmp_path).open(suite_of(), one)
    Store(tmp_path).open(suite_of(), other)


def test_two_runs_at_once_are_refused(tmp_path):
    with Store(tmp_path).exclusive(), pytest.raises(InputError, match="another run"), Store(tmp_path).exclusive():
        pass
    with Store(tmp_path).exclusive():
        pass


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    store = Store(tmp_path)
    store.open(suite_of(), Settings())
    left = [
        tmp_path / "cells" / "dit-mnist" / ".half.tmp",
        tmp_path / ".a1b2c3d4.tmp",
        tmp_path / "workers" / "a" / "stop",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with store.shared():
        assert all(path.exists() for path in left), "another worker may be writing there"
    with store.exclusive():
        assert not any(path.exists() for path in left)
        assert not (tmp_path / "workers").exists()


def test_workers_share_a_directory_and_a_run_has_it_alone(tmp_path):
    store = Store(tmp_path)
    with store.shared():
        with Store(tmp_path).shared():
            pass
        assert list(tmp_path.glob(".*.lock")), "the last one tidies up"
        with pytest.raises(InputError, match="another run"), Store(tmp_path).exclusive():
            pass
    assert not list(tmp_path.glob(".*.lock"))
    with store.exclusive(), pytest.raises(InputError, match="another run"), Store(tmp_path).shared():
        pass


def test_a_file_in_place_of_a_directory_is_one_line(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="out"):
        write_json(tmp_path / "out" / "cells" / "x.json", {})


def test_full_disk_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x"
    write_bytes(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            write_bytes(path, b"n" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_without_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"fd": float("nan")})
    assert not list(tmp_path.iterdir())
