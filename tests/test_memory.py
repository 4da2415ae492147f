import pytest

from bench import memory

MB = 1_000_000


def hold(megabytes: int) -> None:
    """Touch every page, so that it becomes resident."""
    bytearray(megabytes * MB)[::4096] = b"\1" * len(range(0, megabytes * MB, 4096))


def measured(megabytes: int) -> float:
    peak = memory.peak_mb(lambda: hold(megabytes), "cpu")
    if peak is None:
        pytest.skip("this system keeps no high-water mark")
    return peak


def test_the_peak_is_the_action_s_own():
    large, small = measured(300), measured(10)
    assert 200 < large - small < 400


def test_no_mark_no_number(monkeypatch):
    monkeypatch.setattr(memory, "_reset_mark", lambda: False)
    assert memory.peak_mb(lambda: None, "cpu") is None
