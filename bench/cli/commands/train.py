"""`ditbench train NAME`: train a model, under torchrun on several devices."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli.options import add_scale_options, check_scale_options, expect_positive, expect_seed

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


def run(args: argparse.Namespace) -> int:
    import torch

    from bench.train.distributed import join
    from bench.train.run import Setting, train

    expect_positive("train", args, "steps", "batch", "threads")
    expect_seed("train", args.seed)
    check_scale_options("train", args)
    torch.set_num_threads(args.threads)
    overrides = {key: getattr(args, key) for key in RECIPE if getattr(args, key) is not None}
    with join(args.device) as world:
        setting = Setting(args.data, world, args.accumulate, args.checkpointing, args.workers, args.save_every)
        folder = train(args.name, args.out, args.force, setting, **overrides)
    if world.leads:
        print(folder)
    return 0
