"""Malformed inputs: one line that names what is wrong, code 2 or left out by name, no traceback, nothing written."""

from __future__ import annotations

import contextlib
import functools
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from malformed import arrays, documents, plugin_files, published_tables, results, suites, tensors, words
from malformed.case import Case
from tiny_suite import ROOT, write_plugin

import methods.registry
import models
from bench import cli, engines
from bench.quality import extractors
from bench.show.published import rows
from models.errors import InputError

KINDS = (suites, results, published_tables, tensors, arrays, documents, plugin_files, words)
CASES = [case for kind in KINDS for case in kind.CASES]
SECONDS = 10.0  # of processor time for one
MEMORY = 3 * 2**30  # beyond what is taken already; torch and its threads reserve more than they use


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model, as a plugin."""
    folder = tmp_path_factory.mktemp("shared")
    write_plugin(folder)
    return folder


_shapes = functools.cache(models._shapes)  # of every model, whenever weights do not fit one: a second each time


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Within it memory beyond MEMORY cannot be had: what would take it raises, whatever the machine has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def run(line: list[str]) -> int:
    """The command line; published tables have none of their own, they come with every report."""
    if line[0:1] != ["published"]:
        return cli.main(line)
    try:
        rows.read(Path(line[1]))
    except InputError as error:
        return cli.complain(str(error))
    return 0


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.timeout(120)  # for a hang; what it may take is SECONDS of processor time
@pytest.mark.parametrize(
    "case", CASES, ids=[case.name.encode("ascii", "backslashreplace").decode()[:90] for case in CASES]
)
def test_it_ends_in_one_line_and_nothing_else(
    case: Case, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "_shapes", _shapes)
    for registry in (methods.registry.REGISTERED, engines.REGISTERED, extractors.REGISTERED):
        monkeypatch.setattr(registry, "plugins", dict(registry.plugins))  # what a case defines goes with it
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    line = [word.replace("{shared}", str(shared)) for word in case.make(tmp_path)]
    before, started = files(tmp_path), time.process_time()
    with bounded():
        code = run(line)
    took, said = time.process_time() - started, capsys.readouterr()
    assert code == case.code, said
    assert "Traceback" not in said.out + said.err
    assert took < SECONDS
    left = {name for name in files(tmp_path) if not name.startswith("__pycache__")}  # Python's own, of a plugin
    assert left - {"."} == before, "something was written"
    lines = (said.err if code == 2 else said.out).splitlines()
    told = [told for told in lines if all(words in told for words in case.says)]
    assert told, (case.says, lines)
    if code == 2:
        assert len(lines) == 1
        assert lines[0].startswith("ditbench: ")
        assert lines[0].isprintable()
        assert said.out == ""


def test_there_are_as_many_as_the_documents_say() -> None:
    """To the next hundred below: some are made from the schema, a field more is an input more."""
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    said = re.search(r"more than ([\d,]+) malformed inputs", text)
    assert said
    assert 500 <= int(said[1].replace(",", "")) == len(CASES) // 100 * 100
