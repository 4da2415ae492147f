"""The benchmark against published implementations: it compares equals, and says what is not installed."""

import json
import os
from dataclasses import replace

import pytest

from bench.benchmarks.peers import command, libraries, pair
from bench.benchmarks.peers.measuring import measure
from bench.benchmarks.peers.pair import Pair
from bench.benchmarks.peers.parts import apart
from bench.benchmarks.peers.settings import Setting
from bench.run import kernels
from bench.sampling.compiled import Execution
from bench.sampling.compiled.onednn import ONEDNN
from bench.suite.cells import Settings

pytest.importorskip("diffusers")
SMALL = Setting("dit-mnist, batch 1", trained="dit-mnist", rounds=1, threshold=0.1)


def small(case: str, **how) -> Pair:
    return Pair(SMALL, case, Settings(**how))


@pytest.mark.parametrize("case", list(libraries.PEERS))
def test_both_sides_compute_and_give_the_same(case):
    """With the libraries that are installed; the others are named."""
    found = measure(small(case))
    if found["left_out"]:
        assert case not in found["ratio"]
        pytest.skip(found["left_out"][case])
    assert found["cases"][case]["difference"] < 1e-5
    assert found["ratio"][case].keys() == {"wall", "process"}
    json.dumps(found, allow_nan=False)


def test_in_half_precision_they_are_equals_in_float32_first():
    found = measure(small("dbcache", dtype="bfloat16", execution=Execution(kernels=ONEDNN)))
    if found["left_out"]:
        pytest.skip(found["left_out"]["dbcache"])
    case = found["cases"]["dbcache"]
    assert case["difference"] < 1e-5 < case["difference_rounded"]
    assert case["branches_computed"] < case["branches"]


def test_the_official_loop_has_no_half_precision():
    found = measure(small("official", dtype="bfloat16"))
    assert found["left_out"] == {"official": "official loop: the released code has no bfloat16"}


def test_settings_that_differ_are_no_comparison(monkeypatch):
    monkeypatch.setattr(pair, "ONLY_OURS", {})  # TaylorSeer's own cadence is not diffusers' hook's
    with pytest.raises(ValueError, match=r"^peers: taylorseer, first trajectory: \d+ branches computed here"):
        measure(small("taylorseer"))


def test_a_cache_that_reuses_nothing_is_no_case_of_its_own():
    never = replace(SMALL, threshold=0.0)
    with pytest.raises(ValueError, match=r"^peers: first-block-cache: nothing is reused"):
        measure(Pair(never, "first-block-cache", Settings()))


def test_a_peer_that_leaks_into_the_next_trajectory_is_found(monkeypatch):
    def without_reset(loop, **given):
        libraries.taylorseer(loop, **given)
        loop.reset = lambda: None

    monkeypatch.setitem(libraries.PEERS, "taylorseer", ("diffusers", without_reset))
    with pytest.raises(ValueError, match="second trajectory"):
        measure(small("taylorseer"))


def test_the_scheduler_is_made_before_the_clock_runs(monkeypatch):
    """As a pipeline has one of its own, and as our side is prepared."""
    loop = small("uncached").theirs(model := SMALL.model())
    monkeypatch.setattr("diffusers.DDIMScheduler", None)
    noise, labels = SMALL.inputs(model)
    assert loop(noise, labels).shape == noise.shape


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(loop):
        raise ImportError("No module named 'nothing'")

    monkeypatch.setitem(libraries.PEERS, "uncached", ("nothing", missing))
    found = measure(small("uncached"))
    assert found["left_out"] == {"uncached": "nothing: No module named 'nothing'"}
    assert found["ratio"] == found["cases"] == {}
    assert measure(small("taylorseer"))["ratio"].keys() == {"taylorseer"}, "the others go on"


