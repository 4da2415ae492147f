"""`ditbench train-router`: train an L2C router for a model and a sampler."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import methods
import models
from bench.cli.method_words import typed
from bench.cli.options import add_scale_options, check_scale_options, expect_positive
from bench.train.distributed import World, join
from bench.train.router import data
from bench.train.router.pairs import pairs
from bench.train.router.training import RouterRecipe, Scale, train_router
from bench.train.shipped import expect_not_shipped
from methods.method import Sampler
from methods.routing.shipped import ROUTERS, file_name
from models.errors import InputError, expect_one_of
from models.folders import digest
from models.official import weights_file
from models.spec import ModelSpec

HELP = "train a router for the cache method l2c"
PER_PAIR, MIN_STEPS = 40, 400  # iterations; fewer leave the logits undecided


def arguments(parser: argparse.ArgumentParser) -> None:
    recipe = RouterRecipe()
    parser.add_argument("model", metavar="MODEL", help="a model's name")
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
    parser.add_argument("--samples", type=int, default=1000, help="how many to generate (default: 1000)")
    parser.add_argument("--iterations", type=int, help=f"default: {PER_PAIR} a cached evaluation, at least {MIN_STEPS}")
    parser.add_argument("--batch", type=int, default=recipe.batch, help=f"default: {recipe.batch}")
    parser.add_argument("--lr", type=float, default=recipe.learning_rate, help=f"default: {recipe.learning_rate:g}")
    parser.add_argument("--threshold", type=float, help="train with decisions at this score, straight through")
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
    out = args.out or ROUTERS / args.model / file_name(sampler, args.l1)
    expect_not_shipped(out, ROUTERS, args.force)
    with join(args.device) as world:
        weights = world.in_turn(lambda: weights_file(spec, args.weights) or "random")
        denoiser = models.build(args.model, weights=weights, device=world.device)
        recipe = recipe_of(args, spec, sampler, len(pairs(denoiser, sampler)))
        if not denoiser.can_be_guided:
            recipe.label_dropout = 0.0
        recipe.weights = "" if weights == "random" else digest(Path(weights))
        recipe.divide(world.size, args.accumulate)
        if world.leads:
            print(f"training data: {recipe.data}; an interrupted run resumes with the same command", file=sys.stderr)
        latents = data.open_kind(recipe.data, spec, denoiser, args.samples, args.seed, world, args.workers)
        recipe.data = latents.name
        card = train_router(denoiser, sampler, latents, recipe, out, scale(args, world))
    if world.leads:
        print(f"{out}: {card['removed']:.1%} of the cached evaluations' branches reused, {card['seconds']:.0f} s")
    return 0


def recipe_of(args: argparse.Namespace, spec: ModelSpec, sampler: Sampler, cached: int) -> RouterRecipe:
    """The recipe that the options describe, for a sampler with `cached` cached evaluations."""
    return RouterRecipe(
        steps=args.iterations or max(MIN_STEPS, PER_PAIR * cached),
        batch=args.batch,
        dtype=args.dtype or "float32",
        learning_rate=args.lr,
        seed=args.seed,
        l1=args.l1,
        threshold=args.threshold,
        model=args.model,
        sampler=f"{sampler.name} {sampler.params}",
        data=args.data or data.default_kind(spec),
    )


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
    check_scale_options("train-router", args)
    expect_positive("train-router", args, "samples", "iterations", "batch")
    if args.plot is not None:
        expect_one_of("suffix of --plot", args.plot.suffix, (".png", ".svg"))
    for name, high in (("l1", float("inf")), ("lr", 100.0)):
        if not 0 <= getattr(args, name) < high:
            raise InputError(f"train-router: --{name} must be a finite number of at least 0, got {getattr(args, name)}")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise InputError(f"train-router: --threshold must lie in [0, 1], got {args.threshold}")
