"""Figures for papers: right size, embedded fonts, the same bytes, and no text that is read as anything but text."""

import re
from xml.etree import ElementTree

import cell_factory as factory
import pytest
from PIL import Image
from test_report import HOSTILE

from bench.cli import main
from bench.host.progress import counted
from bench.show import readme
from bench.show.report.axes import BARS, BARS_IN_SHORT, measures
from bench.show.report.figures import COLUMN, FULL, STAMPS, write_figures
from bench.show.report.page import write_report
from bench.show.report.plan_figure import ACROSS
from bench.show.site import write_site
from bench.store.results import read_results
from models.errors import InputError


def only_fd(cells):
    """Cells with one measure, so that one plot is drawn."""
    for cell in cells:
        if cell["quality"]:
            kept = ("samples", "features", "fd", "fd_se", "fd_corrected", "fd_jackknife")
            cell["quality"] = {name: value for name, value in cell["quality"].items() if name in kept}
    return cells


def few():
    return only_fd([factory.cell(steps=n) for n in (50, 20)] + [factory.cell(cache="fora", interval=3)])


def test_the_pdfs_have_a_papers_widths_and_embedded_truetype_fonts_and_no_date(tmp_path):
    run = factory.write(tmp_path / "run", few())
    paths = write_figures(run, tmp_path / "a")
    assert [p.name for p in paths] == ["pareto-dit-mnist.pdf", "pareto-dit-mnist-wide.pdf", "plans-dit-mnist.pdf"]
    for path, width in zip(paths, (COLUMN[0], FULL[0], FULL[0]), strict=True):
        content = path.read_bytes()
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", content)
        assert float(box[1]) == pytest.approx(72 * width)
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
        assert b"CreationDate" not in content
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in write_figures(run, tmp_path / "b")]


def test_svg_and_png_from_the_command_line(tmp_path, capsys):
    run = str(factory.write(tmp_path / "run", few()))
    for form in ("svg", "png"):
        assert main(["report", run, "--figures", str(tmp_path / form), "--figure-format", form]) == 0
        assert capsys.readouterr().out.splitlines() == [
            str(tmp_path / form / f"{name}.{form}")
            for name in ("pareto-dit-mnist", "pareto-dit-mnist-wide", "plans-dit-mnist")
        ]
    root = ElementTree.parse(tmp_path / "svg/pareto-dit-mnist.svg").getroot()
    assert root.attrib["width"] == f"{72 * COLUMN[0]:g}pt"
    assert Image.open(tmp_path / "png/pareto-dit-mnist.png").size == (300 * COLUMN[0], 300 * COLUMN[1])
    assert not (tmp_path / "run" / "report.html").exists()


def test_every_plot_says_what_its_bars_are_and_none_calls_them_intervals_of_the_truth(tmp_path):
    run = factory.write(tmp_path / "run", few())
    for path in write_figures(run, tmp_path / "figures", "svg")[:2]:
        assert BARS_IN_SHORT in path.read_text()
    write_site([run], tmp_path / "site")
    pages = [write_report(run), tmp_path / "site/suite/run.html", tmp_path / "site/model/dit-mnist.html"]
    texts = [re.sub("<svg.*?</svg>", "", page.read_text(), flags=re.DOTALL).replace("&#39;", "'") for page in pages]
    assert all(BARS in text for text in texts)
    assert BARS in readme.sections(run)[readme.TABLES]
    assert not [text for text in texts if "own 95 % intervals" in text or "Bars are 95 % intervals" in text]


def test_most_published_bars_exclude_the_value_without_bias_as_the_page_on_uncertainty_says():
    cells = read_results(readme.REPOSITORY / readme.RESULTS).cells
    ends = [measures()[0].ends(cell) for cell in cells]
    missed = [
        not low <= cell.quality.value("fd_corrected") <= high for cell, (low, high) in zip(cells, ends, strict=True)
    ]
    assert sum(missed) > 0.8 * len(cells)


def test_hostile_names_are_drawn_as_they_are(tmp_path):
    cells = few()
    for cell in cells:
        cell["method"] = f"_{HOSTILE}$x^2${cell['method']}" + 400 * "y"
        cell["quality"]["features"] = HOSTILE
    paths = write_figures(factory.write(tmp_path / "run", cells), tmp_path / "out", "svg")
    assert len(paths) == 3
    assert not [e for path in paths for e in ElementTree.parse(path).iter() if e.tag.endswith(("script", "image"))]


def test_many_plans_go_on_several_pages_and_speed_alone_has_plans_only(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.show.report.figures.DOWN", 1)
    cells = [factory.cell("uvit-mnist", steps=10, cache="fora", interval=n) for n in range(2, ACROSS + 3)]
    for cell in cells:
        cell["quality"] = None
    paths = write_figures(factory.write(tmp_path / "run", cells), tmp_path / "out")
    assert [path.name for path in paths] == ["plans-uvit-mnist-1.pdf", "plans-uvit-mnist-2.pdf"]


def test_figures_of_nothing_are_bad_input(tmp_path):
    run = factory.write(tmp_path / "run", [factory.not_ok("oom", "killed")])
    with pytest.raises(InputError, match="nothing to draw"):
        write_figures(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_site_links_the_plot_of_every_group_in_three_formats(tmp_path):
    write_site([factory.write(tmp_path / "run", few())], tmp_path / "out", figures=True)
    page = (tmp_path / "out/suite/run.html").read_text()
    links = re.findall(r'href="\.\./(figures/[^"]+)" download', page)
    assert [link.rpartition(".")[2] for link in links] == list(STAMPS)
    assert all((tmp_path / "out" / link).stat().st_size > 1000 for link in links)


def test_a_long_drawing_says_how_far_it_is_and_how_long_it_takes(capsys, monkeypatch):
    clock = iter(range(0, 1000, 61))
    monkeypatch.setattr("bench.host.progress.time.monotonic", lambda: float(next(clock)))
    assert list(counted("abc", 3, "figures")) == ["a", "b", "c"]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "figures 1/3, about 2 min 2 s left"
    assert said[-1].startswith("figures 3/3")
