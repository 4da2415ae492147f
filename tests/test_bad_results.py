"""Broken and hostile results, whatever reads them: refused in one line, left out by name, or escaped."""

import csv
import io
import json
import re

import cell_factory as factory
import pytest

from bench.cli import main

COMMANDS = {
    "report": lambda bad, good, out: ["report", bad],
    "table": lambda bad, good, out: ["report", bad, "--format", "csv"],
    "compare": lambda bad, good, out: ["compare", good, bad, "--html", out],
    "compare as base": lambda bad, good, out: ["compare", bad, good, "--html", out],
    "gate": lambda bad, good, out: ["gate", good, bad, "--out", out],
    "gate as base": lambda bad, good, out: ["gate", bad, good, "--out", out],
    "check-results": lambda bad, good, out: ["check-results", bad],
    "site": lambda bad, good, out: ["site", good, bad, "--out", out],
}
HTML = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
STRANGE = {
    "markup": HTML,
    "style": "</style><style>*{background:url(http://x)}",
    "formula": '=HYPERLINK("http://x","y")',
    "command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "plus": "+1+1",
    "control": "\x1b[2J\x07\r\n\ttwo\u2028lines\u202e",
    "path": "../../../../etc/passwd",
    "windows": "C:\\con\\nul.txt",
    "templates": "{{ 7*7 }}{% raw %}${jndi:ldap://x}",
    "tex": "\\input{/etc/passwd} $x_$ %",
    "long": "y" * 10_000_000,
}


def call(command, bad, tmp_path, capsys):
    """(exit code, standard output, lines on standard error); `bad` stands beside a good run."""
    good = factory.write(tmp_path / "good", [factory.cell() | {"finished": "2026-01-01T00:00:00Z"}])
    code = main([str(word) for word in COMMANDS[command](bad, good, tmp_path / "out")])
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def nothing(path):
    path.mkdir()


def a_file(path):
    path.write_text("{}")


def no_cells(path):
    (path / "cells" / "dit-mnist").mkdir(parents=True)
    (path / "suite.json").write_text('{"suite": "empty"}')


UNUSABLE = {"absent": lambda path: None, "empty": nothing, "a file": a_file, "no cells": no_cells}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_holds_no_results_is_refused_in_one_line(tmp_path, capsys, command, kind):
    bad = tmp_path / "bad"
    UNUSABLE[kind](bad)
    before = files(tmp_path)
    code, out, said = call(command, bad, tmp_path, capsys)
    assert (code, out, len(said)) == (2, "", 1)
    assert str(bad) in said[0]
    assert {path for path in files(tmp_path) - before if path.parts[0] != "good"} == set()


def changed(**values):
    return json.dumps(factory.cell(steps=20) | values)


DAMAGED = {
    "another schema": (changed(schema=7), "schema"),
    "no schema": (json.dumps({}), "schema"),
    "NaN": (changed().replace("12.3", "NaN"), "not a finite number"),
    "infinity": (changed().replace("12.3", "-Infinity"), "not a finite number"),
    "beyond a double": (changed().replace("12.3", "1e999"), "not a finite number"),
    "a huge integer": (changed().replace("12.3", "9" * 400), "beyond 2^53"),
    "cut off": (changed()[:500], "not a readable JSON file"),
    "a list": ("[]", "expected a JSON object"),
    "nested": ("[" * 100_000, "not a readable JSON file"),
    "a key twice": ('{"schema": 1, "schema": 1}', "twice"),
    "binary": ("\udc80\udcff", "not a readable JSON file"),
    "another cell's name": (changed(slug="ddim-10"), "named after it"),
    "numbers of a failure": (changed(status="failed", reason=HTML), "but it has"),
    "replicates that are none": (changed(quality={"is": 1.0, "is_jackknife": [{}]}), "must hold numbers only"),
    "a commit that is none": (changed(quality={"sampled_by": [3]}), "must hold strings only"),
    "half a character": (changed(method="DDIM \ud800"), "half of a character"),
    "no batch": (changed(timing={"batch": 0}), "timing.batch must be above 0"),
    "no work": (changed(work={"macs": 0}), "work.macs must be above 0"),
    "no pixels": (changed(settings={"image_size": -3}), "settings.image_size must be above 0"),
    "ranges that are none": (changed(quality={"fd_ranges": "x"}), "quality.fd_ranges must be list"),
    "telemetry that is none": (changed(timing={"telemetry": 3}), "timing.telemetry must be dict"),
    "a version that is none": (changed(environment={"torch": ["a"]}), "environment.torch must be str"),
    "a schema that is none": (changed(schema=True), "schema is True"),
    "a text for a number": (changed(quality={"fd": HTML}), "must be a number"),
}


