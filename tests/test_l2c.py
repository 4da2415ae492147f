"""L2C's plans: which evaluations a router decides about, what it reads, and what it refuses."""

import argparse
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import methods
import models
from bench.sampling import make_plan, sample
from methods.routing import shipped
from methods.routing.file import read_router, write_router
from methods.routing.pattern import cached_evaluations
from models import InputError
from models.checkpoint import sha256
from models.dit import DiT
from models.uvit import UViT

SAMPLERS = [
    ("ddim", {"steps": 6}),
    ("ddim", {"steps": 7}),
    ("ddpm", {"steps": 4}),
    ("dpm-solver++", {"steps": 5}),
    ("dpm-solver++", {"steps": 8, "variant": "uvit-singlestep"}),
    ("dpm-solver", {"steps": 9, "variant": "singlestep", "order": 3}),
]


def dit() -> DiT:
    torch.manual_seed(0)
    model = DiT(4, 1, 2, 16, depth=3, num_heads=2, num_classes=3).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))  # adaLN-Zero would make every branch zero
    return model


def uvit() -> UViT:
    torch.manual_seed(0)
    return UViT(4, 1, 2, 16, 2, 2, num_classes=4, conv=False).eval().requires_grad_(False)


def layout(rows: int = 4, branches: int = 6) -> dict[str, torch.Tensor]:
    return {f"{i}.prob": torch.linspace(-3, 3, branches) for i in range(rows)}


@pytest.mark.parametrize("build_model", [dit, uvit])
@pytest.mark.parametrize(("name", "settings"), SAMPLERS)
def test_router_that_keeps_everything_is_exact(build_model, name: str, settings: dict) -> None:
    model, sampler = build_model(), methods.build(name, **settings)
    noise = torch.randn(2, *model.latent_shape)
    inputs = {"noise": noise, "labels": torch.tensor([0, 1]), "guidance_scale": 1.5}
    exact = methods.build("l2c", **methods.find("l2c").exact_params(model, sampler))
    tiny = methods.build("l2c", **methods.find("l2c").tiny_params(model, sampler))
    uncached = sample(model, sampler, **inputs)
    assert make_plan(model, sampler, exact).computed.all()
    assert torch.equal(sample(model, sampler, exact, **inputs), uncached)
    assert not torch.equal(sample(model, sampler, tiny, **inputs), uncached)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("ddim", {"steps": 6}, [1, 3, 5]),
        ("ddim", {"steps": 7}, [2, 4, 6]),
        ("ddim", {"steps": 1}, []),
        ("dpm-solver++", {"steps": 8, "variant": "uvit-singlestep"}, [2, 4, 6]),
        ("dpm-solver", {"steps": 9, "variant": "singlestep", "order": 3}, [3, 6, 8]),
    ],
)
def test_cached_evaluations(name: str, settings: dict, expected: list[int]) -> None:
    evaluations = methods.build(name, **settings).evaluations(dit().noise_schedule)
    assert cached_evaluations(evaluations) == expected


def test_rows_count_down_on_dit_and_up_on_uvit() -> None:
    model, sampler = dit(), methods.build("ddim", steps=6)
    scores = torch.zeros(6, model.num_branches)
    scores[4] = 1  # the row of evaluation 1 on DiT
    computed = make_plan(model, sampler, methods.build("l2c", router=scores)).computed
    assert computed.all(axis=1).tolist() == [True, True, True, False, True, False]
    other = uvit()
    scores = torch.zeros(6, other.num_branches)
    scores[5] = 1  # the row of evaluation 5 on U-ViT
    computed = make_plan(other, sampler, methods.build("l2c", router=scores)).computed
    assert computed.all(axis=1).tolist() == [True, False, True, False, True, True]


