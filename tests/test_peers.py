"""The benchmark against published implementations: it compares equals, and says what is not installed."""

import json

import pytest

from bench.benchmarks import peers, peers_diffusers

pytest.importorskip("diffusers")
SMALL = peers.Setting("dit-mnist, batch 1", trained="dit-mnist")


@pytest.mark.parametrize("case", ["uncached", "taylorseer", "first-block-cache", "smoothcache", "dbcache", "hicache"])
def test_both_sides_compute_and_give_the_same(case):
    """With the libraries that are installed; the others are named."""
    found = peers.measure(SMALL, rounds=2, only=(case,))
    if found["left_out"]:
        assert case not in found["ratio"]
        pytest.skip(found["left_out"][case])
    assert found["cases"][case]["difference"] < 1e-5
    assert found["ratio"][case].keys() == {"wall", "process"}
    json.dumps(found, allow_nan=False)


def test_settings_that_differ_are_no_comparison(monkeypatch):
    monkeypatch.setattr(peers, "ONLY_OURS", {})  # TaylorSeer's own cadence is not diffusers' hook's
    with pytest.raises(ValueError, match=r"^peers: taylorseer, first trajectory: \d+ branches computed here"):
        peers.measure(SMALL, rounds=1, only=("taylorseer",))


def test_a_peer_that_leaks_into_the_next_trajectory_is_found(monkeypatch):
    def without_reset(loop, **given):
        peers_diffusers.taylorseer(loop, **given)
        loop.reset = lambda: None

    monkeypatch.setitem(peers.PEERS, "taylorseer", ("diffusers", without_reset))
    with pytest.raises(ValueError, match="second trajectory"):
        peers.measure(SMALL, rounds=1, only=("taylorseer",))


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(loop):
        raise ImportError("No module named 'nothing'")

    monkeypatch.setitem(peers.PEERS, "uncached", ("nothing", missing))
    found = peers.measure(SMALL, rounds=1, only=("uncached", "taylorseer"))
    assert found["left_out"] == {"uncached": "nothing: No module named 'nothing'"}
    assert found["ratio"].keys() == {"taylorseer"}