@pytest.mark.parametrize("command", ["report", "compare", "gate", "check-results", "site"])
def test_damaged_cells_are_left_out_by_name_and_never_green(tmp_path, capsys, command):
    bad = factory.write(tmp_path / "bad", [factory.cell() | {"finished": "2026-01-02T00:00:00Z"}])
    for i, (content, _) in enumerate(DAMAGED.values()):
        (bad / f"cells/dit-mnist/damaged-{i}.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    code, out, said = call(command, bad, tmp_path, capsys)
    assert code == (1 if command in ("gate", "check-results") else 0)
    left_out = [line for line in said if line.startswith("ditbench: left out: ")]
    assert said == left_out
    assert len(left_out) == (len(DAMAGED) if command == "compare" else 0), "its text goes elsewhere than to a page"
    pages = {"report": bad / "report.html", "site": tmp_path / "out/suite/bad.html", "compare": tmp_path / "out"}
    shown = pages[command].read_text("utf-8") if command in pages else out
    for i, (kind, (_, reason)) in enumerate(DAMAGED.items()):
        assert re.search(rf"damaged-{i}\.json: [^\n]*{re.escape(reason)}", shown), kind
    if command in pages:
        assert_harmless(shown)


@pytest.mark.parametrize(
    "record", ['{"title": ["x"]}', '{"suite": 5}', '{"settings": 3}', '{"protocol": [1]}', '{"cells": 7}', "[]", "{",
               '{"cells": [["../x"]]}', '{"cells": [[1, "a"]]}', '{"reference": ["ddim-50"]}', '{"description": NaN}'],
)  # fmt: skip
def test_a_damaged_suite_record_is_left_out_by_name(tmp_path, capsys, record):
    bad = factory.write(tmp_path / "bad", [factory.cell() | {"finished": "2026-01-02T00:00:00Z"}])
    (bad / "suite.json").write_text(record)
    assert call("report", bad, tmp_path, capsys)[0] == 0
    assert "suite.json: " in (bad / "report.html").read_text("utf-8")
    code, out, _ = call("check-results", bad, tmp_path, capsys)
    assert code == 1
    assert "bad/suite.json: " in out


def strange_cells():
    """For every strange text a cell that is ok and one that is not, both full of it."""
    cells = [factory.cell(), factory.cell(steps=20)]
    for i, text in enumerate(STRANGE.values(), start=2):
        named, failed = factory.cell(cache="fora", interval=i), factory.not_ok("failed", text, steps=100 + i)
        named["method"] = named["environment"]["cpu"] = named["quality"]["features"] = text
        named["timing"]["warnings"] = [text]
        failed["method"] = f"{text} DDIM-10"
        cells += [named, failed]
    return [cell | {"finished": "2026-01-02T00:00:00Z"} for cell in cells]


def test_strange_text_stays_text(tmp_path, capsys):
    bad = factory.write(tmp_path / "bad", strange_cells())
    record = json.loads((bad / "suite.json").read_text()) | dict.fromkeys(
        ("title", "description"), HTML + STRANGE["long"]
    )
    (bad / "suite.json").write_text(json.dumps(record))
    told = ""
    for command in ("report", "compare", "table", "site"):
        code, out, said = call(command, bad, tmp_path, capsys)
        assert (code, said) == (0, []), command
        told += out
        if command == "compare":
            (tmp_path / "out").rename(bad / "compare.html")
    assert call("check-results", bad, tmp_path, capsys)[0] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"bad", "good", "out"}
    assert not [line for line in told.splitlines() if not line.isprintable()]
    for page in [bad / "report.html", bad / "compare.html", *(tmp_path / "out").rglob("*.html")]:
        assert_harmless(page.read_text("utf-8"))
        assert page.stat().st_size < 1_000_000
    for table in [bad / "results.csv", tmp_path / "out" / "data" / "bad.csv"]:
        cells = [cell for row in csv.reader(io.StringIO(table.read_text("utf-8"))) for cell in row]
        assert not [cell for cell in cells if re.match(r"[=@\t\r]|[-+](?![\d.])|\+", cell)]


def assert_harmless(page):
    """No markup of the text's own, no script but the pages' own, no style but ours."""
    assert not re.search(r"<img[^>]*onerror|<script[^>]*>\s*alert|<style>\*", page)
    assert "49{%" not in page


def test_models_that_a_file_system_cannot_tell_apart_get_pages_of_their_own(tmp_path, capsys):
    names = ("CON", "con", "nul", "Dit", "dit", "..dit", "扩散", "x" * 200)
    cells = [factory.cell(name) | {"finished": "2026-01-02T00:00:00Z"} for name in names]
    code, _, _ = call("site", factory.write(tmp_path / "bad", cells), tmp_path, capsys)
    assert code == 0
    pages = [path.stem for path in (tmp_path / "out" / "model").iterdir()]
    assert len(pages) == len({page.lower() for page in pages}) == len(names) + 1  # and the good run's model
    assert all(re.fullmatch(r"[a-z0-9-]{1,80}", page) and page not in ("con", "nul") for page in pages)


@pytest.mark.parametrize(
    "words", [["report", "{run}", "--out", "{file}/x"], ["report", "{run}", "--figures", "{file}/x"],
              ["compare", "{run}", "{run}", "--html", "{file}/x"], ["gate", "{run}", "{run}", "--out", "{file}/x"],
              ["site", "{run}", "--out", "{file}/x"], ["site", "{run}", "--out", "{file}"],
              ["site", "{run}", "--check", "{run}"], ["site", "{run}", "{run}", "--out", "{new}"],
              ["site", "{run}", "{copy}", "--out", "{new}"], ["site", "{run}", "--out", "{run}"],
              ["site", "{run}", "--compare", "{run}", "{file}", "--out", "{new}"]],
)  # fmt: skip
def test_what_cannot_be_written_is_one_line_and_changes_nothing(tmp_path, capsys, words):
    for name in ("run", "copy"):
        factory.write(tmp_path / name, [factory.cell() | {"finished": "2026-01-02T00:00:00Z"}])
    (tmp_path / "file").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("cells/*/*")}
    paths = {name: tmp_path / name for name in ("run", "copy", "file", "new")}
    assert main([word.format(**paths) for word in words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert {path: path.read_bytes() for path in tmp_path.rglob("cells/*/*")} == before


def test_two_directories_that_claim_one_cell_are_a_problem(tmp_path, capsys):
    for name in ("run", "copy"):
        factory.write(tmp_path / name, [factory.cell()])
    assert main(["check-results", str(tmp_path / "run"), str(tmp_path / "copy")]) == 1
    assert "the same cell of the same machine as" in capsys.readouterr().out
