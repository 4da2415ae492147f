"""What follows from measured times, on times that are given."""

import pytest

import methods
from bench.cost.plan_cost import plan_macs
from bench.measure.timing import speed
from bench.measure.timing.contenders import Contender
from bench.schema.warnings import OTHER, code_of
from bench.show.warning_text import SAYINGS
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


def test_a_quiet_run_has_no_warning():
    assert speed.warnings(timing(), CEILINGS, others=0) == []
    assert speed.warnings(timing(interfered_rounds=2), CEILINGS | {"gemm_after": 1.04e9}, others=0) == []


@pytest.mark.parametrize(
    ("change", "ceilings", "others", "expected"),
    [
        ({}, {}, 1, "1 other process on the GPU"),
        ({}, {}, 2, "2 other processes on the GPU"),
        ({"throttled_rounds": 1}, {}, 0, "throttled in 1 of 20 rounds"),
        ({"interfered_rounds": 3}, {}, 0, "interfered in 3 of 20 rounds"),
        ({"warmup_stable": False}, {}, 0, "still changing after 10 rounds"),
        ({}, {"gemm_after": 0.9e9}, 0, "changed by -10 %"),
    ],
)
def test_every_reason_to_distrust_is_one_line(change, ceilings, others, expected):
    (line,) = speed.warnings(timing(**change), CEILINGS | ceilings, others)
    assert expected in line
    assert code_of(line) != OTHER


def test_the_kinds_name_the_limits_that_make_a_warning():
    kinds = " ".join(saying.many for saying in SAYINGS.values())
    assert f"more than {100 * speed.DRIFT:.0f} %" in kinds
    assert "more than a tenth" in kinds
    assert speed.INTERFERED == 0.1
