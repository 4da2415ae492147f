"""Router training: pairs on any sampler, gradients, λ, resume, and the command."""

import json
from pathlib import Path

import pytest
import torch

import methods
import models
from bench.cli import main
from bench.sampling import make_plan
from bench.train.blocks import evaluate
from bench.train.distributed import World
from bench.train.latents import Latents, in_memory
from bench.train.loop import Trainer
from bench.train.router import data
from bench.train.router.interpolation import interpolate, record, straight_through
from bench.train.router.objective import LIMIT, RouterLogits, RouterLoss, RouterRecipe
from bench.train.router.pairs import pairs, reach, signal_and_noise
from bench.train.router.training import train_router
from methods.routing.file import read_router
from models import InputError
from models.dit import DiT
from models.uvit import UViT

SAMPLERS = [
    ("ddim", {"steps": 6}),
    ("ddpm", {"steps": 5}),
    ("dpm-solver++", {"steps": 6}),
    ("dpm-solver", {"steps": 6, "order": 3}),
    ("dpm-solver++", {"steps": 8, "variant": "uvit-singlestep"}),
    ("dpm-solver", {"steps": 9, "variant": "singlestep", "order": 3}),
]


def dit() -> DiT:
    torch.manual_seed(0)
    model = DiT(2, 1, 2, 16, depth=2, num_heads=2, num_classes=3).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def uvit() -> UViT:
    torch.manual_seed(0)
    return UViT(2, 1, 2, 16, 2, 2, num_classes=4, conv=False).eval().requires_grad_(False)


def latents(n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 2, 2, 2, generator=generator), torch.arange(n) % 3


def digits() -> Latents:
    return in_memory(*latents(), "noise")


@pytest.mark.parametrize("build_model", [dit, uvit])
def test_pieces_are_the_denoiser(build_model) -> None:
    model, (x, y) = build_model(), latents()
    t = torch.linspace(1, 999, len(x))
    out, kept = record(model, x, t, y)
    assert torch.equal(out, model(x, t, y))
    assert torch.equal(evaluate(model, x, t, y, model.branch), out)
    other, _ = record(model, 0.5 * x, t, y)
    torch.testing.assert_close(interpolate(model, 0.5 * x, t, y, kept, torch.ones(model.num_branches)), other)
    reused = evaluate(model, 0.5 * x, t, y, lambda index, h, c: kept[index])
    torch.testing.assert_close(interpolate(model, 0.5 * x, t, y, kept, torch.zeros(model.num_branches)), reused)


@pytest.mark.parametrize("build_model", [dit, uvit])
@pytest.mark.parametrize(("name", "settings"), SAMPLERS)
def test_pairs_are_the_cached_evaluations(build_model, name: str, settings: dict) -> None:
    model, sampler = build_model(), methods.build(name, **settings)
    cache = methods.build("l2c", **methods.find("l2c").tiny_params(model, sampler))
    computed = make_plan(model, sampler, cache).computed
    found = pairs(model, sampler)
    assert {p.cached for p in found} == set((~computed.all(axis=1)).nonzero()[0].tolist())
    assert all(computed[p.cached - 1].all() and p.start < p.cached for p in found)


@pytest.mark.parametrize(("name", "settings"), SAMPLERS)
def test_reach_follows_the_exact_trajectory(name: str, settings: dict) -> None:
    """A denoiser that always knows the clean latents lands where x = α x_0 + σ ε says, whatever the sampler."""
    model, sampler = uvit(), methods.build(name, **settings)
    clean, labels = latents()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))
    evaluations = sampler.evaluations(model.noise_schedule)
    for pair in pairs(model, sampler):
        x, kept = reach(Knowing(model, clean), sampler, pair, clean, noise, labels, torch.Generator().manual_seed(3))
        alpha, sigma = signal_and_noise(model.noise_schedule, evaluations[pair.cached].timestep)
        assert len(kept) == model.num_branches
        if name == "ddpm":
            assert ((x - alpha * clean) / sigma).std() == pytest.approx(1, abs=0.3)
        else:
            torch.testing.assert_close(x, alpha * clean + sigma * noise, rtol=0, atol=0.02)  # the solvers' clipped grid


