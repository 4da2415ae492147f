"""docs/results-schema.md names every column and every key that a cell's timing and quality have."""

import re
from pathlib import Path

import pytest
import torch
from fake_session import measure_pair

from bench.measure.timing.rounds import Budget
from bench.show.table import COLUMNS
from bench.store.results import read_results
from bench.suite import protocol

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def documented():
    return set(re.findall(r"`(\w+)`", (DOCS / "results-schema.md").read_text("utf-8")))


def test_every_column_is_documented(documented):
    assert set(COLUMNS) <= documented


def test_every_timing_key_is_documented(documented):
    timing = measure_pair(lambda: torch.zeros(1), lambda: torch.zeros(1), budget=Budget(1, 1, 0))
    assert set(timing) | set(timing["rounds"][0]) <= documented


def test_the_protocol_page_states_this_version():
    title = (DOCS / "protocol.md").read_text("utf-8").splitlines()[0]
    assert title == f"# Protocol, version {protocol.VERSION}"


def test_the_page_of_suites_says_what_the_full_size_models_speed_ups_are():
    page = (DOCS / "suites.md").read_text("utf-8")
    cells = {cell.name: cell.timing.speedup for cell in read_results(DOCS.parent / "results" / "cpu-latency").cells}
    solver = "dpm-solver++-20-variant-uvit-singlestep+"
    shown = {
        "DiT-XL/2 | DDIM-20 | L2C": ("dit-xl-2", "ddim-20+l2c-router-official"),
        "DiT-XL/2 | DDIM-30 | SmoothCache": ("dit-xl-2", "ddim-30+smoothcache-schedule-attn+mlp-c2bb2b49"),
        "its own, 20 evaluations | L2C": ("uvit-h-2", f"{solver}l2c-router-official"),
        "FORA, interval 2 (all layers, shifted)": ("uvit-h-2", f"{solver}fora-interval-2"),
        "FORA, interval 2, unshifted": ("uvit-h-2", f"{solver}fora-interval-2-pattern-unshifted"),
        "DeepCache, interval 2": ("uvit-h-2", f"{solver}deepcache-interval-2-pattern-shifted"),
        "Faster Diffusion, interval 2": ("uvit-h-2", f"{solver}faster-diffusion-interval-2-pattern-shifted"),
    }
    for row, name in shown.items():
        (line,) = [line for line in page.splitlines() if f"| {row}" in line]
        found = cells[name]
        assert f"| {found.median:.2f} [{found.low:.2f}, {found.high:.2f}] |" in line
