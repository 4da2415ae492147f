"""`ditbench train-router`: train a router of L2C or HarmoniCa, or LazyDiT's gates, for a model and a sampler."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import methods
import models
from bench.cli.method_words import key_values, typed
from bench.cli.options import add_scale_options, check_scale_options, expect_positive, expect_seed
from bench.host.files import expect_writable
from bench.train.denoiser import Data
from bench.train.distributed import World, join
from bench.train.router import data
from bench.train.router.harmonica import HarmonicaRecipe, train_harmonica
from bench.train.router.lazydit import LazyRecipe, train_lazydit
from bench.train.router.pairs import pairs
from bench.train.router.training import RouterRecipe, Scale, train_router
from bench.train.shipped import expect_not_shipped
from methods.method import Sampler
from methods.routing import shipped
from models.denoiser import Denoiser
from models.errors import InputError, expect_one_of
from models.folders import digest
from models.official import weights_file

HELP = "train a router for the cache method l2c or harmonica, or gates for lazydit"
R = TypeVar("R", RouterRecipe, LazyRecipe, HarmonicaRecipe)
SAMPLES = 1000
PER_PAIR, MIN_STEPS = 40, 400  # iterations; fewer leave the logits undecided


def arguments(parser: argparse.ArgumentParser) -> None:
    recipe = RouterRecipe()
    parser.add_argument("model", metavar="MODEL", help="a model's name")
    parser.add_argument("--method", default="l2c", help="for which: l2c (default), harmonica or lazydit")
    parser.add_argument("--sampler", default="ddim", help="the sampler that the router is for (default: ddim)")
    parser.add_argument("--steps", default="50", help="its steps (default: 50)")
    parser.add_argument("--variant", help="its variant, for the DPM-Solvers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="another parameter of the sampler"
    )
    parser.add_argument(
        "--l1", type=float, required=True, metavar="λ", help="weight of the scores: larger removes more"
    )
    parser.add_argument("--data", metavar="KIND", help="digits, generated, or a path of images or encoded latents")
    parser.add_argument("--samples", type=int, help=f"how many to generate (default: {SAMPLES})")
    parser.add_argument(
        "--iterations",
        type=int,
        help=f"default: {PER_PAIR} a cached evaluation, at least {MIN_STEPS}; trajectories of harmonica: "
        f"{HarmonicaRecipe.steps}; of lazydit: {LazyRecipe.steps}",
    )
    parser.add_argument("--batch", type=int, default=recipe.batch, help=f"default: {recipe.batch}")
    parser.add_argument("--lr", type=float, help=f"default: {recipe.learning_rate:g}; of harmonica: "
                        f"{HarmonicaRecipe.learning_rate:g}, of lazydit: {LazyRecipe.learning_rate:g}")  # fmt: skip
    parser.add_argument("--threshold", type=float, help="train with decisions at this score, straight through")
    parser.add_argument(
        "--interval", type=int, metavar="N", help="one evaluation in N is full, the others are decided (default: 2)"
    )
    parser.add_argument("--seed", type=int, default=recipe.seed, help=f"default: {recipe.seed}")
    parser.add_argument("--weights", metavar="FILE", help="official, random, or a file, if not the shipped ones")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: among the shipped routers of the package")
    parser.add_argument("--force", action="store_true", help="replace a router that came with the package")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="PNG or SVG of scores and loss, at every checkpoint")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]; under torchrun each its own")
    add_scale_options(parser)


@dataclass(frozen=True)
class Subject:
    """What is cached: the frozen denoiser, the SHA-256 of its weights, and the sampler."""

    denoiser: Denoiser
    sampler: Sampler
    weights: str


def run(args: argparse.Namespace) -> int:
    check(args)
    spec = models.spec(args.model)
    sampler = build_sampler(args)
    place = shipped.ROUTERS / shipped.shelf(args.model, args.method, args.interval or 2)
    out = place / shipped.file_name(sampler, args.l1) if args.out is None else args.out
    expect_not_shipped(out, shipped.ROUTERS, args.force)
    for path in [out] + ([args.plot] if args.plot else []):
        expect_writable(path)
    with join(args.device) as world:
        weights = world.in_turn(lambda: weights_file(spec, args.weights) or "random")
        denoiser = models.build(args.model, weights=weights, device=world.device)
        subject = Subject(denoiser, sampler, "" if weights == "random" else digest(Path(weights)))
        card = TRAININGS[args.method](args, subject, out, world)
    if world.leads:
        print(f"{out}: {card['removed']:.1%} of the cached evaluations' branches reused, {card['seconds']:.0f} s")
    return 0


def train_l2c(args: argparse.Namespace, subject: Subject, out: Path, world: World) -> dict[str, Any]:
    """Train a router on latents, pair by pair."""
    interval = args.interval or 2
    steps = max(MIN_STEPS, PER_PAIR * len(pairs(subject.denoiser, subject.sampler, interval)))
    start = RouterRecipe(interval=interval, steps=steps, threshold=args.threshold)
    recipe, latents = on_latents(args, subject, start, world)
    return train_router(subject.denoiser, subject.sampler, latents, recipe, out, scale(args, world))


def train_gates(args: argparse.Namespace, subject: Subject, out: Path, world: World) -> dict[str, Any]:
    """Train LazyDiT's gates on latents, evaluation by evaluation."""
    recipe, latents = on_latents(args, subject, LazyRecipe(), world)
    return train_lazydit(subject.denoiser, subject.sampler, latents, recipe, out, scale(args, world))


