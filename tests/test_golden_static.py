"""Methods whose plan is known before sampling, against recorded runs of their published implementations."""

import golden_field as field
import numpy as np
import pytest

import methods
from bench.sampling import make_plan, sample
from bench.sampling.executor import Kept
from methods.magcache import MagCache, nearest
from methods.plan import Plan
from methods.smoothcache import SmoothCache, skip_runs


def plan_of(name: str, run: dict, cache) -> Plan:
    return make_plan(field.model(name), methods.build(run.get("sampler", "ddim"), steps=run["steps"]), cache)


def computed_calls(plan: Plan) -> dict[str, list[int]]:
    names = [f"{kind}-{block}" for block in range(plan.branches // 2) for kind in ("attn", "mlp")]
    return {name: np.flatnonzero(column).tolist() for name, column in zip(names, plan.computed.T, strict=True)}


def check(name: str, run: dict, cache, full: list[int] | None = None) -> None:
    """Where given, the evaluations that compute everything; and the samples, in both paths."""
    if full is not None:
        assert np.flatnonzero(plan_of(name, run, cache).computed.all(axis=1)).tolist() == full
    assert field.replay(name, run, cache, path="plain") < field.TOLERANCE
    assert field.replay(name, run, cache, path="compiled") < field.TOLERANCE


@pytest.mark.parametrize(("name", "run"), field.runs("taylorseer_dit"))
def test_taylorseer(name, run):
    settings = run["settings"]
    cache = methods.build("taylorseer", interval=settings["interval"], order=settings["max_order"])
    check(name, run, cache, [run["steps"] - 1 - step for step in run["full_steps"]])


@pytest.mark.parametrize(("name", "run"), field.runs("diffusers_hooks_dit", method="taylorseer"))
def test_taylorseer_as_diffusers_hook(name, run):
    settings = run["settings"]
    cache = methods.build(
        "taylorseer",
        interval=settings.get("cache_interval", 5),
        order=settings.get("max_order", 1),
        warmup=settings.get("disable_cache_before_step", 3),
        cadence="diffusers",
        cooldown=run["steps"] - settings.get("disable_cache_after_step", run["steps"]),
        branches="both" if "ff" in settings["cache_identifiers"][0] else "attn",
    )
    assert computed_calls(plan_of(name, run, cache)) == run["computed_calls"]
    if "taylor_factors_dtype" in settings:
        check(name, run, cache)
        return
    assert field.replay(name, run, cache) > HALF, "its factors are in bfloat16, ours in the denoiser's dtype"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kept, "after", rounded(Kept.after))
        assert field.replay(name, run, cache) < HALF


HALF = 1e-4  # the set's own gate of factors in bfloat16


def rounded(after):
    """What is kept, in bfloat16, as diffusers keeps it by default."""

    def kept(*given):
        made = after(*given)
        made.tensors = [tensor.bfloat16().to(tensor.dtype) for tensor in made.tensors]
        return made

    return kept


@pytest.mark.parametrize(("name", "run"), field.runs("hicachepp_dit"))
def test_hicache(name, run):
    settings = run["settings"]
    if settings["method"] not in ("hermite", "taylor"):
        pytest.skip("fits a propagator to the outputs: not HiCache")
    cache = methods.build(
        "hicache",
        interval=settings["interval"],
        order=settings["order"],
        sigma=settings["sigma"] if settings["method"] == "hermite" else 0.0,
        warmup=settings["first_enhance"],
        keep="output",
    )
    check(name, run, cache, run["computed_steps_in_order"])


@pytest.mark.parametrize(("name", "run"), field.runs("harmonica_dit"))
def test_harmonica(name, run):
    scores = field.load(name)[0][f"{run['tag']}.logits"].sigmoid()
    cache = methods.build("harmonica", router=scores, threshold=run["threshold"])
    computed = [np.flatnonzero(row).tolist() for row in plan_of(name, run, cache).computed]
    assert computed == [branches for _, _, branches in run["computed_per_step"]]
    check(name, run, cache)


@pytest.mark.parametrize(("name", "run"), field.runs("smoothcache_dit"))
def test_smoothcache_runs_published_and_calibrated_schedules(name, run):
    cache = methods.build("smoothcache", schedule=run["schedule"])
    assert computed_calls(plan_of(name, run, cache)) == run["computed_calls"]
    check(name, run, cache)


@pytest.mark.parametrize("index", range(4))
def test_smoothcache_calibration(index):
    """Errors of every module, their means over blocks, and the schedules that follow for every threshold."""
    T, J = field.load("smoothcache_dit")
    if index >= len(J["calibrations"]):
        pytest.skip("only in the whole set")
    recorded = J["calibrations"][index]
    tag, steps, model = recorded["tag"], recorded["steps"], field.model("smoothcache_dit")
    half = len(T[f"{tag}.x_T"]) // 2
    sampler = methods.build("ddim", steps=steps)
    errors = SmoothCache.calibrator(model, steps)
    sample(
        model,
        sampler,
        Plan(model.num_branches, ((),) * steps, policy=errors),
        noise=T[f"{tag}.x_T"][:half],
        labels=T[f"{tag}.y"][:half],
        guidance_scale=recorded["cfg_scale"],
        guidance_channels=3,
    )
    expected, look = T[f"{tag}.errors"].numpy(), recorded["lookahead"]
    assert np.nanmax(np.abs(errors.mean()[:, :look] - expected)) < 1e-5
    data = errors.result()
    for kind in ("attn", "mlp"):
        for ours, theirs in zip(data[kind], recorded["mean_errors"][kind], strict=False):
            assert np.allclose(ours, theirs, rtol=0, atol=1e-5)
    for threshold, schedule in recorded["schedules_by_threshold"].items():
        made = {kind: skip_runs(data[kind][:look], float(threshold), steps) for kind in ("attn", "mlp")}
        assert made == schedule, threshold
    calibration = {"method": "smoothcache", "sampler": "ddim", "evaluations": steps, "data": data}
    threshold, schedule = list(recorded["schedules_by_threshold"].items())[4]
    cache = methods.build("smoothcache", calibration=calibration, threshold=float(threshold), lookahead=look)
    by_schedule = methods.build("smoothcache", schedule=schedule)
    assert make_plan(model, sampler, cache) == make_plan(model, sampler, by_schedule)


@pytest.mark.parametrize(("name", "run"), field.runs("diffusers_hooks_dit", method="mag"))
def test_magcache(name, run):
    settings = run["settings"]
    cache = methods.build(
        "magcache",
        ratios=run["mag_ratios"],
        threshold=settings["threshold"],
        max_skips=settings["max_skip_steps"],
        retention=settings["retention_ratio"],
    )
    assert np.allclose(nearest(run["mag_ratios"], run["steps"]), run["mag_ratios_used"], rtol=0, atol=1e-9)
    assert computed_calls(plan_of(name, run, cache)) == run["computed_calls"]
    check(name, run, cache)


@pytest.mark.parametrize(("name", "run"), field.runs("diffusers_hooks_dit", method="mag"))
def test_magcache_calibration(name, run):
    if "ratios_from" in run["settings"]:
        pytest.skip("the ratios of another run")
    model, steps = field.model(name), run["steps"]
    magnitudes = MagCache.calibrator(model, steps)
    field.replay(name, run, Plan(model.num_branches, ((),) * steps, policy=magnitudes))
    assert np.allclose(magnitudes.result()["ratios"], run["mag_ratios"], rtol=0, atol=1e-5)
