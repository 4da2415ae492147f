"""L2C's published routers by name, and schedules in SmoothCache's layout."""

import json

import pytest
import torch
from file_server import Files, serving
from golden_vectors import find, load, requires
from safetensors.torch import load_file
from tiny_suite import ditbench

import methods
import models
from bench.sampling import make_plan
from methods import schedule
from methods.routing import official
from methods.routing.official import PUBLISHED, find_official
from models import fetch as fetching
from models.errors import InputError
from models.spec import build_empty

KEPT = {
    "DDIM50_router": (736, 1400),
    "DDIM20_router": (312, 560),
    "dpm50_router": (88, 1392),
    "dpm20_router": (189, 522),
}


def sampler_of(router):
    return methods.build(router.sampler, **router.params)


def named(name):
    model = build_empty(models.spec(name))
    model.name = name
    return model


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The authors' repository, with files of random logits of the published shapes."""
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    content = {}
    for router in PUBLISHED:
        branches = build_empty(models.spec(router.model)).num_branches
        logits = torch.randn(router.params["steps"], branches, generator=torch.Generator().manual_seed(1)) * 3
        content[f"/{router.path}"] = official_file(router, logits, tmp_path)
    with serving(Files(content)) as files:
        monkeypatch.setattr(official, "BASE", files.url)
        yield files


def official_file(router, logits, folder):
    layout = {f"{i}.prob": row.clone() for i, row in enumerate(logits)}
    torch.save({"routers": layout} if router.path.startswith("DiT") else layout, folder / "router")
    return (folder / "router").read_bytes()


@pytest.mark.parametrize("router", PUBLISHED, ids=lambda router: router.path)
def test_official_routers_are_fetched_for_their_model_and_sampler(router, served):
    cache, sampler, model = methods.build("l2c", router="official"), sampler_of(router), named(router.model)
    plan = make_plan(model, sampler, cache)
    assert plan.notes["threshold"] == router.threshold
    (path,) = cache.files(router.model, sampler)
    by_path = make_plan(model, sampler, methods.build("l2c", router=str(path), threshold=router.threshold))
    assert (plan.computed == by_path.computed).all()
    assert not plan.computed.all()
    assert [path for path, _ in served.requests] == [f"/{router.path}"]
    other = make_plan(model, sampler, methods.build("l2c", router="official", threshold=0.99))
    assert other.computed.sum() < plan.computed.sum()


@requires("official_routers/official_routers")
@pytest.mark.parametrize("router", PUBLISHED, ids=lambda router: router.path)
def test_official_routers_keep_what_was_published(router, served, tmp_path):
    name = router.path.rsplit("/", 1)[-1].split(".")[0]
    path = find("official_routers/official_routers")
    logits = load_file(path.with_suffix(".safetensors"))[f"{name}.logits"]
    served.content[f"/{router.path}"] = official_file(router, logits, tmp_path)
    assert load("official_routers/official_routers")[1]["checkpoints"][name]["thres"] == router.threshold
    computed = make_plan(named(router.model), sampler_of(router), methods.build("l2c", router="official")).computed
    kept, cached = KEPT[name]
    assert computed.sum() == computed.size - cached + kept


@requires("official_routers/official_routers")
def test_the_ddim_50_router_is_smoothcaches_published_l2c_schedule(served, tmp_path):
    """2136 of 2800, and these rows of `smoothcache_schedules/50-N-2-l2c.json` in Roblox/SmoothCache f1a6c9f."""
    path = find("official_routers/official_routers")
    logits = load_file(path.with_suffix(".safetensors"))["DDIM50_router.logits"]
    served.content[f"/{PUBLISHED[0].path}"] = official_file(PUBLISHED[0], logits, tmp_path)
    plan = make_plan(named("dit-xl-2"), sampler_of(PUBLISHED[0]), methods.build("l2c", router="official"))
    lists = schedule.lists(plan)
    assert sum(map(sum, lists.values())) == 2136
    reused = {
        "attn-0": list(range(1, 32, 2)),
        "attn-2": [1, 3, 5, 7, 11, 13, 15, 17, 19],
        "mlp-1": [1, 3, 5, 7, 9, 11, 13, 17, 19],
        "attn-1": [*range(1, 40, 2), 43, 45],
        "attn-27": [1, 3, 5, 7, 11],
        "mlp-27": [1, 5, 7, 9, 13, 21],
    }
    for name, evaluations in reused.items():
        assert [k for k, value in enumerate(lists[name]) if not value] == evaluations, name
    assert len(json.dumps(lists)) == 9080  # the published file's size, which its layout decides


