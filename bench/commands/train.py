"""`ditbench train NAME`: train a shipped model again, or your own model with a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Train a small model or one of its parts on the digits; resumes where it was interrupted."


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="dit-mnist, uvit-mnist, digit-autoencoder or digit-classifier")
    parser.add_argument("--out", type=Path, help="folder for weights, card and checkpoint (default: the package's own)")
    parser.add_argument("--force", action="store_true", help="replace weights that came with the package")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="seed (default: the recipe's)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")


def run(args: argparse.Namespace) -> int:
    import torch

    from models.errors import InputError
    from models.training.run import train

    for key in ("steps", "threads"):
        if getattr(args, key) is not None and getattr(args, key) < 1:
            raise InputError(f"train: --{key} must be at least 1, got {getattr(args, key)}")
    torch.set_num_threads(args.threads)
    overrides = {key: getattr(args, key) for key in ("steps", "seed") if getattr(args, key) is not None}
    print(train(args.name, args.out, args.force, **overrides))
    return 0