class Knowing:
    """A denoiser's structure with the exact noise as its output."""

    def __init__(self, model: UViT, clean: torch.Tensor) -> None:
        self.model, self.clean = model, clean
        self.x = self.t = None

    def __getattr__(self, name: str):
        return getattr(self.model, name)

    def embed(self, x, t, y):
        self.x, self.t = x, float(t[0])
        return self.model.embed(x, t, y)

    def unembed(self, h, c):
        alpha, sigma = signal_and_noise(self.model.noise_schedule, self.t)
        return (self.x - alpha * self.clean) / sigma

    def __call__(self, x, t, y):
        self.x, self.t = x, float(t[0])
        return self.unembed(None, None)


def test_straight_through() -> None:
    scores = torch.tensor([0.2, 0.7], requires_grad=True)
    weights = straight_through(scores, 0.5)
    torch.testing.assert_close(weights.detach(), torch.tensor([0.0, 1.0]))
    (weights * torch.tensor([3.0, 5.0])).sum().backward()
    assert scores.grad.tolist() == [3.0, 5.0]
    assert straight_through(scores, None) is scores


def trained(tmp_path: Path, l1: float, steps: int = 60) -> dict:
    recipe = RouterRecipe(steps=steps, batch=4, learning_rate=0.5, l1=l1)
    return train_router(dit(), methods.build("ddim", steps=4), digits(), recipe, tmp_path / f"{l1}.safetensors")


def test_lambda_decides_how_much_is_reused(tmp_path: Path) -> None:
    free, dear = trained(tmp_path, 0.0), trained(tmp_path, 100.0)
    assert free["removed"] < dear["removed"] == 1.0
    router = read_router(tmp_path / "100.0.safetensors")
    assert router.scores.shape == (4, 4)
    assert router.scores[[1, 3]].isnan().all()
    assert router.scores[[0, 2]].min() == pytest.approx(torch.tensor(-LIMIT).sigmoid().item())
    assert router.card == json.loads(json.dumps(dear))
    assert dear["images"] == 240
    assert sum(dear["kept"].values()) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "0.0.json",
        "0.0.safetensors",
        "100.0.json",
        "100.0.safetensors",
    ]
    cache = methods.build("l2c", router=tmp_path / "100.0.safetensors")
    assert make_plan(dit(), methods.build("ddim", steps=4), cache).computed.any(axis=1).tolist() == [True, False] * 2


def test_only_the_visited_row_moves() -> None:
    model = dit()
    loss = RouterLoss(model, methods.build("ddim", steps=8), digits(), RouterRecipe(batch=4, l1=1.0))
    logits = RouterLogits(loss.pairs, model.num_branches, seed=0)
    loss.choose(logits, torch.Generator().manual_seed(0))
    loss(logits, torch.Generator().manual_seed(0)).backward()
    assert [row.grad is not None for row in logits.rows].count(True) == 1
    assert all(p.grad is None for p in model.parameters())


def test_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, 0.01)
    whole = read_router(tmp_path / "0.01.safetensors")
    (tmp_path / "0.01.safetensors").unlink()
    step = Trainer._step

    def interrupted(self: Trainer) -> float:
        if self.progress.step == 30:
            self.save()
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, 0.01)
    monkeypatch.undo()
    with pytest.raises(InputError, match="another recipe"):
        trained(tmp_path, 0.01, steps=70)
    trained(tmp_path, 0.01)
    assert torch.equal(read_router(tmp_path / "0.01.safetensors").scores[[0, 2]], whole.scores[[0, 2]])


def test_nothing_to_cache_or_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to decide"):
        train_router(dit(), methods.build("ddim", steps=1), digits(), RouterRecipe(), tmp_path / "r.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the directory"):
        train_router(
            dit(),
            methods.build("ddim", steps=2),
            digits(),
            RouterRecipe(steps=1),
            tmp_path / "file" / "r.safetensors",
        )


TINY = [
    "--weights",
    "random",
    "--steps",
    "4",
    "--data",
    "generated",
    "--samples",
    "2",
    "--iterations",
    "2",
    "--batch",
    "2",
]


