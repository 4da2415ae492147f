"""Benchmarks run, agree with what they compare against, and their committed results say what the docs say."""

import json
from pathlib import Path

import pytest

from bench.benchmarks import frechet, half_precision, kernels, latency_coverage, realised, startup
from bench.benchmarks.interleaved import interleave, summary
from bench.benchmarks.peers.table import memory_table, table

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "results" / "benchmarks"


def test_calls_take_turns_in_a_drawn_order(capsys):
    seen = []
    times = interleave({name: lambda name=name: seen.append(name) for name in "abc"}, rounds=6)
    rounds = [seen[i : i + 3] for i in range(0, 21, 3)]
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1
    assert all(len(series) == 6 for by_name in times.values() for series in by_name.values())
    assert "round 6/6" in capsys.readouterr().err


def test_ratios_are_of_rounds():
    times = {"wall": {"ours": [10, 20, 10], "theirs": [30, 60, 40]}}
    found = summary(times, "ours")["wall"]
    assert found["ratio"]["theirs"]["median"] == 3
    assert found["seconds"]["ours"]["median"] == 1e-8


def test_the_frechet_benchmark_compares_equal_values():
    found = frechet.run(dimensions=24, samples=100, rounds=1)
    ours, *others = found["values"].values()
    assert others == pytest.approx([ours] * len(others), rel=1e-6)
    assert {*found["values"], *found["left_out"]} >= {frechet.OURS, "torch-fidelity", "clean-fid"}
    assert not found["left_out"].keys() & found["values"].keys()
    assert found["left_out"].keys() <= {"clean-fid"}  # 0.1.35 passes sqrtm what SciPy 1.18 has removed
    assert found["wall"]["ratio"].keys() == found["process"]["ratio"].keys()
    json.dumps(found, allow_nan=False)


def test_committed_speed_of_the_frechet_distance():
    found = json.loads((COMMITTED / "frechet.json").read_text())
    assert found["dimensions"] == 2048
    assert list(found["values"].values()) == pytest.approx([found["values"][frechet.OURS]] * 4, rel=1e-6)
    for clock in ("wall", "process"):
        assert found[clock]["ratio"]["torch-fidelity"]["low"] >= 3
        assert found[clock]["ratio"]["clean-fid"]["low"] >= 10


def test_committed_coverage_of_the_jackknife():
    found = json.loads((COMMITTED / "jackknife_coverage.json").read_text())
    for setting in found["settings"]:
        reported = setting["coverage"]["jackknife around the bias-corrected value"]
        assert reported["high"] >= found["promised"]
        assert reported["share"] >= 0.9


def test_coverage_of_latency_intervals_in_miniature():
    found = latency_coverage.run(lambda text: None, rounds=(2, 9), repeats=30)
    two, nine = (setting["coverage"]["normal"]["share"] for setting in found["settings"])
    assert two < 0.8 < nine, "two rounds hold their median between them in half of the cases"
    json.dumps(found, allow_nan=False)


def test_committed_coverage_of_latency_intervals_is_what_pages_say():
    found = json.loads((COMMITTED / "latency_coverage.json").read_text())
    page = (ROOT / "docs" / "uncertainty.md").read_text("utf-8")
    for model in latency_coverage.MODELS:
        shares = [setting["coverage"][model]["share"] for setting in found["settings"]]
        assert f"| {model} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |" in page
        assert all(0.875 < share < 0.965 for share in shares), "88 to 96 % in bench/show/report/timing_notes.py"


def test_start_up_is_timed_in_turns_in_two_checkouts():
    trees = {startup.HERE: ROOT, startup.THERE: ROOT}
    found = startup.compare(("--version",), trees, rounds=2)
    assert found.keys() == {"wall", "user"}
    assert all(0 < found["user"]["seconds"][name]["median"] < 5 for name in trees)
    json.dumps(found, allow_nan=False)
    with pytest.raises(RuntimeError, match="ended with 2"):
        startup.start(ROOT, ("no-such-command",))