def train_along(args: argparse.Namespace, subject: Subject, out: Path, world: World) -> dict[str, Any]:
    """Train a router along whole trajectories, as HarmoniCa does."""
    spec, recipe = models.spec(args.model), stated(args, subject, HarmonicaRecipe())
    recipe.guidance_scale = spec.guidance_scale if subject.denoiser.can_be_guided else 1.0
    recipe.guidance_channels = spec.guidance_channels
    recipe.divide(world.size, 1)
    if world.leads:
        print("trained on noise alone; an interrupted run resumes with the same command", file=sys.stderr)
    return train_harmonica(subject.denoiser, subject.sampler, recipe, out, scale(args, world))


def on_latents(args: argparse.Namespace, subject: Subject, recipe: R, world: World) -> tuple[R, Data]:
    """The recipe with what the options say, and the latents that they name."""
    spec, recipe = models.spec(args.model), stated(args, subject, recipe)
    recipe.data = data.default_kind(spec) if args.data is None else args.data
    data.expect_kind(recipe.data)
    if not subject.denoiser.can_be_guided:
        recipe.label_dropout = 0.0
    recipe.divide(world.size, args.accumulate)
    if world.leads:
        print(f"training data: {recipe.data}; an interrupted run resumes with the same command", file=sys.stderr)
    samples = args.samples or SAMPLES
    latents = data.open_kind(recipe.data, spec, subject.denoiser, samples, args.seed, world, args.workers)
    recipe.data = latents.name
    return recipe, latents


def stated(args: argparse.Namespace, subject: Subject, recipe: R) -> R:
    """A recipe of defaults with what every method takes from the options."""
    recipe.steps = args.iterations or recipe.steps
    recipe.learning_rate = recipe.learning_rate if args.lr is None else args.lr
    recipe.batch, recipe.seed, recipe.l1 = args.batch, args.seed, args.l1
    recipe.dtype = args.dtype or "float32"
    recipe.model, recipe.weights = args.model, subject.weights
    recipe.sampler = f"{subject.sampler.name} {subject.sampler.params}"
    return recipe


# What each method's files are trained by, and which options are not for it, with the reason.
TRAININGS: dict[str, Callable[[argparse.Namespace, Subject, Path, World], dict[str, Any]]] = {
    "l2c": train_l2c,
    "harmonica": train_along,
    "lazydit": train_gates,
}
ON_NOISE = ("data", "samples", "threshold", "interval", "plot", "checkpointing", "dtype", "accumulate")
UNUSED = {
    "harmonica": (ON_NOISE, "harmonica is trained along whole trajectories"),
    "lazydit": (("threshold", "interval", "plot", "checkpointing"), "lazydit learns gates of each image's own"),
}


def scale(args: argparse.Namespace, world: World) -> Scale:
    return Scale(world, args.checkpointing, args.save_every, args.plot)


def build_sampler(args: argparse.Namespace) -> Sampler:
    """Raises InputError where the method is no sampler or its parameters are wrong."""
    method = methods.find(args.sampler)
    if method.kind != "sampler":
        known = ", ".join(methods.names("sampler"))
        raise InputError(f"train-router: '{args.sampler}' is a cache method, expected one of: {known}")
    given = {"steps": args.steps} | ({} if args.variant is None else {"variant": args.variant})
    given |= key_values("train-router", "--set KEY=VALUE", args.set)
    sampler: Any = methods.build(args.sampler, **typed(args.sampler, given))
    return sampler


def check(args: argparse.Namespace) -> None:
    expect_one_of("--method", args.method, TRAININGS)
    check_scale_options("train-router", args)
    expect_positive("train-router", args, "samples", "iterations", "batch")
    expect_seed("train-router", args.seed)
    if args.plot is not None:
        expect_one_of("suffix of --plot", args.plot.suffix, (".png", ".svg"))
    unused, reason = UNUSED.get(args.method, ((), ""))
    given = [name for name in unused if getattr(args, name) and (name, getattr(args, name)) != ("accumulate", 1)]
    if given:
        takers = " and ".join(method for method in TRAININGS if given[0] not in UNUSED.get(method, ((), ""))[0])
        raise InputError(f"train-router: --{given[0]} is for {takers}; {reason}")
    if args.interval is not None and not 2 <= args.interval <= 1000:
        raise InputError(f"train-router: --interval must lie in [2, 1000], got {args.interval}")
    for name, high in (("l1", float("inf")), ("lr", 100.0)):
        if getattr(args, name) is not None and not 0 <= getattr(args, name) < high:
            raise InputError(f"train-router: --{name} must be a finite number of at least 0, got {getattr(args, name)}")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise InputError(f"train-router: --threshold must lie in [0, 1], got {args.threshold}")
