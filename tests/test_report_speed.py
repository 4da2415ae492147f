"""The report's page on speed: what is measured and what is not stand side by side, under the run's conditions."""

import cell_factory as factory
import pytest
from test_report import HOSTILE, Page

from bench.judge import latency, pareto
from bench.show import readme
from bench.show.report.group import groups_of
from bench.show.report.page import write_report
from bench.show.report.speed import batch_table, conditions, speed_table
from bench.show.report.tables import table_of
from bench.show.report.timing_notes import rounds_sentence, warned, warning_sentence
from bench.show.site import write_site
from bench.store.results import read_results


def around(x):
    return {"median": x, "low": 0.99 * x, "high": 1.01 * x}


def timed(*args, batches=(), warnings=(), **kwargs):
    """A cell as protocol 2 records it."""
    cell = factory.cell(*args, **kwargs)
    cell["protocol"] = "2"
    cell["settings"]["image_size"] = 256
    timing, ms = cell["timing"], cell["timing"]["latency_ms"]["median"]
    roofline = {"speedup": 0.9 * timing["speedup_ideal"]} if cell["cache"] else None
    timing |= {"throughput": 8e3 / ms, "gemm_fraction": 0.42, "roofline": roofline, "warnings": list(warnings)}
    timing |= {"prepare_s": 0.5, "interfered_rounds": 0, "energy_j": None, "largest": None}
    timing["batches"] = [{**timing, "batch": b, "latency_ms": around(ms * b / 8)} for b in batches]
    cell["memory"] |= {"weights_mb": 100.0, "cache_measured_mb": cell["memory"]["cache_mb"]}
    return cell


def page_of(tmp_path, cells):
    return write_report(factory.write(tmp_path, cells)).read_text()


def group_of(tmp_path, cells):
    results = read_results(factory.write(tmp_path, cells))
    (group,) = groups_of(results, pareto.analyse(results.cells))
    return group


def cells_of(table, method):
    texts = next(texts for name, texts in table.rows if name == method)
    return dict(zip([column.heading for column in table.columns], texts, strict=True))


def test_three_speedups_stand_side_by_side(tmp_path):
    group = group_of(tmp_path, [timed(), timed(cache="fora", interval=2, ms=300.0)])
    table = speed_table(group, table_of(group))
    headings = [column.heading for column in table.columns]
    first = headings.index("Speed-up")
    assert headings[first : first + 3] == ["Speed-up", "Roofline-ideal", "MAC-ideal"]
    shown = cells_of(table, "DDIM-50 + FORA (interval=2)")
    assert shown["Speed-up"].startswith("1.50×")
    assert (shown["Roofline-ideal"], shown["MAC-ideal"]) == ("1.80×", "2.00×")
    assert shown["Measured / roofline"] == "83 %"
    assert shown["Of GEMM rate"] == "42.0 %"
    assert cells_of(table, "DDIM-50")["Roofline-ideal"] == "–"
    assert "Energy, J" not in headings, "columns that no cell fills are left out"


def test_the_page_names_the_resolution_and_the_roofline(tmp_path):
    text = page_of(tmp_path, [timed(), timed(steps=20), timed(cache="fora", interval=2)])
    machine = "1 thread(s) of Test data, no such CPU"
    assert text.count(f"Images of 256 × 256 pixels, timed in batches of 8 in float32 on {machine}.") == 2
    assert 'href="#speed"' in text
    assert "| Roofline-ideal |" in (tmp_path / "table.md").read_text()


def test_results_of_protocol_1_stay_readable_and_are_never_ranked_with_others(tmp_path):
    old = [factory.cell(), factory.cell(steps=20), factory.cell(cache="fora", interval=2)]
    new = [timed(steps=40), timed(steps=10)]
    results = read_results(factory.write(tmp_path, old + new))
    groups = groups_of(results, pareto.analyse(results.cells))
    assert [{cell.protocol for cell in group.cells} for group in groups] == [{"1"}, {"2"}]
    assert speed_table(groups[0], table_of(groups[0])) is None
    assert conditions(groups[0]).startswith("Images of unrecorded size")
    assert "measured differently" in page_of(tmp_path, old + new)


def test_every_batch_has_a_row_and_one_that_did_not_fit_its_reason(tmp_path):
    cells = [timed(batches=[64]), timed(steps=20)]
    cells[0]["timing"]["batches"].append({"batch": 512, "reason": "out of memory"})
    table = batch_table(group_of(tmp_path, cells))
    assert [(name, texts[0], texts[-1]) for name, texts in table.rows] == [
        ("DDIM-50", "8", "–"), ("DDIM-50", "64", "–"), ("DDIM-50", "512", "out of memory"),
    ]  # fmt: skip
    assert batch_table(group_of(tmp_path / "one", [timed()])) is None
    assert "At every timed batch" in page_of(tmp_path, cells)


def test_warnings_are_counted_at_the_top_and_listed_below(tmp_path):
    cells = [timed(), timed(steps=20, warnings=["1 other process on the GPU", HOSTILE])]
    assert warned(group_of(tmp_path, cells).timed) == [("DDIM-20", ["1 other process on the GPU", HOSTILE])]
    page = Page(page_of(tmp_path, cells))
    shown = "".join(page.text)
    assert "1 of 2 cells carries a timing warning. In 1 another process was on the GPU. In 1 there was" in shown
    assert f"DDIM-20: 1 other process on the GPU. {HOSTILE}" in shown
    assert [tag for tag, _ in page.tags].count("script") == 2


def test_the_reference_s_own_changes_count_as_drift(tmp_path):
    steady, moving = [timed(steps=s) for s in (40, 20)], [timed(steps=s) for s in (40, 20)]
    for cell, ms in zip(steady + moving, (500.0, 500.0, 500.0, 550.0), strict=True):
        cell["timing"]["reference_ms"] = around(ms)
    assert latency.drift(factory.typed(steady)) == 0
    assert latency.drift(factory.typed(moving)) == pytest.approx(0.0674, abs=1e-3)  # log 1.1 / sqrt 2


def test_wherever_times_are_published_the_warnings_are_counted(tmp_path):
    gemm, warmup = "the GEMM rate changed by -23 % while the cell was timed", "times were still changing after 2 rounds"
    cells = [timed(warnings=[gemm, warmup]), timed(steps=20, warnings=[gemm]), timed(steps=10)]
    said = warning_sentence(factory.typed(cells))
    assert said == (
        "2 of 3 cells carry a timing warning. In 2 the machine's GEMM rate moved by more than 5 %. "
        "In 1 the times had not settled when the warm-up ended."
    )
    run = tmp_path / "run"
    assert said.replace("'", "&#39;") in page_of(run, cells)
    write_site([run], tmp_path / "site")
    pages = [tmp_path / "site/index.html", tmp_path / "site/suite/run.html"]
    assert all(said.replace("'", "&#39;") in page.read_text() for page in pages)
    assert said in (run / "table.md").read_text(), "what `run` prints last"
    assert said.replace("%", r"\%") in (run / "table.tex").read_text()
    assert said in readme.sections(run)[readme.TABLES]
    assert warning_sentence(factory.typed(cells[2:])) == ""


def test_intervals_of_a_session_are_not_called_bootstrapped():
    cell = factory.cell()
    cell["timing"]["rounds"] = [{"method": 1, "process": number % 2} for number in range(6)]
    assert rounds_sentence(factory.typed([cell])) == "Intervals of times stand on 6 rounds a cell in 2 processes."
