"""Valid files with some bytes changed, drawn by hypothesis: taken, or refused in one line; nothing else."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import cell_factory as factory
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import tensors
from malformed.case import as_json
from malformed.suites import GOOD
from malformed.tensors import torched
from safetensors.torch import save
from tiny_suite import write_plugin

from bench import cli

EXAMPLES = 60
EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=0, max_size=4)), min_size=1, max_size=4
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
                   st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mutated")
    write_plugin(made)
    factory.write(made / "run", [factory.cell(), factory.cell(steps=20)])
    return made


def edited(content: bytes, edits: list[tuple[float, bytes]]) -> bytes:
    """The content with bytes replaced, or one taken out where there is nothing to put."""
    for place, new in edits:
        at = int(place * len(content))
        content = content[:at] + new + content[at + max(1, len(new)) :]
    return content


def expect_one_line(words: list[str], codes: tuple[int, ...] = (0, 2)) -> None:
    """The command ends with one of the codes; with 2 it has said one line on stderr, its last."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(words)
    assert code in codes
    if code == 2:
        assert err.getvalue().splitlines()[-1].startswith("ditbench: ")


@settings(max_examples=EXAMPLES)
@given(EDITS)
def test_suites(folder: Path, edits: list[tuple[float, bytes]]) -> None:
    (folder / "s.toml").write_bytes(edited(GOOD.encode(), edits))
    expect_one_line(["run", str(folder / "s.toml"), "--dry-run"])


@settings(max_examples=EXAMPLES)
@given(EDITS)
def test_cells(folder: Path, edits: list[tuple[float, bytes]]) -> None:
    (folder / "run/cells/dit-mnist/ddim-20.json").write_bytes(edited(as_json(factory.cell(steps=20)).encode(), edits))
    expect_one_line(["check-results", str(folder / "run")], (0, 1))


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_values_of_cells(folder: Path, data: st.DataObject) -> None:
    cell = factory.cell(steps=20)
    table: Any = cell
    key = data.draw(st.sampled_from(sorted(table)))
    while isinstance(table[key], dict) and table[key] and data.draw(st.booleans()):
        table = table[key]
        key = data.draw(st.sampled_from(sorted(table)))
    table[key] = data.draw(VALUES)
    (folder / "run/cells/dit-mnist/ddim-20.json").write_text(as_json(cell), "utf-8")
    expect_one_line(["check-results", str(folder / "run")], (0, 1))
    expect_one_line(["report", str(folder / "run"), "--format", "csv"], (0,))


@settings(max_examples=EXAMPLES)
@given(EDITS, st.booleans())
def test_routers(folder: Path, edits: list[tuple[float, bytes]], safe: bool) -> None:
    file = folder / ("r.safetensors" if safe else "r.pt")
    file.write_bytes(edited(save(tensors.rows()) if safe else torched(tensors.rows()), edits))
    plugin = ["--model", "tiny", "--plugin", str(folder / "tiny_plugin.py")]
    expect_one_line(["plan", "l2c", f"router={file}", "steps=4", *plugin])


@settings(max_examples=EXAMPLES)
@given(EDITS, st.booleans())
def test_labels(folder: Path, edits: list[tuple[float, bytes]], packed: bool) -> None:
    np.save(folder / "x.npy", np.zeros((4, 32, 32, 1), np.uint8))
    file = io.BytesIO()
    np.savez(file, labels=np.arange(5)) if packed else np.save(file, np.arange(5))
    name = folder / ("l.npz" if packed else "l.npy")
    name.write_bytes(edited(file.getvalue(), edits))
    words = ["--features", "digit-classifier", "--no-cache", "--labels", str(name)]
    expect_one_line(["evaluate", str(folder / "x.npy"), "mnist-5000", *words], (2,))
