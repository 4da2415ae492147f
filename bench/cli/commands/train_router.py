"""`ditbench train-router`: train a router of L2C or HarmoniCa for a model and a sampler."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import methods
import models
from bench.cli.method_words import typed
from bench.cli.options import add_scale_options, check_scale_options, expect_positive
from bench.host.files import expect_writable
from bench.train.distributed import World, join
from bench.train.recipe import Recipe
from bench.train.router import data
from bench.train.router.harmonica import HarmonicaRecipe, train_harmonica
from bench.train.router.pairs import pairs
from bench.train.router.training import RouterRecipe, Scale, train_router
from bench.train.shipped import expect_not_shipped
from methods.harmonica import SHIPPED
from methods.method import Sampler
from methods.routing.shipped import ROUTERS, file_name, folder
from models.denoiser import Denoiser
from models.errors import InputError, expect_one_of
from models.folders import digest
from models.official import weights_file

HELP = "train a router for the cache method l2c or harmonica"
L2C, HARMONICA = METHODS = ("l2c", "harmonica")
UNUSED = (
    "data",
    "samples",
    "threshold",
    "interval",
    "plot",
    "checkpointing",
    "dtype",
)  # by harmonica, which is trained on noise alone
SAMPLES = 1000
PER_PAIR, MIN_STEPS = 40, 400  # iterations; fewer leave the logits undecided


def arguments(parser: argparse.ArgumentParser) -> None:
    recipe = RouterRecipe()
    parser.add_argument("model", metavar="MODEL", help="a model's name")
    parser.add_argument("--method", default=L2C, help="whose router: l2c (default) or harmonica")
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
        f"{HarmonicaRecipe.steps}",
    )
    parser.add_argument("--batch", type=int, default=recipe.batch, help=f"default: {recipe.batch}")
    parser.add_argument("--lr", type=float, help=f"default: {recipe.learning_rate:g}; of harmonica: "
                        f"{HarmonicaRecipe.learning_rate:g}")  # fmt: skip
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


def run(args: argparse.Namespace) -> int:
    check(args)
    spec = models.spec(args.model)
    sampler = build_sampler(args)
    name = file_name(sampler, args.l1)
    shipped = ROUTERS / folder(args.model, args.interval or 2) / name
    out = args.out or (shipped if args.method == L2C else SHIPPED / f"{args.model}-{name}")
    expect_not_shipped(out, ROUTERS, args.force)
    for path in [out] + ([args.plot] if args.plot else []):
        expect_writable(path)
    with join(args.device) as world:
        weights = world.in_turn(lambda: weights_file(spec, args.weights) or "random")
        denoiser = models.build(args.model, weights=weights, device=world.device)
        train = train_l2c if args.method == L2C else train_along
        card = train(args, denoiser, sampler, "" if weights == "random" else digest(Path(weights)), out, world)
    if world.leads:
        print(f"{out}: {card['removed']:.1%} of the cached evaluations' branches reused, {card['seconds']:.0f} s")
    return 0


def train_l2c(
    args: argparse.Namespace, denoiser: Denoiser, sampler: Sampler, weights: str, out: Path, world: World
) -> dict[str, Any]:
    """Train on latents, pair by pair; returns the router's card. `weights` is the SHA-256 of the denoiser's."""
    spec, interval = models.spec(args.model), args.interval or 2
    cached = len(pairs(denoiser, sampler, interval))
    recipe = RouterRecipe(
        interval=interval,
        steps=args.iterations or max(MIN_STEPS, PER_PAIR * cached),
        threshold=args.threshold,
        data=args.data or data.default_kind(spec),
        **common(args, RouterRecipe(), sampler, weights),
    )
    if not denoiser.can_be_guided:
        recipe.label_dropout = 0.0
    recipe.divide(world.size, args.accumulate)
    if world.leads:
        print(f"training data: {recipe.data}; an interrupted run resumes with the same command", file=sys.stderr)
    latents = data.open_kind(recipe.data, spec, denoiser, args.samples or SAMPLES, args.seed, world, args.workers)
    recipe.data = latents.name
    return train_router(denoiser, sampler, latents, recipe, out, scale(args, world))


def train_along(
    args: argparse.Namespace, denoiser: Denoiser, sampler: Sampler, weights: str, out: Path, world: World
) -> dict[str, Any]:
    """Train along whole trajectories, as HarmoniCa does; returns the router's card."""
    spec = models.spec(args.model)
    recipe = HarmonicaRecipe(
        steps=args.iterations or HarmonicaRecipe.steps,
        guidance_scale=spec.guidance_scale if denoiser.can_be_guided else 1.0,
        guidance_channels=spec.guidance_channels,
        **common(args, HarmonicaRecipe(), sampler, weights),
    )
    recipe.divide(world.size, 1)
    if world.leads:
        print("trained on noise alone; an interrupted run resumes with the same command", file=sys.stderr)
    return train_harmonica(denoiser, sampler, recipe, out, scale(args, world))


def common(args: argparse.Namespace, default: Recipe, sampler: Sampler, weights: str) -> dict[str, Any]:
    """What both recipes take from the options."""
    return {
        "batch": args.batch,
        "dtype": args.dtype or "float32",
        "learning_rate": default.learning_rate if args.lr is None else args.lr,
        "seed": args.seed,
        "l1": args.l1,
        "model": args.model,
        "weights": weights,
        "sampler": f"{sampler.name} {sampler.params}",
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
    for word in args.set:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"train-router: expected --set KEY=VALUE, got '{word}'")
        given[key] = value
    sampler: Any = methods.build(args.sampler, **typed(args.sampler, given))
    return sampler


def check(args: argparse.Namespace) -> None:
    expect_one_of("--method", args.method, METHODS)
    check_scale_options("train-router", args)
    expect_positive("train-router", args, "samples", "iterations", "batch")
    if args.plot is not None:
        expect_one_of("suffix of --plot", args.plot.suffix, (".png", ".svg"))
    if args.method == HARMONICA:
        given = [name for name in UNUSED if getattr(args, name)] + ["accumulate"] * (args.accumulate != 1)
        if given:
            raise InputError(f"train-router: --{given[0]} is for l2c; harmonica is trained along whole trajectories")
    if args.interval is not None and not 2 <= args.interval <= 1000:
        raise InputError(f"train-router: --interval must lie in [2, 1000], got {args.interval}")
    for name, high in (("l1", float("inf")), ("lr", 100.0)):
        if getattr(args, name) is not None and not 0 <= getattr(args, name) < high:
            raise InputError(f"train-router: --{name} must be a finite number of at least 0, got {getattr(args, name)}")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise InputError(f"train-router: --threshold must lie in [0, 1], got {args.threshold}")
