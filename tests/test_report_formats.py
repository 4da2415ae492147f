"""Tables as CSV, JSON, Markdown and LaTeX: the same rows, nothing lost, nothing that another program would run."""

import csv
import io
import json
import re
from pathlib import Path

import cell_factory as factory
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.judge.ranking import ranked
from bench.schema.cell import INCEPTION_SHA256
from bench.show.report.exports import FORMATS, exported
from bench.show.report.group import groups_of
from bench.show.report.markup import latex_table, latex_text, markdown_table, markdown_text
from bench.show.report.page import write_report
from bench.show.site import write_site
from bench.show.table import COLUMNS, CONTRACT_COLUMNS
from bench.store.results import read_results

COMMITTED = Path(__file__).resolve().parents[1] / "results" / "small-full"
TEX_COMMANDS = re.findall(
    r"\w+",
    "begin end shortstack centering caption label resizebox ifdim width textwidth else fi toprule midrule bottomrule "
    "medskip parbox footnotesize par times pm textbackslash textasciitilde textasciicircum textless textgreater "
    "textbar char div ldots infty to leq geq circ alpha beta gamma delta Delta epsilon eta theta lambda mu sigma tau",
)


def printed(capsys, *words):
    assert main(["report", *map(str, words)]) == 0
    return capsys.readouterr().out


def tex_problems(text):
    """What would stop LaTeX, or change what it prints: braces, environments, commands that nobody loads."""
    found = []
    plain = re.sub(r"\\[\\&%$#_{}]", "", text)
    depth = 0
    for c in plain:
        depth += (c == "{") - (c == "}")
        found += ["brace closed that was not open"] if depth < 0 else []
    found += ["brace left open"] if depth else []
    found += [f"\\{name}" for name in re.findall(r"\\([A-Za-z]+)", plain) if name not in TEX_COMMANDS]
    open_ = []
    for verb, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", plain):
        if verb == "begin":
            open_.append(name)
        elif not open_ or open_.pop() != name:
            found.append(f"environment {name}")
    found += ["mathematics left open"] if plain.count("$") % 2 else []
    return found + (["a raw special character"] if re.search(r"[#_~^]", re.sub(r"\$[^$]*\$", "", plain)) else [])


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_the_committed_results_has_a_row_for_every_cell(capsys, form):
    text = printed(capsys, COMMITTED, "--format", form)
    cells = read_results(COMMITTED).cells
    if form == "csv":
        assert [row["slug"] for row in csv.DictReader(io.StringIO(text))] == [cell.slug for cell in cells]
    elif form == "json":
        assert [row["slug"] for row in json.loads(text)] == [cell.slug for cell in cells]
    elif form == "markdown":
        rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Method")]
        assert len(rows) - text.count("### ") == len(cells)  # one line of dashes a table
    else:
        assert tex_problems(text) == []
        assert text.count(r" \\") == len(cells) + text.count(r"\toprule")
    assert text.endswith("\n")


def test_numbers_are_in_full_precision_and_absent_ones_null(capsys):
    rows = json.loads(printed(capsys, COMMITTED, "--format", "json"))
    lines = list(csv.DictReader(io.StringIO(printed(capsys, COMMITTED, "--format", "csv"))))
    for cell, row, line in zip(read_results(COMMITTED).cells, rows, lines, strict=True):
        assert row["fd"] == cell.quality.value("fd") == float(line["fd"])
        assert row["latency_ms"] == cell.timing.latency_ms.median == float(line["latency_ms"])
        assert row["params"] == (cell.cache.params if cell.cache else {})
        assert (row["speedup"] is None) == (cell.timing.speedup is None) == (line["speedup"] == "")
    assert list(rows[0])[: len(CONTRACT_COLUMNS)] == list(CONTRACT_COLUMNS)
    assert list(lines[0]) == list(COLUMNS)


def test_a_caption_says_how_it_was_measured(capsys):
    for form in ("markdown", "latex"):
        text = printed(capsys, COMMITTED, "--format", form, "--only", "model=dit-mnist,steps=50")
        for fact in ("2,000 samples", "seeds from 0", "batches of 8", "AMD EPYC", "protocol ", "commit ", "guidance"):
            assert fact in text, fact
        assert "FD (digit-classifier features, n=2,000)" in text
        assert "uvit-mnist" not in text


