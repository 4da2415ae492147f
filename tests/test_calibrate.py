"""Calibration: measured by the command, read by the method, refused where it does not fit."""

import json
import subprocess
import sys

import pytest

import methods
import models
from bench.cli import main
from bench.sampling import make_plan
from methods import calibration
from models.errors import InputError


def ditbench(*words):
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    for name in ("smoothcache", "magcache", "search"):
        done = ditbench("calibrate", name, "steps=6", "--samples", 3, "--batch", 2, "--out", folder / f"{name}.json")
        assert done.returncode == 0, done.stderr
    return folder


def test_what_was_measured_makes_a_plan_and_its_cost_is_charged(calibrated):
    model, sampler = models.build("dit-mnist"), methods.build("ddim", steps=6)
    cases = [
        methods.build("smoothcache", calibration=str(calibrated / "smoothcache.json"), threshold=0.3),
        methods.build("magcache", ratios=str(calibrated / "magcache.json"), threshold=0.5),
        methods.build("search", calibration=str(calibrated / "search.json"), budget=1.0),
    ]
    for cache in cases:
        plan = make_plan(model, sampler, cache)
        assert 0 < plan.computed.mean() < 1
        assert cache.training["images"] == 3
        assert cache.training["seconds"] > 0
        assert [p.suffix for p in cache.files("dit-mnist", sampler)] == [".json"]


@pytest.mark.parametrize(
    ("model", "sampler", "steps", "said"),
    [
        ("uvit-mnist", "ddim", 6, "made for model 'dit-mnist', expected 'uvit-mnist'"),
        ("dit-mnist", "ddpm", 6, "made for sampler 'ddim', expected 'ddpm'"),
        ("dit-mnist", "ddim", 7, "made for evaluations '6', expected '7'"),
    ],
)
def test_a_calibration_for_something_else_is_one_line(calibrated, model, sampler, steps, said):
    for name, key in (("smoothcache", "calibration"), ("magcache", "ratios")):
        params = {key: str(calibrated / f"{name}.json"), "threshold": 0.1}
        with pytest.raises(InputError, match=f"{name}.json: {said}"):
            make_plan(models.build(model), methods.build(sampler, steps=steps), methods.build(name, **params))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"spacing": "trailing"}, "made for spacing 'even', expected 'trailing'"),
        ({"eta": 1.0}, "made for eta '0.0', expected '1.0'"),
    ],
)
def test_a_calibration_of_other_sampler_settings_is_one_line(calibrated, params, said):
    for name, key in (("smoothcache", "calibration"), ("magcache", "ratios")):
        cache = methods.build(name, **{key: str(calibrated / f"{name}.json"), "threshold": 0.1})
        with pytest.raises(InputError, match=f"{name}.json: {said}"):
            make_plan(models.build("dit-mnist"), methods.build("ddim", steps=6, **params), cache)


def test_a_calibration_at_another_guidance_is_one_line(calibrated):
    content = json.loads((calibrated / "smoothcache.json").read_text()) | {"guidance_scale": 7.0}
    cache = methods.build("smoothcache", calibration=content, threshold=0.1)
    with pytest.raises(InputError, match=r"made for guidance_scale '7\.0', expected '1\.5'"):
        make_plan(models.build("dit-mnist"), methods.build("ddim", steps=6), cache)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not a JSON file"),
        ("[]", "expected a calibration"),
        ('{"method": "magcache", "data": {}}', "is a calibration of 'magcache', expected 'smoothcache'"),
        ('{"method": "smoothcache", "data": {"attn": [[1, 1, NaN, 1, 1]]}}', "'attn' must be lists of 5, 4"),
        ('{"method": "smoothcache", "data": {"attn": [[1]], "mlp": 3}}', "'attn' must be lists of 5, 4"),
        ('{"method": "smoothcache", "data": {}, "params": [1]}', "'params' must be an object"),
        ('{"method": "smoothcache", "data": {}, "seconds": -1}', "'seconds' must be a number from 0 on, got -1"),
        ('{"method": "smoothcache", "data": {}, "images": Infinity}', "'images' must be a number from 0 on, got inf"),
        ('{"method": "smoothcache", "data": {}, "images": "ten"}', "'images' must be a number from 0 on, got 'ten'"),
    ],
)
def test_a_damaged_calibration_is_one_line(tmp_path, content, said):
    path = tmp_path / "c.json"
    path.write_text(content)
    model, sampler = models.build("dit-mnist"), methods.build("ddim", steps=6)
    with pytest.raises(InputError, match=f"c.json: .*{said}"):
        make_plan(model, sampler, methods.build("smoothcache", calibration=str(path), threshold=0.1))