def test_committed_start_up_is_as_short_as_the_docs_say():
    commands = json.loads((COMMITTED / "startup.json").read_text())["commands"]
    assert commands["list"]["user"]["ratio"]["low"] >= 2
    assert commands["--help"]["user"]["seconds"][startup.HERE]["high"] <= 0.15


def test_committed_times_beside_libraries_are_what_the_page_says():
    found = json.loads((COMMITTED / "peers.json").read_text())
    page = (ROOT / "docs" / "engines.md").read_text("utf-8")
    assert all(line in page for line in [*table(found["results"]), *memory_table(found["results"])])
    for result in found["results"]:
        assert result["left_out"].keys() <= (set() if result["dtype"] == "float32" else {"official"})
        assert all(case["difference"] < 1e-5 for case in result["cases"].values())


def test_committed_gain_of_half_precision_is_what_the_page_says():
    found = json.loads((COMMITTED / "half_precision.json").read_text())
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert half_precision.table(found["results"]) in page
    assert found["instructions"] == ["avx512_bf16"]
    gains = {r["setting"]["name"]: r["float32_over_bfloat16"]["uncached"] for r in found["results"]}
    assert all(gain["low"] > 1 for name, gain in gains.items() if not name.startswith("width 96"))


def test_committed_realised_shares_are_what_the_page_says():
    found = json.loads((COMMITTED / "realised.json").read_text())["results"]
    page = (ROOT / "docs" / "performance.md").read_text("utf-8").replace("\\", "")
    rows = {(row["method"], row["batch"]): row for row in found}
    assert {method for method, _ in rows} == {c.method for c in realised.CONTESTANTS}
    for method in {method for method, _ in rows}:
        shares = []
        for batch in (1, 4):
            share, ceiling = (rows[method, batch][key] for key in ("realised_over_ideal", "ceiling"))
            shares.append(f"{share['median']:.2f} [{share['low']:.2f}, {share['high']:.2f}] | {ceiling['median']:.2f}")
            assert share["low"] <= ceiling["high"], "no method is surely above its ceiling"
        assert (
            f"| {method} | {rows[method, 1]['kind']} | {rows[method, 1]['target']:g} | {' | '.join(shares)} |" in page
        )


def test_committed_speed_against_published_implementations_is_what_the_page_says():
    results = json.loads((COMMITTED / "peers.json").read_text())["results"]
    page = (ROOT / "docs" / "performance.md").read_text("utf-8").replace("\\", "")
    usual = {"threads": 1, "kernels": "blas", "dtype": "float32"}
    results = [r for r in results if r["setting"]["name"].startswith("width 192") and r.items() >= usual.items()]
    assert [r["setting"]["name"] for r in results] == ["width 192, batch 1", "width 192, batch 4"]
    assert all(case["difference"] < 1e-5 for r in results for case in r["cases"].values()), "equals are compared"
    for case in results[0]["ratio"]:
        ends = [r["ratio"][case]["process"] for r in results]
        cells = " | ".join(f"{e['median']:.2f} [{e['low']:.2f}, {e['high']:.2f}]" for e in ends)
        assert any(line.startswith(f"| {case} |") and cells in line for line in page.splitlines())
    for case in ("smoothcache", "taylorseer"):
        assert all(r["ratio"][case]["process"]["low"] >= 1.3 for r in results)


def test_kernels_are_timed_in_turns():
    found = kernels.measure(kernels.Setting("width 16", width=16, depth=2, size=4, steps=4), rounds=2)
    assert found["relative_difference"] < 1e-5
    assert found["blas_over_onednn"].keys() == {"uncached", "fora"}
    assert "| width 16 |" in kernels.table({"float32": [{"width": 96, "rows": 64, "gain": 1.5}]}, [found])
    json.dumps(found, allow_nan=False)
