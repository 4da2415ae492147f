"""Checksums of stored files: an edited number is found by whatever reads it; files without one are read and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cell_factory import cell, write
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.schema.cell import read_json
from bench.schema.checksum import checksum, problem_of, sealed
from bench.store.directory import Store
from bench.store.results import read_results
from bench.store.sessions import new_session, read_session
from bench.suite.cells import Cell, Settings
from bench.suite.file import Suite
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.errors import InputError

CELL = Cell("dit-mnist", Part("ddim", {"steps": 5}), None, Protocol())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_checksum_is_that_of_what_comes_back_from_a_file(document: dict[str, Any]) -> None:
    document.pop("checksum", None)
    back = json.loads(json.dumps(sealed(document), indent=3))
    assert problem_of(back) is None
    assert sealed(back) == back
    assert problem_of(back | {"another": 1}) is not None or "another" in back


def test_layout_order_and_the_stamp_of_the_code_are_free() -> None:
    document = {"fd": 1.5, "code": {"method": "a"}, "plan": {"nfe": 3, "rows": ["#."]}}
    assert checksum(document) == checksum({"plan": {"rows": ["#."], "nfe": 3}, "fd": 1.5})
    assert checksum(document) != checksum(document | {"fd": 1.5000000000000002})


def sealed_run(directory: Path) -> Path:
    """A run of two cells, every file with its checksum."""
    write(directory, [cell(), cell(steps=20)])
    for path in directory.rglob("*.json"):
        path.write_text(json.dumps(sealed(json.loads(path.read_text()))))
    return directory


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("file", ["cells/dit-mnist/ddim-20.json", "suite.json"])
def test_an_edited_file_is_named_by_check_results_and_left_out_of_a_report(tmp_path, capsys, file):
    run = sealed_run(tmp_path / "run")
    whole = read_results(run)
    assert (len(whole.cells), whole.unreadable, whole.unsealed) == (2, [], 0)
    edited(run / file, '"ddim-50"' if file == "suite.json" else "12.3", '"ddim-5"' if file == "suite.json" else "12.1")
    read = read_results(run)
    assert len(read.cells) == (2 if file == "suite.json" else 1)
    (reason,) = read.unreadable
    assert reason.startswith(f"{file}: checksum does not fit what the file says")
    assert main(["check-results", str(run)]) == 1
    assert f"{run}/{file}: checksum does not fit" in capsys.readouterr().out
    assert main(["report", str(run)]) == 0
    assert f"{file}: checksum does not fit" in (run / "report.html").read_text("utf-8")


def test_a_nested_file_with_a_checksum_is_one_line(tmp_path):
    (tmp_path / "x.json").write_text('{"checksum": "0", "a": ' + "[" * 900 + "]" * 900 + "}")
    with pytest.raises(InputError, match=r"x\.json: (checksum|not a readable|nested)"):
        read_json(tmp_path / "x.json")


def test_files_without_checksum_are_read_and_counted(tmp_path, capsys):
    run = sealed_run(tmp_path / "run")
    path = run / "cells/dit-mnist/ddim-20.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "checksum"}))
    assert (len(read_results(run).cells), read_results(run).unsealed) == (2, 1)
    main(["check-results", str(run)])
    assert capsys.readouterr().out.splitlines()[-1].endswith("; 1 files without checksum")


def test_everything_that_a_run_writes_has_one(tmp_path):
    store = Store(tmp_path)
    store.open(Suite("t", "t", "", Protocol(), (CELL,), {}, "0" * 64), Settings())
    head = {"schema": 1, "protocol": "1", "key": CELL.key(Settings()), **CELL.summary(), "status": "failed"}
    store.write(CELL, {**head, "reason": "why", "training": None, "library": {"versions": {10: "a", 9: "b"}}})
    session = new_session(
        tmp_path, {"ddim-5": "k"}, model="dit-mnist", batch=2, protocol="4", reference=None, repeated=["ddim-5"],
        machine={},
    )  # fmt: skip
    session.write()
    files = [tmp_path / "suite.json", store.cell_path(CELL), session.path]
    for path in files:
        assert read_json(path)["checksum"] == json.loads(path.read_text())["checksum"]
    assert store.read(CELL).reason == "why"
    edited(session.path, '"batch": 2', '"batch": 3')
    with pytest.raises(InputError, match="checksum does not fit"):
        read_session(session.path)
