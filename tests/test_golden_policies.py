"""Methods that decide during sampling, against recorded runs of their published implementations."""

import golden_field as field
import numpy as np
import pytest

import methods


def check(name, run, cache):
    """The trace of both paths, which must agree, after the samples of both have been found right."""
    traces = []
    for path in ("plain", "compiled"):
        trace = []
        assert field.replay(name, run, cache, trace, path) < field.TOLERANCE
        traces.append(np.array(trace))
    assert np.array_equal(*traces)
    return traces[0]


def calls(trace):
    """The evaluations at which each branch is computed."""
    names = [f"{kind}-{block}" for block in range(trace.shape[1] // 2) for kind in ("attn", "mlp")]
    return {name: np.flatnonzero(column).tolist() for name, column in zip(names, trace.T, strict=True)}


@pytest.mark.parametrize(("name", "run"), field.runs("diffusers_hooks_dit", method="fbcache"))
def test_first_block_cache(name, run):
    cache = methods.build("first-block-cache", threshold=run["settings"]["threshold"])
    assert calls(check(name, run, cache)) == run["computed_calls"]


@pytest.mark.parametrize(("name", "run"), field.runs("cachedit_dit"))
def test_dbcache(name, run):
    settings = run["settings"]
    cache = methods.build(
        "dbcache",
        front=settings["Fn_compute_blocks"],
        back=settings["Bn_compute_blocks"],
        threshold=settings["residual_diff_threshold"],
        warmup=settings["max_warmup_steps"],
        warmup_interval=settings.get("warmup_interval", 1),
        max_cached=settings.get("max_cached_steps"),
        max_continuous=settings.get("max_continuous_cached_steps"),
        max_accumulated=settings.get("max_accumulated_residual_diff_threshold"),
        order=run["taylorseer_order"] or 0,
        mask=settings.get("steps_computation_mask"),
        mask_policy=settings.get("steps_computation_policy", "dynamic"),
    )
    computed = calls(check(name, run, cache))
    for block, at in run["blocks_computed_at"].items():
        assert computed[f"attn-{block}"] == computed[f"mlp-{block}"] == at


@pytest.mark.parametrize(("name", "run"), field.runs("lazydit_dit"))
def test_lazydit(name, run):
    T, tag = field.load(name)[0], run["tag"]
    cache = methods.build(
        "lazydit",
        weights=T[f"{tag}.lazy_weights"],
        attn_threshold=run["attn_threshold"],
        mlp_threshold=run["mlp_threshold"],
    )
    trace = check(name, run, cache)  # [evaluations, images, branches]
    recorded = T[f"{tag}.computed"].bool().numpy()  # [evaluations, blocks, 2, images]
    assert np.array_equal(trace, recorded.reshape(len(recorded), -1, recorded.shape[-1]).transpose(0, 2, 1))


@pytest.mark.parametrize(("name", "run"), field.runs("speca_dit"))
def test_speca(name, run):
    settings = run["settings"]
    cache = methods.build(
        "speca",
        threshold=settings["base_threshold"],
        decay=settings["decay_rate"],
        min_steps=settings["min_taylor_steps"],
        max_steps=settings["max_taylor_steps"],
        metric=settings["error_metric"],
        order=settings["max_order"],
    )
    trace = check(name, run, cache)
    assert np.flatnonzero(trace.all(axis=1)).tolist() == [run["steps"] - 1 - step for step in run["full_steps"]]