def test_ratios_that_are_not_all_there_are_one_line(calibrated):
    content = json.loads((calibrated / "magcache.json").read_text())
    content["data"]["ratios"].pop()
    with pytest.raises(InputError, match="'ratios' must be a list of 6 numbers"):
        make_plan(models.build("dit-mnist"), methods.build("ddim", steps=6), methods.build("magcache", ratios=content))


@pytest.mark.parametrize(
    ("name", "steps", "said"),
    [
        ("smoothcache", 1, "smoothcache: one evaluation has nothing to reuse, expected at least two"),
        ("teacache", 1, "teacache: 0 changes between evaluations were seen, expected at least 2"),
        ("teacache", 3, "teacache: 1 changes between evaluations were seen, expected at least 2"),
    ],
)
def test_too_few_evaluations_are_one_line(tmp_path, capsys, name, steps, said):
    assert main(["calibrate", name, f"steps={steps}", "--samples", "1", "--out", str(tmp_path / "c.json")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"ditbench: {said}"
    assert not (tmp_path / "c.json").exists()


def test_two_evaluations_are_enough(tmp_path):
    file = tmp_path / "c.json"
    assert main(["calibrate", "smoothcache", "steps=2", "--samples", "1", "--out", str(file)]) == 0
    cache = methods.build("smoothcache", calibration=str(file), threshold=1e6)
    plan = make_plan(models.build("dit-mnist"), methods.build("ddim", steps=2), cache)
    assert plan.computed.all(), "first and last"


def test_what_is_not_calibrated_is_refused(tmp_path):
    done = ditbench("calibrate", "fora", "--out", tmp_path / "c.json")
    assert done.returncode == 2
    assert "'fora' is not calibrated, expected one of: magcache, search, smoothcache" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_says_what_it_was_made_for(calibrated):
    content = json.loads((calibrated / "smoothcache.json").read_text())
    made = ("smoothcache", "dit-mnist", "ddim", 6)
    assert tuple(content[key] for key in ("method", "model", "sampler", "evaluations")) == made
    assert [len(row) for row in content["data"]["attn"]] == [5, 4, 3]


SHIPPED = [(file.parent.name, file.stem) for file in sorted(calibration.SHIPPED.glob("*/*.json"))]
VALUE = {"smoothcache": "calibration", "magcache": "ratios", "teacache": "coefficients", "search": "calibration"}
BOUND = {"search": "budget"}  # what is not called a threshold


@pytest.mark.parametrize(("name", "stem"), SHIPPED)
def test_a_shipped_calibration_is_what_its_name_says(name, stem):
    model_name, steps = stem.removesuffix(f"-{stem.split('-')[-1]}").removesuffix("-ddim"), int(stem.split("-")[-1])
    sampler = methods.build("ddim", steps=steps)
    cache = methods.build(name, **{VALUE[name]: stem, BOUND.get(name, "threshold"): 0.5})
    plan = make_plan(models.build(model_name), sampler, cache)
    assert plan.policy is not None or plan.computed.mean() < 1
    assert cache.training["images"] == 10
    assert [file.stem for file in cache.files(model_name, sampler)] == [stem]
    assert all(file.is_file() for file in cache.files(model_name, sampler))


def test_an_unknown_shipped_calibration_gives_the_nearest():
    with pytest.raises(InputError, match="calibration of smoothcache 'dit-mnst-ddim-50'; did you mean 'dit-mnist-"):
        methods.build("smoothcache", calibration="dit-mnst-ddim-50", threshold=0.1)


def test_every_calibrated_method_ships_one_for_both_small_models():
    names = {name for name in methods.names("cache") if hasattr(methods.find(name), "calibrator")}
    assert {(name, f"{model}-ddim-50") for name in names for model in ("dit-mnist", "uvit-mnist")} <= set(SHIPPED)
