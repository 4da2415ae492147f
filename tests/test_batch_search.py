"""The largest batch that fits, whatever running one raises."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.timing import batch_search
from bench.measure.timing.batch_search import GRAIN, LargestFit, TooLarge, largest_batch


@pytest.fixture(scope="module", autouse=True)
def no_collector():
    """Collecting a thousand times what the examples do not allocate takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_search, "release", lambda: None)
        yield


def memory_of(images, error=MemoryError):
    tried = []

    def run(batch):
        tried.append(batch)
        if batch > images:
            raise error("no more")

    return run, tried


@given(images=st.integers(0, 5000), most=st.integers(1, 4096))
def test_it_is_within_an_eighth_of_what_fits_and_never_more(images, most):
    run, tried = memory_of(images)
    found = largest_batch(run, most)
    true = min(images, most)
    assert found.batch <= true
    if images >= most:
        assert found == LargestFit(most, "images")
    else:
        assert true - found.batch <= max(1, found.batch // GRAIN)
        assert found.limit == "memory"
    assert len(tried) <= 20


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_not_even_one_image_is_an_answer(error):
    assert largest_batch(memory_of(0, error)[0]) == LargestFit(0, "memory")


def test_the_cpu_s_allocator_has_no_exception_of_its_own():
    run, _ = memory_of(5, lambda text: RuntimeError("[enforce fail] can't allocate memory: you tried"))
    assert largest_batch(run).batch == 5


def test_what_ends_the_search_is_said():
    run, _ = memory_of(20, lambda text: TooLarge("seconds"))
    assert largest_batch(run) == LargestFit(20, "seconds")


def test_other_errors_come_through():
    with pytest.raises(RuntimeError, match="no kernel"):
        largest_batch(memory_of(3, lambda text: RuntimeError("no kernel image"))[0])