def test_threshold_is_strict_and_the_files_own_is_the_default(tmp_path: Path) -> None:
    model, sampler = dit(), methods.build("ddim", steps=2)
    scores = torch.full((2, 6), 0.5)
    assert not make_plan(model, sampler, methods.build("l2c", router=scores, threshold=0.5)).computed[1].any()
    assert make_plan(model, sampler, methods.build("l2c", router=scores, threshold=0.4999)).computed.all()
    card = {"rows": 2, "threshold": 0.6, "seconds": 3.0, "images": 7, "l1": 0.1}
    write_router(tmp_path / "r.safetensors", {0: torch.zeros(6)}, card)  # score 0.5
    cache = methods.build("l2c", router=tmp_path / "r.safetensors")
    assert cache.files("", sampler) == [tmp_path / "r.safetensors"]
    assert methods.build("l2c", router=scores).files("", sampler) == []
    plan = make_plan(model, sampler, cache)
    assert not plan.computed[1].any()
    assert cache.training == plan.notes["training"] == {"seconds": 3.0, "images": 7, "l1": 0.1}


def test_the_three_layouts_read_alike(tmp_path: Path) -> None:
    rows = layout()
    torch.save({"routers": rows, "args": argparse.Namespace(l1=1e-6, steps=4)}, tmp_path / "dit.pt")
    torch.save(rows, tmp_path / "uvit.pth")
    save_file(rows, tmp_path / "bare.safetensors")
    expected = torch.stack(list(rows.values())).sigmoid()
    for name in ("dit.pt", "uvit.pth", "bare.safetensors"):
        assert torch.equal(read_router(tmp_path / name).scores, expected)