@pytest.mark.parametrize(
    ("model", "sampler"), [("dit-mnist", ["ddim"]), ("uvit-mnist", ["dpm-solver++", "--variant", "uvit-singlestep"])]
)
def test_command(model: str, sampler: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "router.safetensors"
    assert main(["train-router", model, "--sampler", *sampler, "--l1", "1e-3", *TINY, "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(str(out))
    assert "ETA" in captured.err
    card = read_router(out).card
    assert (card["model"], card["l1"], card["images"], card["recipe"]["data"]) == (model, 1e-3, 4, "generated")
    assert json.loads(out.with_suffix(".json").read_text()) == card


def test_routers_of_other_intervals_lie_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.routing.shipped.ROUTERS", tmp_path)
    assert main(["train-router", "dit-mnist", "--l1", "1e-3", "--interval", "3", *TINY]) == 0
    (written,) = tmp_path.glob("dit-mnist/interval-3/*.safetensors")
    card = read_router(written).card
    assert card["method"] == "l2c with interval 3"
    assert set(card["kept"]) == {"0", "1"}  # of four evaluations the first and the second are full
    assert card["recipe"]["interval"] == 3


def test_a_shipped_router_is_replaced_only_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("methods.routing.shipped.ROUTERS", tmp_path / "package")
    command = ["train-router", "dit-mnist", "--l1", "1e-3", *TINY]
    assert main(command) == 0
    (written,) = tmp_path.glob("package/dit-mnist/*.safetensors")
    before = written.read_bytes()
    capsys.readouterr()
    assert main([*command, "--seed", "1"]) == 2
    error = capsys.readouterr().err
    assert f"{written}: exists" in error
    assert "--force" in error
    assert error.count("\n") == 1
    assert written.read_bytes() == before
    assert main([*command, "--seed", "1", "--force"]) == 0
    assert written.read_bytes() != before
    assert main([*command, "--out", str(tmp_path / "mine.safetensors")]) == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["dit-mnst", "--l1", "1"], "dit-mnist"),
        (["dit-mnist"], "--l1"),
        (["dit-mnist", "--l1", "1", "--method", "harmonca"], "did you mean 'harmonica'"),
        (["dit-mnist", "--l1", "-1"], "--l1"),
        (["dit-mnist", "--l1", "nan"], "--l1"),
        (["dit-mnist", "--l1", "1", "--sampler", "fora"], "cache method"),
        (["dit-mnist", "--l1", "1", "--steps", "x"], "steps"),
        (["dit-mnist", "--l1", "1", "--set", "eta"], "KEY=VALUE"),
        (["dit-mnist", "--l1", "1", "--variant", "multistep"], "variant"),
        (["dit-mnist", "--l1", "1", "--iterations", "0"], "--iterations"),
        (["dit-mnist", "--l1", "1", "--threshold", "2"], "--threshold"),
        (["dit-mnist", "--l1", "1", "--interval", "1"], "--interval"),
        (["dit-mnist", "--l1", "1", "--interval", "3", "--method", "harmonica"], "--interval is for l2c"),
    ],
)
def test_bad_usage(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-router", *arguments]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


def test_digits_are_for_models_of_digits() -> None:
    assert data.default_kind(models.spec("dit-xl-2")) == "generated"
    with pytest.raises(InputError, match="--data generated"):
        data.open_kind("digits", models.spec("dit-xl-2"), dit(), 1, 0, World())


class Half(World):
    """One of two processes, which hears from the other what it made."""

    made: list[torch.Tensor] = []

    def gather(self, own: torch.Tensor) -> list[torch.Tensor]:
        self.made.append(own)
        return self.made[-2:] if self.rank else [own, torch.zeros(200, *own.shape[1:])]


def test_two_processes_generate_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BATCH", 2)
    spec, model = models.spec("dit-mnist"), models.build("dit-mnist", weights="random")
    whole, labels = data.generated(spec, model, 7, 0, World())
    for rank in range(2):
        halves, again = data.generated(spec, model, 7, 0, Half(rank=rank, size=2))
    assert torch.equal(halves, whole)
    assert torch.equal(again, labels)
