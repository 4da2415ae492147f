"""The table of metrics: a new one is a row, and then it is everywhere."""

import csv
import dataclasses
import json

import cell_factory as factory
import pytest

from bench.cli import main
from bench.schema import metrics
from bench.schema.cell import read_cell
from bench.schema.json_schema import cell_schema
from bench.schema.metrics import HIGHER, METRICS, Metric
from bench.show.assessment_table import table
from bench.show.report.page import write_report
from bench.show.site import write_site
from models.errors import InputError

HUE = Metric(
    "hue", "Hue", "Hue of the samples", HIGHER, "how colourful they are", beside=("se",), replicates=True,
    held_by=metrics.RATIO, compared_as="hue",
)  # fmt: skip


@pytest.fixture
def hue(monkeypatch):
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, HUE))


def run(directory, factor=1.0, cells=3):
    """A run whose cells have the new metric, as the function that computes it would store it."""
    made = [factory.cell(steps=steps) for steps in (50, 20, 10)[:cells]]
    for cell in made:
        value = factor * (4.0 + 0.01 * cell["sampler"]["steps"])
        values = [value + 0.001 * (i % 3 - 1) for i in range(factory.GROUPS)]
        cell["quality"] |= {"hue": value, "hue_se": 0.005, "hue_jackknife": values}
    return factory.write(directory, made)


@pytest.mark.usefixtures("hue")
def test_a_metric_that_is_one_row_is_in_the_table_the_report_and_the_site(tmp_path):
    first = run(tmp_path / "first")
    page = write_report(first).read_text("utf-8")
    rows = list(csv.DictReader((first / "results.csv").read_text("utf-8").splitlines()))
    assert [float(row["hue"]) for row in rows] == pytest.approx([4.5, 4.2, 4.1])
    assert {row["hue_se"] for row in rows} == {"0.005"}
    assert "Hue, n=2,000" in page
    assert "4.5000 ± 0.0050" in page
    assert "Hue of the samples, higher is better" in page, "a plot of its own"
    write_site([first], tmp_path / "site")
    suite = (tmp_path / "site/suite/first.html").read_text("utf-8")
    assert "Hue of the samples, higher is better" in suite, "an axis of the plot"
    versus = next((tmp_path / "site/versus").iterdir()).read_text("utf-8")
    assert '"hue": {"error": 0.005' in versus, "paired, for any two settings"


@pytest.mark.usefixtures("hue")
def test_it_is_compared_and_held_by_the_gate(tmp_path, capsys):
    base, less = run(tmp_path / "base"), run(tmp_path / "less", factor=0.8)
    assert main(["compare", str(base), str(less), "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    changes = [change for cell in cells for change in cell["changes"] if change["measure"] == "hue"]
    assert [change["verdict"] for change in changes] == ["worse"] * 3, "higher is better, so less is worse"
    assert [change["factor"] for change in changes] == pytest.approx([1.2] * 3)
    assert main(["compare", str(base), str(less), "--markdown"]) == 0
    assert "| Hue |" in capsys.readouterr().out
    main(["gate", str(base), str(less)])
    assert "metrics: hue was 4.5, is 3.6" in capsys.readouterr().out


@pytest.mark.usefixtures("hue")
def test_it_is_in_the_table_that_evaluate_prints():
    found = {"features": "digit-classifier", "fingerprint": "f", "is_fid": False, "source": "s", "samples": 40,
             "reference": None, "hue": 4.5, "hue_se": 0.25}  # fmt: skip
    assert "hue (n=40)                4.50 ± 0.25" in table(found)


@pytest.mark.usefixtures("hue")
def test_it_is_in_the_schema(tmp_path):
    quality = cell_schema()["properties"]["quality"]["properties"]
    assert quality["hue"] == quality["hue_se"] == {"type": ["number", "null"]}
    assert quality["hue_jackknife"]["type"] == ["array", "null"]
    path = run(tmp_path, cells=1) / "cells/dit-mnist/ddim-50.json"
    assert read_cell(path)["quality"]["hue"] == 4.5
    path.write_text(path.read_text().replace('"hue": 4.5', '"hue": "much"'))
    with pytest.raises(InputError, match=r"quality.hue must be a number, found 'much'"):
        read_cell(path)


def test_rows_say_what_they_must():
    assert len({name for metric in METRICS for name in metric.numbers}) == len(metrics.numbers())
    for metric in METRICS:
        assert metric.better in ("lower", "higher")
        assert metric.meaning
        assert not metric.meaning.endswith(".")
        assert metric.replicates <= ("se" in metric.beside), f"{metric.key}: replicates without their error"
        assert not metric.replicates or not metric.against
    assert dataclasses.is_dataclass(METRICS[0])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.key)
def test_titles_and_labels_hold_only_what_pages_fill_in(metric):
    assert metric.title.format(distance="FD", reference="DDIM-50")
    assert metric.label.format(heading="FD", reference="DDIM-50")
