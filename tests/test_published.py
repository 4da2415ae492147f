"""Published numbers: the data is valid, settings match exactly, differences are drawn only where they may be."""

from collections import Counter

import cell_factory as factory
import pytest
from test_report import HOSTILE, Page

import methods
import models
from bench.cost.mac_conventions import CONVENTIONS
from bench.schema.cell import INCEPTION_SHA256
from bench.show.published import rows as published
from bench.show.published.checks import UNITS
from bench.show.published.rows import Published, Source, is_setting_of
from bench.show.report import published as report_published
from bench.show.report.page import write_report
from bench.suite.cells import Cell
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.errors import InputError

ROWS = published.load()
SOURCE = Source("X-P", "Nobody, Nothing, 2026")


def test_every_source_is_there_and_says_what_it_is():
    assert {"L2C-P", "L2C-R", "SC-P", "HC-S", "LAZY-P", "CHEB-P", "OC-P", "TS-N", "PRO-N"} <= {
        r.source.tag for r in ROWS
    }
    for row in ROWS:
        assert row.source.citation
        assert row.source.second_hand == row.source.tag.endswith("-N")
        assert row.metrics or row.latency_s or row.macs_t
        assert row.model or row.model_elsewhere


def part_of(table):
    """A row's sampler or cache method as a suite would have it; names and keys must be ours."""
    given = {key: value for key, value in table.items() if key != "name"}
    assert set(given) <= set(methods.find(table["name"]).parameters)
    if table["name"] != "l2c":  # its routers are not here
        methods.build(**table)
    return Part(table["name"], given)


@pytest.mark.parametrize("row", [r for r in ROWS if r.cell], ids=lambda r: f"{r.source.tag}-{r.method}")
def test_a_row_that_claims_a_setting_of_ours_names_one(row):
    assert row.guidance_scale
    assert row.model in models.names()
    cell = Cell(row.model, part_of(row.sampler), row.cache and part_of(row.cache), Protocol())
    assert row.cell == cell.slug


def test_a_row_without_one_says_why():
    for row in ROWS:
        assert row.cell or row.cache_elsewhere or row.model_elsewhere or row.sampler is None


def test_a_method_of_ours_that_matches_nothing_says_what_it_lacks():
    """`cache_elsewhere` is no place for a row whose setting could be named."""
    titles = {methods.find(name).title for name in methods.names("cache")} | {"FBCache"}
    bare = [row for row in ROWS if row.cache_elsewhere and row.cache_elsewhere in titles]
    assert not bare, [(row.source.tag, row.method) for row in bare]


def test_the_wider_field_stands_beside_ours():
    """Families with a published row of a setting that ours can run; and those of which no such row is known."""
    matched = {row.cache["name"] for row in ROWS if row.cache and row.cell}
    assert {"taylorseer", "toca", "duca", "clusca", "hicache", "fora", "l2c"} <= matched
    named = " ".join(row.cache_elsewhere for row in ROWS)
    for title in ("SmoothCache", "HarmoniCa", "LazyDiT", "SpeCa", "Δ-DiT", "TeaCache", "FBCache"):
        assert title in named


def test_metrics_are_in_our_units():
    for row in ROWS:
        assert all(0 < row.metrics.get(name, 0.5) < 1 for name in ("precision", "recall"))
        assert set(row.sigma) <= set(row.metrics)


COUNTS = [  # what sources say of how many evaluations are computed
    ("ddim", 50, {"name": "taylorseer", "interval": 4, "order": 2}, 14),
    ("ddim", 50, {"name": "taylorseer", "interval": 5, "order": 1}, 11),
    ("ddim", 50, {"name": "taylorseer", "interval": 7, "order": 2}, 8),
    ("ddim", 50, {"name": "taylorseer", "interval": 9, "order": 2}, 7),
    *(("ddpm", 250, {"name": "hicache", "interval": n, "warmup": 4, "keep": "output"}, c)
      for n, c in ((4, 65), (6, 45), (8, 34))),
]  # fmt: skip


@pytest.mark.parametrize(("sampler", "steps", "cache", "computed"), COUNTS)
def test_a_matched_setting_computes_as_often_as_its_source_says(sampler, steps, cache, computed):
    plan = methods.build(**cache).plan(models.build("dit-mnist"), methods.build(sampler, steps=steps))
    assert plan.computed.all(axis=1).sum() == computed


def test_the_l2c_papers_tables_are_whole():
    of_paper = [r for r in ROWS if r.source.tag == "L2C-P"]
    assert Counter(r.model for r in of_paper) == {"dit-xl-2": 20, "dit-xl-2-512": 3, "dit-l-2": 6, "uvit-h-2": 12}
    best = next(r for r in of_paper if r.cache == {"name": "l2c", "router": "official"} and r.macs_t == 4.36)
    assert (best.metrics["fid"], best.metrics["sfid"], best.latency_s, best.batch) == (2.27, 4.23, 5.57, 8)


def test_units_are_those_of_the_conventions():
    assert {name: c.unit for name, c in CONVENTIONS.items() if name != "ditbench"} == UNITS


