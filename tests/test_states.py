"""What is remembered of cells' files: never believed where the file has changed, and never needed."""

from __future__ import annotations

import json
import os

import pytest
from test_store import CELL, result

from bench.store import directory
from bench.store.directory import Store
from bench.store.states import State
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.errors import InputError

FAILED = State(CELL.key(Settings()), "failed", False)


@pytest.fixture
def written(tmp_path):
    """A run's directory with one cell, whose state was kept."""
    store = Store(tmp_path)
    store.write(CELL, result())
    assert store.state(CELL) == FAILED
    store.states.keep()
    return tmp_path


def test_a_file_is_read_once(written, monkeypatch):
    def read(*_):
        raise AssertionError("it was read again")

    monkeypatch.setattr(directory, "read_stored", read)
    assert Store(written).state(CELL) == FAILED
    assert Store(written / "elsewhere").state(CELL) is None


def test_a_file_that_has_changed_is_read_again(written):
    store = Store(written)
    store.write(CELL, result(status="timeout"))
    assert store.state(CELL).status == "timeout"
    path = store.cell_path(CELL)
    path.write_text("{")
    with pytest.raises(InputError, match="delete this cell file"):
        Store(written).state(CELL)
    path.unlink()
    assert Store(written).state(CELL) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"version": [1, 1], "of": {"a": 3}}', "[" * 100_000, "\0"])
def test_what_is_damaged_is_not_needed(written, content):
    (written / "cells" / ".states.json").write_text(content)
    assert Store(written).state(CELL) == FAILED


def test_another_version_is_not_believed(written):
    path = written / "cells" / ".states.json"
    kept = json.loads(path.read_text())
    (entry,) = kept["of"].values()
    entry[3] = "ok"
    path.write_text(json.dumps(kept))
    assert Store(written).state(CELL).status == "ok", "the file's time and size are those that were kept"
    path.write_text(json.dumps(kept | {"version": [0, 1]}))
    assert Store(written).state(CELL) == FAILED


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_where_nothing_can_be_written_it_is_left_out(written):
    (written / "cells").chmod(0o500)
    store = Store(written)
    before = sorted((written / "cells").iterdir())
    store.states.changed = True
    store.states.keep()
    assert sorted((written / "cells").iterdir()) == before


def test_cells_that_differ_in_a_parameter_alone_have_hashes_of_their_own():
    cells = [Cell("dit-mnist", Part("ddim", {"steps": 5, "eta": eta / 100}), None, Protocol()) for eta in range(100)]
    assert len({hash(cell) for cell in cells}) > 90
    assert hash(Part("ddim", {"steps": 5})) == hash(Part("ddim", {"steps": 5.0}))
    assert hash(Part("x", {"a": [1], "b": 2})) == hash(Part("x", {"b": 2, "a": [1]}))
