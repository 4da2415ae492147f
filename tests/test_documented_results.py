"""docs/results-schema.md names every column and every key that a cell's timing and quality have."""

import re
from pathlib import Path

import pytest
import torch
from fake_session import measure_pair

from bench.measure.timing.rounds import Budget
from bench.show.table import COLUMNS
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