def test_there_are_four_and_the_others_are_named(served, tmp_path):
    message = "l2c: no official router for dit-xl-2 with ddim steps=30; there are: dit-xl-2 with ddim steps=50; "
    with pytest.raises(InputError, match=message):
        make_plan(named("dit-xl-2"), methods.build("ddim", steps=30), methods.build("l2c", router="official"))
    for model, sampler in (
        ("dit-l-2", methods.build("ddim", steps=50)),
        ("dit-xl-2", methods.build("ddim", steps=50, eta=1.0)),
        ("uvit-h-2", methods.build("dpm-solver++", steps=50)),
    ):
        with pytest.raises(InputError, match=f"no official router for {model} with"):
            find_official(model, sampler)
        assert methods.build("l2c", router="official").files(model, sampler) == []
    assert served.requests == []
    served.content.clear()
    with pytest.raises(InputError, match=r"DDIM50_router\.pt: HTTP 404"):
        make_plan(named("dit-xl-2"), methods.build("ddim", steps=50), methods.build("l2c", router="official"))


def test_a_process_asks_once_for_what_is_not_there_and_takes_it_when_it_is(served, tmp_path):
    router = PUBLISHED[0]
    content = served.content.pop(f"/{router.path}")
    for _ in range(3):
        assert methods.build("l2c", router="official").files(router.model, sampler_of(router)) == []
    with pytest.raises(InputError, match="HTTP 404"):
        router.file()
    assert len(served.requests) == 1
    (tmp_path / "cache" / "l2c-DDIM50_router.pt").write_bytes(content)  # by hand
    assert router.file().read_bytes() == content
    assert len(served.requests) == 1


def test_a_plan_makes_the_round_trip_through_a_schedule_file(tmp_path):
    model, sampler = named("dit-mnist"), methods.build("ddim", steps=20)
    plan = make_plan(model, sampler, methods.build("l2c", l1=1e-4))
    done = ditbench("plan", "l2c", "l1=1e-4", "steps=20", "--smoothcache", tmp_path / "s.json")
    assert done.returncode == 0, done.stderr
    again = make_plan(model, sampler, methods.build("schedule", file=str(tmp_path / "s.json")))
    assert (again.computed == plan.computed).all()
    by_kind = {"attn1": [1, 0, 1], "ff": [1, 1, 0]}
    short = make_plan(model, methods.build("ddim", steps=3), methods.build("schedule", file=by_kind))
    assert short.computed[:, 0::2].all(axis=1).tolist() == [True, False, True]
    assert short.computed[:, 1::2].any(axis=1).tolist() == [True, True, False]
    partial = {"mlp-3": [1, 1, 0], "mlp": [1, 0, 1]}  # attention is not named, block 3 twice
    short = make_plan(model, methods.build("ddim", steps=3), methods.build("schedule", file=partial))
    assert short.computed[:, 0::2].all()
    assert short.computed[:, 7].tolist() == [True, True, False]
    assert short.computed[:, 1].tolist() == [True, False, True]
    with pytest.raises(InputError, match="only plans that reuse branch outputs"):
        schedule.lists(make_plan(model, sampler, methods.build("deepcache", interval=2)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "expected a JSON object of lists"),
        ("{", "not a JSON file"),
        ('{"attn": [1, 0], "mlp": [1, 0]}', "'attn' must be a list of 3 zeros and ones"),
        ('{"attn": [1, 0, 2], "mlp": [1, 0, 1]}', "'attn' must be a list of 3 zeros and ones"),
        (
            '{"attn": [0, 1, 1], "mlp": [1, 0, 1]}',
            "'attn' begins with 0, but the first evaluation has",
        ),
        ('{"attn": [1, 0, 1], "attn1": [1, 0, 1]}', "'attn' and 'attn1' name the same branch"),
        ('{"mlp-3": [1, 0, 1], "ff-3": [1, 0, 1]}', "'mlp-3' and 'ff-3' name the same branch"),
        ('{"attn-12": [1, 0, 1]}', "unexpected entry 'attn-12', expected attn-0, mlp-0, … mlp-11"),
    ],
)
def test_a_schedule_that_does_not_fit_is_one_line(content, message, tmp_path):
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"s.json: .*{message}"):
        make_plan(named("dit-mnist"), methods.build("ddim", steps=3), methods.build("schedule", file=str(path)))