@pytest.fixture
def in_one_process(monkeypatch):
    """The command, without its processes, at the small setting."""
    monkeypatch.setattr(command, "tuned_allocator", lambda: None)
    monkeypatch.setattr(command, "apart", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(command, "SETTINGS", (SMALL,))


def test_the_table_is_made_a_part_at_a_time(in_one_process, monkeypatch, tmp_path, capsys):
    def measured(pair):
        interval = {"median": pair.setting.rounds + pair.how.threads, "low": 1.0, "high": 9.0}
        return {"left_out": {}, "cases": {pair.case: {}}, "ratio": {pair.case: {"process": interval}}}

    monkeypatch.setattr(command, "measure", measured)
    out = str(tmp_path / "peers.json")
    for more in ("--cases official", "--cases uncached,hicache", "--cases uncached --rounds 3", "--threads 2"):
        command.main([out, "--rounds", "1", *more.split()])
    one, two = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert (one["threads"], two["threads"]) == (1, 2)
    assert (
        one["ratio"].keys() == one["cases"].keys() == one["runs"]["time"].keys() == {"official", "uncached", "hicache"}
    )
    assert one["ratio"]["uncached"]["process"]["median"] == 4, "the later run of a case counts"
    of = "| dit-mnist, batch 1 | 20 | 1 | float32 | blas "
    row = of + "| 2.00 [1.00, 9.00] | 4.00 [1.00, 9.00] | – | – | – | – | 2.00 [1.00, 9.00] |"
    assert row in capsys.readouterr().out.splitlines()


def test_other_kernels_dtypes_and_steps_are_rows_of_their_own(in_one_process, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "measure", lambda pair: {"cases": {}, "left_out": {}, "ratio": {}})
    monkeypatch.setattr(kernels, "faster", lambda how: ONEDNN)
    out = str(tmp_path / "peers.json")
    for more in ("--kernels measured", "--kernels onednn", "--dtype bfloat16", "--steps 6", "--kernels blas"):
        command.main([out, "--cases", "uncached", *more.split()])
    rows = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert [(r["kernels"], r["dtype"], r["setting"]["steps"]) for r in rows] == [
        ("onednn", "float32", 20), ("blas", "bfloat16", 20), ("blas", "float32", 6), ("blas", "float32", 20),
    ], "what was measured has a name, and that name's row"  # fmt: skip


def test_unequal_sides_are_said_and_the_other_cases_go_on(in_one_process, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pair, "ONLY_OURS", {})
    with pytest.raises(SystemExit) as caught:
        command.main([str(tmp_path / "peers.json"), "--cases", "taylorseer,official"])
    assert caught.value.code == 1
    assert "peers: taylorseer, first trajectory" in capsys.readouterr().err
    (found,) = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert found["ratio"].keys() == {"official"}


def test_memory_is_of_one_side_alone(in_one_process, tmp_path):
    command.main([str(tmp_path / "peers.json"), "--memory", "--cases", "official"])
    (found,) = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert found["memory_mb"]["official"].keys() == {"ours", "theirs"}
    assert all(mb is None or mb > 50 for mb in found["memory_mb"]["official"].values())
    assert "official" in found["runs"]["memory"]


def test_a_library_that_was_left_out_is_not_once_it_is_there(in_one_process, monkeypatch, tmp_path):
    def missing(loop):
        raise ImportError("No module named 'nothing'")

    there, out = libraries.PEERS["uncached"], str(tmp_path / "peers.json")
    for peer in (("nothing", missing), there):
        monkeypatch.setitem(libraries.PEERS, "uncached", peer)
        command.main([out, "--rounds", "1", "--cases", "uncached"])
        (found,) = json.loads((tmp_path / "peers.json").read_text())["results"]
        assert bool(found["left_out"]) == ("uncached" not in found["ratio"]) == (peer is not there)


@pytest.mark.parametrize("wrong", [["--only", "DiT-S2"], ["--cases", "fora"]])
def test_a_part_that_there_is_not_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(wrong)
    assert caught.value.code == 2
    assert "there are: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--kernels", "mkl"], ["--dtype", "float16"], ["--rounds", "0"], ["--steps", "x"], ["--threads", "-1"]]
)
def test_what_cannot_be_measured_is_one_line(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(wrong)
    assert caught.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {wrong[0]}: invalid" in line
    assert f"'{wrong[1]}'" in line


def test_a_part_runs_in_a_process_of_its_own():
    assert apart(os.getpid) != os.getpid()
    with pytest.raises(ValueError, match="invalid literal"):
        apart(int, "one")
