"""What a cell costs while thousands of them are read: memory that grows with the cells must stay small for each."""

import gc
import tracemalloc

import cell_factory
import pytest

from bench.benchmarks.synthetic_store import write_store
from bench.store.results import read_results, read_whole

BUDGET = 25_000  # bytes a cell; 15,100 when this was written, 63,000 while documents and raw rounds were kept
COUNTS = 100, 200


def held(read):
    """Bytes that what `read()` returns holds, as Python's allocator counts them: the same at every run."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = read()
        gc.collect()
        return tracemalloc.get_traced_memory()[0], kept
    finally:
        tracemalloc.stop()


def test_a_cell_that_was_read_holds_few_bytes(tmp_path):
    stores = [write_store(tmp_path / str(count), count) for count in COUNTS]
    read_results(stores[0])  # what is imported or remembered once is no cell's
    (few, _), (many, _) = (held(lambda store=store: read_results(store)) for store in stores)
    a_cell = (many - few) / (COUNTS[1] - COUNTS[0])
    assert a_cell < BUDGET


def test_a_document_is_kept_for_those_that_walk_through_it_alone(tmp_path):
    cell_factory.write(tmp_path, [cell_factory.cell()])
    (whole,), (read,) = read_whole(tmp_path).cells, read_results(tmp_path).cells
    assert whole.document["slug"] == read.slug
    assert whole == read
    with pytest.raises(ValueError, match="without its document"):
        _ = read.document
