"""A run of speed alone at several batches, through the command line; and a batch that does not fit."""

import csv
import json

import cell_factory
import pytest
from tiny_suite import PLUGIN, ditbench

from bench.schema.cell import read_cell
from bench.show.batch_table import rows_of
from bench.store.stored_cell import stored
from models.errors import InputError

SUITE = """
name = "speed"
reference = { name = "ddim", steps = 3 }
protocol = { samples = 0, timing = { batch = 2, rounds = 2, seconds = SECONDS } }
[[cells]]
models = "tiny"
sampler = { name = "ddim", steps = [3, 2] }
[[cells]]
models = "tiny"
sampler = { name = "ddim", steps = 3 }
cache = [{ name = "half" }, { name = "hungry" }]
"""

# Runs out of memory at three images, as a real allocator would: with an error, at any moment.
HUNGRY = '''
class Hungry(Half):
    """Needs too much memory for three images."""
    name = "hungry"
    def plan(self, model, sampler):
        plain = model.embed
        def embed(x, *rest):
            if len(x) >= 6:
                raise MemoryError("three images are too many")
            return plain(x, *rest)
        object.__setattr__(model, "embed", embed)
        return super().plan(model, sampler)
'''


def run_suite(folder, seconds, *options):
    (folder / "plugin.py").write_text(PLUGIN + HUNGRY)
    (folder / "speed.toml").write_text(SUITE.replace("SECONDS", str(seconds)))
    plugin = ["--plugin", folder / "plugin.py", "--jobs", 1]
    done = ditbench("run", folder / "speed.toml", "--out", folder / "out", *plugin, *options)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_suite(tmp_path_factory.mktemp("speed"), 0.02, "--batch", "2,1,3", "--dtype", "bfloat16")


def timing_of(run, slug):
    return json.loads((run / "cells" / "tiny" / f"{slug}.json").read_text())["timing"]


def test_every_batch_is_timed_like_the_headline(run):
    timing = timing_of(run, "ddim-3+half")
    assert timing["batch"] == 2
    assert [entry["batch"] for entry in timing["batches"]] == [1, 3]
    for entry in (timing, *timing["batches"]):
        assert entry["speedup"]["median"] > 0
        assert entry["throughput"] == pytest.approx(entry["batch"] / entry["latency_ms"]["median"] * 1e3)
        assert entry["roofline"]["speedup"] <= entry["speedup_ideal"]
        assert entry["gemm_fraction"] > 0
    assert timing["largest"] is None


def test_uncached_cells_are_timed_against_the_reference(run):
    assert timing_of(run, "ddim-2")["speedup_reference"]["median"] > 0
    assert timing_of(run, "ddim-3")["speedup_reference"] is None
    assert timing_of(run, "ddim-3+half")["speedup_reference"] is None


def test_a_batch_that_does_not_fit_is_a_result(run):
    timing = timing_of(run, "ddim-3+hungry")
    assert timing["latency_ms"]["median"] > 0
    assert [entry.get("reason") for entry in timing["batches"]] == [None, "out of memory"]


def test_the_largest_batch_is_found_and_timed(tmp_path):
    timing = timing_of(run_suite(tmp_path, 5.0, "--batch", "auto,1", "--only", "*hungry"), "ddim-3+hungry")
    assert timing["batch"] == 1
    assert (timing["largest"]["batch"], timing["largest"]["limit"]) == (2, "memory")
    assert timing["largest"]["throughput"] > 0
    assert timing["largest"]["speedup"] is None


def test_the_cell_records_what_was_chosen_and_measured(run):
    cell = json.loads((run / "cells" / "tiny" / "ddim-3+half.json").read_text())
    assert cell["quality"] is None
    assert cell["settings"]["dtype"] == "bfloat16"
    assert cell["memory"]["cache_mb"] == cell["memory"]["cache_measured_mb"] > 0
    assert cell["environment"]["allocator"]
    assert cell["timing"]["ceilings"]["gemm_macs_per_s"] > 0
    assert cell["timing"]["decode_ms"] is None


def test_the_tables_have_one_row_a_batch(run):
    rows = list(csv.DictReader((run / "batches.csv").open()))
    half = [row for row in rows if row["slug"] == "ddim-3+half"]
    assert [row["batch"] for row in half[:3]] == ["2", "1", "3"]
    assert [row["reason"] for row in rows if row["slug"] == "ddim-3+hungry" and row["batch"] == "3"] == [
        "out of memory"
    ]
    assert all(float(row["throughput"]) > 0 for row in half)
    first = next(row for row in csv.DictReader((run / "results.csv").open()) if row["slug"] == "ddim-3+half")
    assert first["latency_ms"] == half[0]["latency_ms"]
    assert float(first["roofline_fraction"]) == pytest.approx(
        float(first["speedup"]) / float(first["speedup_roofline"])
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"batches": [3]}, "objects with a batch"),
        ({"batches": [{"batch": 3, "throughput": "fast"}]}, "timing.throughput must be a number"),
        ({"batches": [{"batch": 3, "latency_ms": {"median": -1, "low": -1, "high": 1}}]}, "timing.latency_ms"),
        ({"warnings": [{}]}, "must hold strings"),
    ],
)
def test_damaged_times_of_a_batch_are_refused(run, tmp_path, change, complaint):
    cell = json.loads((run / "cells" / "tiny" / "ddim-2.json").read_text())
    cell["timing"] |= change
    del cell["checksum"]
    path = tmp_path / "tiny" / "ddim-2.json"
    path.parent.mkdir()
    path.write_text(json.dumps(cell))
    with pytest.raises(InputError, match=complaint):
        read_cell(path)


def test_cells_without_times_have_no_rows():
    assert rows_of(stored(cell_factory.cell() | {"timing": None})) == []
