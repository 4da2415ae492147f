"""`ditbench train NAME`: train a model, under torchrun on several devices."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "train a denoiser on images, latents or digits, or a part of the small ones; resumes where it was interrupted"
RECIPE = ("steps", "batch", "seed", "dtype")  # options that replace a field of the recipe


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a model's name, digit-autoencoder or digit-classifier")
    parser.add_argument("--data", type=Path, metavar="PATH", help="images, one folder a class, or encoded latents")
    parser.add_argument("--out", type=Path, help="folder for weights, card and checkpoint (default: the package's own)")
    parser.add_argument("--force", action="store_true", help="replace weights that came with the package")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="images a step, of all devices together (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="seed (default: the recipe's)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]; under torchrun each its own")
    add_scale_options(parser)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")


def add_scale_options(parser: argparse.ArgumentParser) -> None:
    """Options of every training: they change how fast it is and what it needs, not what is learned."""
    parser.add_argument("--dtype", help="float32, bf16 or float16 products (default: the recipe's, float32)")
    parser.add_argument("--accumulate", type=int, default=1, metavar="N", help="a step's batch in N turns (default: 1)")
    parser.add_argument("--checkpointing", action="store_true", help="less memory: blocks are computed a second time")
    parser.add_argument("--workers", type=int, default=4, help="threads that decode images (default: 4)")
    parser.add_argument("--save-every", type=float, default=60, metavar="S", help="seconds between checkpoints (60)")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")


def check_scale_options(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError where one is out of range; dtypes get their full names, plugins are loaded."""
    from bench.cli.commands.run import check_device
    from bench.cli.options import expect_positive
    from bench.plugins import require
    from bench.train.precision import dtype_name
    from models.errors import InputError

    expect_positive(verb, args, "accumulate", "workers")
    if not 0 <= args.save_every < 1e6:
        raise InputError(f"{verb}: --save-every must lie in 0..1e6 seconds, got {args.save_every}")
    check_device(args.device)
    args.dtype = args.dtype and dtype_name(args.dtype)
    require(args.plugin)


def run(args: argparse.Namespace) -> int:
    import torch

    from bench.cli.options import expect_positive
    from bench.train.distributed import join
    from bench.train.run import Setting, train

    expect_positive("train", args, "steps", "batch", "threads")
    check_scale_options("train", args)
    torch.set_num_threads(args.threads)
    overrides = {key: getattr(args, key) for key in RECIPE if getattr(args, key) is not None}
    with join(args.device) as world:
        setting = Setting(args.data, world, args.accumulate, args.checkpointing, args.workers, args.save_every)
        folder = train(args.name, args.out, args.force, setting, **overrides)
    if world.leads:
        print(folder)
    return 0
