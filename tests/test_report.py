"""The report: says what the numbers say, hides nothing that failed, and lets nothing out or in."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import cell_factory as factory
import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.show.report.page import write_report
from bench.show.report.provenance import commands
from bench.store.results import read_results

ROOT = Path(__file__).parents[1]
VOID = {"meta", "link", "img", "br", "input"}
HOSTILE = "<script>alert(1)</script>\"'&</title></script><img src=x onerror=alert(2)>|$%_#{}\\`=1"


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


def images_of(text):
    """Attributes of the pictures in a piece of a page."""
    return [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<img [^>]*>", text)]


def strips_of(text):
    """The section that shows samples of every cell."""
    return re.search(r'<section id="samples".*?</section>', text, re.DOTALL)[0]


def page_of(directory):
    text = write_report(directory).read_text("utf-8")
    page = Page(text)
    assert page.open == []
    return text, page


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    directory = tmp_path_factory.mktemp("full")
    factory.write(directory, factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist"), samples=True)
    return directory, *page_of(directory)


def test_the_page_asks_for_nothing_from_outside(full):
    _, text, page = full
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "srcset", "action", "poster"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, name, value[:60])
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


def test_every_cell_stands_in_the_table_and_every_link_has_a_target(full):
    directory, text, page = full
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for cell in read_results(directory).cells:
        assert text.count(f'class="sticky" data-key="{cell.method}"') == 2  # once for each model
    links = {attributes["href"][1:] for tag, attributes in page.tags if (attributes.get("href") or "").startswith("#")}
    rows = {attributes["data-row"] for _, attributes in page.tags if "data-row" in attributes}
    assert links | rows <= set(ids)


def test_headings_descend_in_order_and_pictures_have_texts(full):
    _, text, page = full
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert len(images_of(strips_of(text))) == 68  # every cell with numbers, and no other
    assert 68 < len(images_of(text)) <= 68 + 2 * 4  # and a few of each model on the first screen
    assert all(attributes["alt"] for attributes in images_of(text))
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(attributes.get("aria-label") or attributes.get("aria-hidden") == "true" for attributes in drawings)


def test_failed_cells_are_visible_with_their_reasons(full):
    _, _, page = full
    shown = " ".join(page.text)
    for status, reason in (
        ("oom", "out of memory"),
        ("timeout", "stopped after 600 s"),
        ("failed", "router has 9 rows"),
    ):
        assert status in shown
        assert reason in shown


def test_it_is_not_called_fid_and_the_sample_count_is_in_the_heading(full):
    _, text, _ = full
    assert "FD (mnist-cnn features, n=2,000)" in text
    assert not re.search(r"\bFID\b", text[: text.index('<section id="glossary"')])


def test_only_the_real_inception_weights_make_it_fid(tmp_path):
    cells = [factory.cell(), factory.cell(steps=20)]
    for cell in cells:
        cell["quality"]["weights_sha256"] = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    assert "FID (mnist-cnn features, n=2,000)" in write_report(factory.write(tmp_path, cells)).read_text()


def test_the_fewer_steps_curves_are_drawn_for_every_model_and_measure(full):
    _, _, page = full
    plots = [attributes for tag, attributes in page.tags if attributes.get("class") == "pareto"]
    curves = [attributes for _, attributes in page.tags if (attributes.get("class") or "").startswith("curve c")]
    legends = 2 * 4  # two samplers in both legends of two models
    assert len(plots) == 2 * 8
    assert len(curves) == 2 * len(plots) + legends


def test_committed_results_without_samples_still_make_a_report(tmp_path):
    text, page = page_of(factory.write(tmp_path, factory.suite_of("dit-mnist")))
    assert "No samples are stored with these results" in text
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_damaged_samples_are_a_note_and_large_colour_ones_are_shrunk(tmp_path):
    factory.write(tmp_path, [factory.cell(), factory.cell(steps=20)], samples=True)
    folder = tmp_path / "samples" / "dit-mnist"
    (folder / "ddim-20.safetensors").write_bytes(b"truncated")
    save_file({"images": np.zeros((12, 3, 256, 256), np.uint8)}, folder / "ddim-50.safetensors")
    text, _ = page_of(tmp_path)
    assert "samples cannot be read" in text
    assert len(images_of(strips_of(text))) == 1
    assert len(text) < 400_000


def test_unreadable_files_are_listed_and_the_rest_is_shown(tmp_path):
    factory.write(tmp_path, [factory.cell(), factory.cell(steps=20, fd=77.7)])
    (tmp_path / "cells/dit-mnist/ddim-20.json").write_text('{"fd": 77.7')
    _, page = page_of(tmp_path)
    shown = " ".join(page.text)
    assert "1 file could not be trusted" in shown
    assert "cells/dit-mnist/ddim-20.json: not a readable JSON file" in shown
    assert "77.7" not in shown


def test_a_directory_of_failures_only_is_reported(tmp_path):
    text, _ = page_of(factory.write(tmp_path, [factory.not_ok("oom", "killed")]))
    assert "killed" in text


@pytest.mark.parametrize("missing", ["timing", "quality", "plan", "work", "memory", "settings", "environment"])
def test_a_part_that_was_not_measured_leaves_gaps_and_no_crash(tmp_path, missing):
    cells = [factory.cell(), factory.cell(steps=20), factory.cell(cache="l2c", l1=0.03)]
    for cell in cells:
        cell[missing] = None
    text, _ = page_of(factory.write(tmp_path, cells))
    assert all(cell["method"] in text for cell in cells)


def test_a_model_without_a_distance_still_has_plots_plans_and_no_verdict(tmp_path):
    cells = [factory.cell(), factory.cell(steps=20), factory.cell(cache="fora", interval=2)]
    for cell in cells:
        keep = ("samples", "seed", "latent_error", "latent_error_reference")
        cell["quality"] = {name: cell["quality"][name] for name in keep}
    _, page = page_of(factory.write(tmp_path, cells))
    shown = " ".join(page.text)
    assert "no verdict" in shown
    assert "Latent error against DDIM-50" in shown
    assert "Plan of DDIM-50 + FORA" in shown


def test_different_sample_counts_never_share_a_column(tmp_path):
    cells = [factory.cell(steps=s) for s in (50, 20)] + [factory.cell(steps=s, samples=256) for s in (40, 10)]
    text, page = page_of(factory.write(tmp_path, cells))
    assert "FD (mnist-cnn features, n=2,000)" in text
    assert "FD (mnist-cnn features, n=256)" in text
    assert len([1 for _, attributes in page.tags if "data-results" in attributes]) == 2


def hostile_cells():
    made = [factory.cell(steps=s, cache="fora", interval=2) for s in (50, 20)] + [
        factory.cell(steps=s) for s in (50, 20)
    ]
    broken = factory.not_ok("failed", HOSTILE, cache="fora", interval=9)
    for cell in [*made, broken]:
        cell["method"] = f"{HOSTILE}-{cell['sampler']['steps']} + {HOSTILE} ({HOSTILE})"
        cell["environment"]["cpu"] = cell["settings"]["note"] = HOSTILE
        if cell["quality"]:
            cell["quality"]["features"] = cell["quality"]["reference"] = HOSTILE
    return [*made, broken]


def test_hostile_text_stays_text_on_the_page(tmp_path):
    factory.write(tmp_path, hostile_cells())
    suite = json.loads((tmp_path / "suite.json").read_text())
    (tmp_path / "suite.json").write_text(
        json.dumps(suite | {"title": HOSTILE, "description": HOSTILE, "suite": HOSTILE})
    )
    _, page = page_of(tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert HOSTILE in "".join(page.text)


def test_hostile_text_keeps_the_markdown_and_latex_tables_whole(tmp_path):
    write_report(factory.write(tmp_path, hostile_cells()))
    rows = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", row.replace("\\\\", ""))) for row in rows}
    assert len(bars) == 1
    assert "<script" not in "".join(rows)
    lines = (tmp_path / "table.tex").read_text().splitlines()
    body = [line.removesuffix(r" \\") for line in lines if line.endswith(r" \\")]
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in body}) == 1
    assert not re.search(r"(?<!\\)[%_#]", "".join(body))


def test_the_tables_beside_the_page(full):
    directory, _, _ = full
    markdown = (directory / "table.md").read_text()
    assert "| DPM-Solver++-15 |" in markdown
    assert "### uvit-mnist" in markdown
    latex = (directory / "table.tex").read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert r"$\pm$" in latex
    assert (directory / "results.csv").read_text().count("\n") == 77


def test_out_names_the_page_and_the_tables_stay_with_the_results(tmp_path):
    directory = factory.write(tmp_path / "run", [factory.cell(), factory.cell(steps=20)])
    assert write_report(directory, tmp_path / "shared" / "page.html") == tmp_path / "shared" / "page.html"
    assert {p.name for p in (tmp_path / "shared").iterdir()} == {"page.html"}
    tables = {"results.csv", "table.json", "table.md", "table.tex"}
    assert {p.name for p in directory.iterdir()} == {"cells", "suite.json", *tables}


@pytest.mark.parametrize(("suite", "argument"), [("small", "small"), ("my suite", "SUITE.toml")])
def test_the_commands_name_the_directory_as_given_and_the_runs_options(tmp_path, monkeypatch, suite, argument):
    directory = factory.write(tmp_path / "some where" / "run", [factory.cell()])
    record = json.loads((directory / "suite.json").read_text())
    record |= {"suite": suite, "settings": {"device": "cpu", "dtype": "float32", "threads": 2}}
    record["plugins"] = [{"file": "my method.py", "sha256": "0" * 64}]
    (directory / "suite.json").write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    (what, run), (_, one), (_, report) = commands(read_results("some where/run"))
    options = "--threads 2 --plugin 'my method.py'"
    assert run == f"ditbench run {argument} --out 'some where/run' {options}"
    assert one == f"ditbench run {argument} --out elsewhere {options} --only {'/'.join(record['cells'][0])}"
    assert report == "ditbench report 'some where/run'"
    assert "finished cells are kept" in what
    assert ("the file of the suite my suite" in what) == (suite == "my suite")


def test_the_same_results_make_the_same_page(tmp_path):
    directory = factory.write(tmp_path / "run", factory.suite_of("dit-mnist"))
    assert write_report(directory).read_bytes() == write_report(directory).read_bytes()


def test_reporting_does_not_measure():
    code = (
        "import sys, bench.show.report.page, bench.show.report.figures;"
        "print(*(m.__file__ for name, m in sys.modules.items() if name.startswith('bench')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [Path(file) for file in done.stdout.split()]
    sources = [file.read_text() for file in files if file.name != "patience.py"]  # which waits, and measures nothing
    assert len(sources) > 10
    assert not [text for text in sources if re.search(r"^\s*(import|from) (torch|methods|time)\b", text, re.MULTILINE)]