class Malicious:
    """Unpickling it would create the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: {"routers": layout(), "args": m}, lambda m: layout() | {"4.prob": m}]
)
def test_pickled_objects_do_not_execute(wrap, tmp_path: Path) -> None:
    trap, file = tmp_path / "executed", tmp_path / "router.pt"
    torch.save(wrap(Malicious(trap)), file)
    refused(file, "router.pt")
    file.write_bytes(pickle.dumps(wrap(Malicious(trap)), protocol=2))
    refused(file, "router.pt")
    assert not trap.exists()


def refused(router: object, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        methods.build("l2c", router=router)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_and_empty_files(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"router{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(layout(), file)
    content = file.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        refused(file, file.name)
    refused(tmp_path / f"absent{suffix}", "no such")
    refused(tmp_path, "no such")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"2.prob": torch.full((6,), torch.nan)}, "NaN"),
        ({"2.prob": torch.zeros(6, dtype=torch.int64)}, "int64"),
        ({"2.prob": torch.zeros(5)}, "[5]"),
        ({"2.prob": torch.zeros(6, 1)}, "[6, 1]"),
        ({"9999.prob": torch.zeros(6)}, "9999"),
        ({"weight": torch.zeros(6)}, "weight"),
    ],
)
def test_wrong_contents(change: dict, word: str, tmp_path: Path) -> None:
    torch.save(layout() | change, tmp_path / "router.pt")
    refused(tmp_path / "router.pt", "router.pt", word)
    save_file(layout() | change, tmp_path / "router.safetensors")
    refused(tmp_path / "router.safetensors", "router.safetensors", word)


@pytest.mark.parametrize("content", [{}, [1, 2], {"routers": {}}, torch.zeros(3)])
def test_torch_files_of_something_else(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "router.pt")
    refused(tmp_path / "router.pt", "router.pt")


@pytest.mark.parametrize(
    "metadata",
    ["[1]", "{", '{"rows": 2}', '{"rows": "4"}', '{"rows": 100000000}', '{"threshold": "a"}', '{"seconds": -1}'],
)
def test_wrong_descriptions(metadata: str, tmp_path: Path) -> None:
    save_file(layout(), tmp_path / "router.safetensors", metadata={"router": metadata})
    refused(tmp_path / "router.safetensors", "router.safetensors")


@pytest.mark.parametrize(
    "router",
    [
        torch.zeros(6),
        torch.zeros(0, 6),
        torch.zeros(4, 6, dtype=torch.int64),
        torch.full((4, 6), torch.nan),
        torch.full((4, 6), 1.5),
        torch.full((4, 6), -0.1),
        [[0.5] * 6] * 4,
        3,
    ],
)
def test_wrong_tensors(router: object) -> None:
    refused(router, "router")


@pytest.mark.parametrize("params", [{}, {"router": torch.zeros(4, 6), "l1": 0.1}, {"l1": -1.0}, {"l1": "x"}])
def test_wrong_parameters(params: dict) -> None:
    with pytest.raises(InputError):
        methods.build("l2c", **params)


@pytest.mark.parametrize("shape", [(4, 5), (3, 6), (5, 6), (50, 6)])
def test_router_of_another_shape(shape: tuple[int, int]) -> None:
    cache = methods.build("l2c", router=torch.rand(shape))
    with pytest.raises(InputError, match=r"expected \[4, 6\]"):
        make_plan(dit(), methods.build("ddim", steps=4), cache)


def test_untrained_rows(tmp_path: Path) -> None:
    write_router(tmp_path / "r.safetensors", {0: torch.zeros(6)}, {"rows": 4})
    cache = methods.build("l2c", router=tmp_path / "r.safetensors")
    with pytest.raises(InputError, match=r"r\.safetensors: row 2"):
        make_plan(dit(), methods.build("ddim", steps=4), cache)


def test_shipped_routers_by_strength(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "ROUTERS", tmp_path)
    shipped.shipped.cache_clear()
    model, sampler = dit(), methods.build("ddim", steps=4)
    model.name = "toy"
    with pytest.raises(InputError, match="no router is shipped for toy"):
        make_plan(model, sampler, methods.build("l2c", l1=0.1))
    for l1 in (0.1, 0.5):
        card = {"rows": 4, "l1": l1, "sampler": shipped.sampler_settings(sampler), "seconds": 1.0, "images": 5}
        file = tmp_path / "toy" / shipped.file_name(sampler, l1)
        write_router(file, {0: torch.zeros(6), 2: torch.full((6,), -5.0)}, card)
    shipped.shipped.cache_clear()
    cache = methods.build("l2c", l1=0.5)
    assert make_plan(model, sampler, cache).computed.sum(axis=1).tolist() == [6, 0, 6, 6]
    assert cache.training == {"seconds": 1.0, "images": 5, "l1": 0.5}
    assert cache.files("toy", sampler) == [tmp_path / "toy" / shipped.file_name(sampler, 0.5)]
    assert methods.build("l2c", l1=0.2).files("toy", sampler) == []
    with pytest.raises(InputError, match=r"available l1: 0\.1, 0\.5"):
        make_plan(model, sampler, methods.build("l2c", l1=0.2))
    for other in ({"steps": 6}, {"steps": 4, "eta": 0.5}):
        with pytest.raises(InputError, match="no router is shipped"):
            make_plan(model, methods.build("ddim", **other), methods.build("l2c", l1=0.5))
    shipped.shipped.cache_clear()


SHIPPED = [
    ("dit-mnist", "ddim", {"steps": 20}),
    ("dit-mnist", "ddim", {"steps": 50}),
    ("uvit-mnist", "ddim", {"steps": 50}),
    ("uvit-mnist", "dpm-solver++", {"steps": 20, "variant": "uvit-singlestep"}),
]


@pytest.mark.parametrize(("name", "sampler_name", "settings"), SHIPPED)
def test_shipped_routers_form_a_curve(name: str, sampler_name: str, settings: dict) -> None:
    """At least four λ, each with its training's cost, and the larger λ the less is computed."""
    model, sampler = models.build(name, weights="random"), methods.build(sampler_name, **settings)
    strengths = shipped.strengths(name, sampler)
    assert len(strengths) >= 4
    computed = []
    for l1, path in strengths.items():
        cache = methods.build("l2c", l1=l1)
        computed.append(make_plan(model, sampler, cache).computed.mean())
        assert cache.training["seconds"] > 0
        assert path.name == shipped.file_name(sampler, l1)
        assert path.with_suffix(".json").is_file()
        assert read_router(path).card["recipe"]["weights"] == sha256(models.spec(name).weights)
    assert computed == sorted(computed, reverse=True)
    assert computed[0] - computed[-1] > 0.2
