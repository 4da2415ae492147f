"""What follows from measured times, on times that are given."""

import pytest

import methods
from bench.cost.plan_cost import plan_macs
from bench.measure.timing import speed
from bench.measure.timing.contenders import Contender
from bench.schema.warnings import Warned
from bench.show.warning_text import SAYINGS, warning_text
from methods.plan import uncached
from models.dit import DiT

CEILINGS = {"gemm_macs_per_s": 1e9, "copy_bytes_per_s": 1e8, "gemm_before": 1e9, "gemm_after": 1e9}


def around(ms):
    return {"median": ms, "low": ms, "high": ms}


def timing(ms=100.0, baseline=200.0, **more):
    base = {"batch": 4, "rounds": [{}] * 20, "latency_ms": around(ms), "interfered_rounds": 0, "warmup_stable": True}
    return base | {"baseline_ms": baseline and around(baseline), "warmup_rounds": 10} | more


def test_rates_count_only_what_was_computed():
    work = {"macs": 5_000_000, "macs_baseline": 10_000_000}
    found = speed.derived(timing(), work, 10, CEILINGS)
    assert found == {"throughput": 40, "macs_per_s": pytest.approx(2e8), "gemm_fraction": pytest.approx(0.2)}
    assert speed.derived(timing(enqueue_ms=around(3.0)), work, 10, CEILINGS)["enqueue_us"] == pytest.approx(300)


def test_the_roofline_stands_on_the_baseline_s_rate_and_the_copy_s():
    model = DiT(4, 1, 4, 32, 4, 4, num_classes=10)
    sampler = methods.build("ddim", steps=6)
    contender = Contender(sampler, methods.build("fora", interval=2).plan(model, sampler))
    macs, whole = plan_macs(model, contender.plan), plan_macs(model, uncached(6, 8))
    work = {"macs": macs, "macs_baseline": whole}
    found = speed.roofline(model, contender, timing(), work, False, CEILINGS)
    assert found["macs_per_s"] == pytest.approx(whole * 4 / 0.2)
    assert found["bytes_per_s"] == 1e8
    assert 1 < found["speedup"] < whole / macs
    fast = speed.roofline(model, contender, timing(), work, False, CEILINGS | {"copy_bytes_per_s": 1e30})
    assert fast["speedup"] == pytest.approx(whole / macs)
    assert speed.roofline(model, contender, timing(baseline=None), work, False, CEILINGS) is None


def test_what_changes_no_conclusion_is_no_flag():
    resolved = {"speedup": around(2.0), "resolution": {"median": 1.0, "low": 0.97, "high": 1.03}}
    assert speed.flags(timing(**resolved), others=0) == []
    disturbed = {"interfered_rounds": 9, "warmup_stable": False, "throttled_rounds": 2}
    assert speed.flags(timing(**resolved, **disturbed), others=0) == []


@pytest.mark.parametrize(
    ("change", "others", "flag", "words"),
    [
        ({}, 1, {"code": "gpu-shared", "processes": 1}, "1 other process on the GPU"),
        ({}, 2, {"code": "gpu-shared", "processes": 2}, "2 other processes on the GPU"),
        ({"throttled_rounds": 3}, 0, {"code": "gpu-throttled", "rounds": 3, "of": 20}, "throttled in 3 of 20 rounds"),
        (
            {"resolution": {"median": 1.05, "low": 1.02, "high": 1.08}},
            0,
            {"code": "aa-differs", "low": 1.02, "high": 1.08},
            "differs from itself: 1.02 to 1.08",
        ),
        (
            {"speedup": {"median": 1.02, "low": 1.01, "high": 1.03}},
            0,
            {"code": "speedup-unresolved", "low": 1.01, "high": 1.03, "aa_low": 0.96, "aa_high": 1.04},
            "the speed-up of 1.01 to 1.03 cannot be told",
        ),
    ],
)
def test_every_flag_has_its_numbers_and_a_sentence(change, others, flag, words):
    quiet = {"speedup": None, "resolution": {"median": 1.0, "low": 0.96, "high": 1.04}}
    (found,) = speed.flags(timing(**(quiet | change)), others)
    assert found == flag
    text = warning_text(Warned(found["code"], {key: value for key, value in found.items() if key != "code"}))
    assert words in text
    assert found["code"] in SAYINGS


def test_the_kinds_name_the_limits_that_made_a_warning():
    kinds = " ".join(saying.many for saying in SAYINGS.values())
    assert "more than 5 %" in kinds
    assert "more than a tenth" in kinds
    assert speed.THROTTLED == 0.1