def own_cell(sampler="ddim", steps=50, cache=None, *, fid=2.31, samples=50_000, **params):
    made = factory.cell("dit-xl-2", sampler, steps, cache, fd=fid, samples=samples, **params)
    made["quality"] |= {"features": "adm", "weights_sha256": INCEPTION_SHA256, "sfd": 4.4}
    made["work"]["macs_conventions"] = {"l2c": 5.7e12, "smoothcache": 1.9e14}
    return made


def row(**values):
    defaults = {"model": "dit-xl-2", "cell": "ddim-50", "guidance_scale": 1.5, "samples": 50_000}
    return Published(SOURCE, "theirs", **{**defaults, "metrics": {"fid": 2.26}, **values})


def line_of(published_row, made):
    return report_published.line_of(published_row, *factory.typed([made]))


@pytest.mark.parametrize("other", [{"model": "dit-l-2"}, {"guidance_scale": 4.0}, {"cell": "ddim-50"}, {"cell": ""}])
def test_another_setting_is_no_match(other):
    (mine,) = factory.typed([own_cell(cache="fora", interval=2)])
    assert is_setting_of(row(cell="ddim-50+fora-interval-2"), mine)
    assert not is_setting_of(row(**{"cell": "ddim-50+fora-interval-2", **other}), mine)


def test_a_difference_is_in_units_of_the_stated_or_the_known_spread():
    line = line_of(row(sigma={"fid": 0.01}), own_cell())
    assert (line.differences, line.why) == ("FID +0.0500 (+5.0 σ, stated)", "")
    assert line_of(row(), own_cell()).differences == "FID +0.0500 (+1.0 σ, known)"
    both = line_of(row(metrics={"fid": 2.41, "sfid": 4.4, "precision": 0.5}), own_cell())
    assert both.differences.startswith("FID −0.100 (−2.0 σ, known), sFID +0 (+0 σ, known), Precision +0.")


def test_other_features_or_sample_counts_are_listed_without_a_difference():
    for mine, why in [
        (own_cell(samples=10_000), "published from 50,000 samples, ours from 10,000"),
        (factory.cell("dit-xl-2"), "ours is in the features 'mnist-cnn', which is not the published FID"),
        (own_cell() | {"quality": None}, "no quality was measured here"),
    ]:
        line = line_of(row(), mine)
        assert (line.differences, line.why) == ("–", why)


def test_work_is_in_the_unit_of_the_paper():
    line = line_of(row(macs_t=5.72, convention="l2c"), own_cell())
    assert (line.work, line.our_work) == ("5.72 TMACs (l2c)", "5.70 TMACs")
    assert line_of(row(), own_cell()).our_work == "–"


def test_the_report_shows_matched_and_unmatched_rows_apart_from_our_table(tmp_path):
    page = Page(write_report(factory.write(tmp_path, [own_cell(), own_cell(steps=20)])).read_text("utf-8"))
    text = " ".join(page.text)
    assert "What others published" in text
    assert "published rows without a cell of the same setting here" in text
    assert "Ma et al., Learning-to-Cache" in text
    assert page.open == []


def test_a_page_about_other_models_says_nothing_of_it(tmp_path):
    page = write_report(factory.write(tmp_path, [factory.cell(), factory.cell(steps=20)])).read_text("utf-8")
    assert "published" not in page[page.index("<nav") : page.index("<script")].lower()


def test_hostile_text_of_a_published_file_is_only_text(tmp_path, monkeypatch):
    source = Source(HOSTILE, HOSTILE, HOSTILE, errata=(HOSTILE,))
    bad = Published(
        source, HOSTILE, "dit-xl-2", cell="ddim-50", guidance_scale=1.5, hardware=HOSTILE,
        latency_s=1.0, table=HOSTILE, note=HOSTILE, errata=(HOSTILE,), metrics={"fid": 1.0},
    )  # fmt: skip
    monkeypatch.setattr(published, "load", lambda: (bad,))
    page = Page(write_report(factory.write(tmp_path, [own_cell(), own_cell(steps=20)])).read_text("utf-8"))
    assert page.open == []
    assert not [tag for tag, attributes in page.tags if "onerror" in attributes]
    assert " ".join(page.text).count("alert(1)") >= 6


BAD = [
    ("colour = 1", "unknown key in x.toml"),
    ("[defaults]\nspeed = 2", "unknown key in x.toml: row 1 'speed'"),
    ('[defaults]\ncell = "ddim-50"', "x.toml: row 1: 'cell' needs a model and methods of ours"),
    ("[defaults]\nmetrics = { fidd = 2.0 }", "unknown metric in x.toml: row 1 'fidd'"),
    ('[defaults]\nlatency_s = "fast"', "'latency_s' has the wrong type"),
    ("[defaults]\nmacs_t = 1.0", "unknown convention in x.toml: row 1"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "x.toml"
    path.write_text(f'schema = 1\ntag = "X"\ncitation = "Y"\n{text}\n[[rows]]\nmethod = "m"\n')
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        published.read(path)


def test_every_convention_that_a_row_names_is_one_of_ours():
    assert {r.convention for r in ROWS} - {""} == set(CONVENTIONS) - {"ditbench"}