def test_only_leaves_out_rows_and_changes_no_verdict(capsys):
    rows = json.loads(printed(capsys, COMMITTED, "--format", "json"))
    whole = {row["slug"]: row for row in rows if row["model"] == "dit-mnist"}
    some = json.loads(printed(capsys, COMMITTED, "--format", "json", "--only", "model=dit-mnist,cache=fora|none"))
    assert {row["cache"] for row in some} == {"fora", "none"}
    assert all(row == whole[row["slug"]] for row in some)
    assert len(some) < len(whole)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "jsn"], "did you mean 'json'"),
        (["--format", "xlsx", "--only", "*"], "unknown --format 'xlsx'"),
        (["--only", "*fora*"], "--only needs --format"),
        (["--figure-format", "svg"], "--figure-format needs --figures"),
        (["--figures", "out", "--figure-format", "pfd"], "did you mean 'pdf'"),
        (["--figures", "out", "--format", "csv"], "not allowed with"),
        (["--figures", "out", "--out", "x.html"], "--out is for the page or a table"),
        (["--format", "csv", "--only", "nothing-like-it"], "matches"),
        (["--format", "csv", "--only", "intervall=2"], "did you mean 'interval'"),
    ],
)
def test_bad_words_are_one_line_and_leave_nothing_behind(tmp_path, capsys, monkeypatch, words, message):
    factory.write(tmp_path / "run", [factory.cell(), factory.cell(cache="fora", interval=2)])
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert main(["report", "run", *words]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("form", FORMATS)
def test_no_results_are_bad_input_and_unreadable_ones_are_named(tmp_path, capsys, form):
    (tmp_path / "none").mkdir()
    assert main(["report", str(tmp_path / "none"), "--format", form]) == 2
    assert "no results there" in capsys.readouterr().err
    directory = factory.write(tmp_path / "run", [factory.cell(), factory.cell(steps=20)])
    (directory / "cells/dit-mnist/ddim-20.json").write_text("{")
    assert main(["report", str(directory), "--format", form]) == 0
    text = capsys.readouterr()
    assert "left out: cells/dit-mnist/ddim-20.json" in text.err
    assert "DDIM-50" in text.out
    assert "DDIM-20" not in text.out


def test_out_is_what_would_be_printed_and_the_same_everywhere(tmp_path, capsys):
    directory = factory.write(
        tmp_path / "run", [factory.cell(), factory.cell("uvit-mnist"), factory.not_ok("oom", "-1")]
    )
    write_report(directory)
    write_site([directory], tmp_path / "site")
    for form, suffix in FORMATS.items():
        assert printed(capsys, directory, "--format", form, "--out", tmp_path / "new" / "t").strip().endswith("t")
        text = (tmp_path / "new" / "t").read_bytes()
        assert text.decode() == printed(capsys, directory, "--format", form)
        beside = "results.csv" if form == "csv" else f"table.{suffix}"
        assert (directory / beside).read_bytes() == (tmp_path / "site/data" / f"run.{suffix}").read_bytes() == text


def published_cell(**other):
    made = factory.cell("dit-xl-2", samples=50_000)
    made["quality"] |= {"features": "adm", "weights_sha256": INCEPTION_SHA256}
    return made | other


def test_published_numbers_stand_in_their_own_columns_with_their_sources(tmp_path, capsys):
    directory = factory.write(tmp_path, [published_cell(), factory.cell("dit-xl-2", steps=45, samples=50_000)])
    line, other = csv.DictReader(io.StringIO(printed(capsys, directory, "--format", "csv")))
    sources = line["published_source"].split("; ")
    of_paper = sources.index("L2C-P, table 1")
    assert line["published_fid"].split("; ")[of_paper] == "2.26"
    assert line["published_latency_s"].split("; ")[of_paper] == "7.25"
    assert line["published_hardware"].split("; ")[of_paper] == "NVIDIA RTX A5000"
    assert {other[name] for name in other if name.startswith("published_")} == {""}
    row = json.loads(printed(capsys, directory, "--format", "json"))[0]
    assert [p["source"] for p in row["published"]] == sources
    assert row["published"][of_paper]["fid"] == 2.26
    assert row["published"][of_paper]["citation"]
    for form in ("markdown", "latex"):
        text = printed(capsys, directory, "--format", form)
        assert "Published FID" in text
        assert "2.26 (L2C-P)" in text
        assert (r"\shortstack[r]{2.18 (CHEB-P)\\2.51 (GEO-N)\\2.27 (HC-S)\\" in text) == (form == "latex")
        assert "NVIDIA RTX A5000" in text  # in the source's note


def test_a_cell_that_failed_has_no_number_of_others_either(tmp_path):
    failed = factory.not_ok("oom", "killed", "dit-xl-2")
    results = read_results(factory.write(tmp_path, [failed]))
    row = json.loads(exported("json", results.cells, groups_of(results, {}), ranked(results.cells)))[0]
    assert row["published"] == []
    assert row["reason"] == "killed"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n@x"])
def test_a_spreadsheet_runs_nothing(tmp_path, capsys, text):
    made = [factory.cell() | {"method": text}, factory.not_ok("failed", text, steps=20)]
    table = printed(capsys, factory.write(tmp_path, made), "--format", "csv")
    for row in csv.DictReader(io.StringIO(table)):
        assert not [v for v in row.values() if v and v[0] in "=+-@\t\r" and not re.fullmatch(r"-?[\d.e-]+", v)]
    assert f"'{text.strip()}" in table


@given(st.lists(st.lists(st.text(max_size=12), min_size=3, max_size=3), min_size=1, max_size=4), st.text(max_size=20))
def test_any_text_keeps_a_table_whole(rows, caption):
    latex = latex_table(["a", "b", "c"], rows, caption, "t", [caption])
    assert tex_problems(latex) == []
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert [len(re.findall(r"(?<!\\)&", line.replace(r"\\", ""))) for line in body] == [2] * len(rows)
    lines = markdown_table(["a", "b", "c"], rows).splitlines()
    assert [len(re.findall(r"(?<!\\)\|", re.sub(r"\\\\", "", line))) for line in lines] == [4] * (len(rows) + 2)
    assert not re.search(r"<|(?<!\\)[*_`]", "".join(lines))


def test_what_latex_cannot_set_is_written_as_its_code_point():
    assert latex_text("50 % × λ_1 ± é [x] → 語") == r"50 \% $\times$ $\lambda$\_1 $\pm$ é {[}x{]} $\to$ U+8A9E"
    assert markdown_text("a|b <i>\n*c*") == r"a\|b &lt;i&gt; \*c\*"
