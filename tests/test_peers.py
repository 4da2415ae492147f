"""The benchmark against published implementations: it compares equals, and says what is not installed."""

import json
import os

import pytest

from bench.benchmarks import peers, peers_diffusers
from bench.benchmarks.peers_apart import apart

pytest.importorskip("diffusers")
SMALL = peers.Setting("dit-mnist, batch 1", trained="dit-mnist")


@pytest.mark.parametrize("case", list(peers.PEERS))
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


@pytest.fixture
def in_one_process(monkeypatch):
    """The command, without its processes, at the small setting."""
    monkeypatch.setattr(peers, "tuned_allocator", lambda: None)
    monkeypatch.setattr(peers, "apart", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(peers, "SETTINGS", (SMALL,))


def test_the_table_is_made_a_part_at_a_time(in_one_process, monkeypatch, tmp_path, capsys):
    def measured(setting, rounds, only, threads):
        interval = {"median": rounds + threads, "low": 1.0, "high": 9.0}
        part = {"setting": vars(setting), "left_out": {}, "cases": {case: {} for case in only}}
        return part | {"ratio": {case: {"process": interval} for case in only}}

    monkeypatch.setattr(peers, "measure", measured)
    out = str(tmp_path / "peers.json")
    for more in ("--cases official", "--cases uncached,hicache", "--cases uncached --rounds 3", "--threads 2"):
        peers.main([out, "--rounds", "1", *more.split()])
    one, two = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert (one["threads"], two["threads"]) == (1, 2)
    assert (
        one["ratio"].keys() == one["cases"].keys() == one["runs"]["time"].keys() == {"official", "uncached", "hicache"}
    )
    assert one["ratio"]["uncached"]["process"]["median"] == 4, "the later run of a case counts"
    row = "| dit-mnist, batch 1 | 1 | 2.00 [1.00, 9.00] | 4.00 [1.00, 9.00] | – | – | – | – | 2.00 [1.00, 9.00] |"
    assert row in capsys.readouterr().out.splitlines()


def test_memory_is_of_one_side_alone(in_one_process, tmp_path):
    peers.main([str(tmp_path / "peers.json"), "--memory", "--cases", "official"])
    (found,) = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert found["memory_mb"]["official"].keys() == {"ours", "theirs"}
    assert all(mb is None or mb > 50 for mb in found["memory_mb"]["official"].values())
    assert "official" in found["runs"]["memory"]


def test_a_library_that_was_left_out_is_not_once_it_is_there(in_one_process, monkeypatch, tmp_path):
    def missing(loop):
        raise ImportError("No module named 'nothing'")

    there, out = peers.PEERS["uncached"], str(tmp_path / "peers.json")
    for peer in (("nothing", missing), there):
        monkeypatch.setitem(peers.PEERS, "uncached", peer)
        peers.main([out, "--rounds", "1", "--cases", "uncached"])
        (found,) = json.loads((tmp_path / "peers.json").read_text())["results"]
        assert bool(found["left_out"]) == ("uncached" not in found["ratio"]) == (peer is not there)


@pytest.mark.parametrize("wrong", [["--only", "DiT-S2"], ["--cases", "fora"]])
def test_a_part_that_there_is_not_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        peers.main(wrong)
    assert caught.value.code == 2
    assert "there are: " in capsys.readouterr().err


def test_a_part_runs_in_a_process_of_its_own():
    assert apart(os.getpid) != os.getpid()
    with pytest.raises(ValueError, match="invalid literal"):
        apart(int, "one")
