"""`ditbench check-method`: whether a plugin's methods keep the contract, one line a check."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

import methods
import models
from bench import plugins
from bench.cli.method_checks import checks
from bench.cli.quick_look import MODEL, quick_look
from models.denoiser import Denoiser
from models.dit import DiT
from models.errors import THEIRS, InputError
from models.uvit import UViT

HELP = "check that a plugin's methods keep the contract"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a plugin, or the name of a method that is there")
    parser.add_argument("--model", metavar="NAME", help="check on this model instead of a tiny DiT and a tiny U-ViT")
    parser.add_argument("--failures", action="store_true", help="print only what failed, and the count")
    parser.add_argument(
        "--quick", action="store_true", help="instead: speed and error against the baseline, in seconds"
    )


def run(args: argparse.Namespace) -> int:
    names = [args.file] if args.file in methods.names() else load(args.file)
    if args.quick:
        return look(names, models.build(args.model or MODEL))
    denoisers = tiny_models() if args.model is None else {args.model: models.build(args.model)}
    failed = total = 0
    for name in names:
        for what, reason in checks(methods.find(name), denoisers):
            total, failed = total + 1, failed + (reason is not None)
            if reason is not None or not args.failures:
                print(f"{'ok  ' if reason is None else 'FAIL'} {name}: {what}" + (f": {reason}" if reason else ""))
    print(f"{total - failed} of {total} checks hold")
    return 1 if failed else 0


def look(names: list[str], model: Denoiser) -> int:
    """Each method against its baseline, in one line; 1 where one cannot run."""
    failed = 0
    for name in names:
        try:
            print(quick_look(methods.find(name), model), flush=True)
        except THEIRS as error:  # a plugin's code may raise anything
            failed += 1
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            print(f"FAIL {name}: {kind}{' '.join(str(error).split())[:200]}")
    return 1 if failed else 0


def load(file: str) -> list[str]:
    """The methods that a plugin adds. Raises InputError where it is broken, adds none, or is no file and no name."""
    if not Path(file).is_file() and "." not in file and "/" not in file:
        methods.find(file)  # a name that is nobody's: the nearest one
    before = set(methods.names())
    for reason in plugins.load(plugins.files([file])).values():
        raise InputError(reason)
    added = sorted(set(methods.names()) - before)
    if not added:
        raise InputError(f"{file}: defines no method")
    return added


def tiny_models() -> dict[str, Denoiser]:
    """A DiT and a U-ViT of a few thousand parameters, none of them zero."""
    built: dict[str, Any] = {
        "dit": DiT(4, 1, 4, 32, 6, 4, num_classes=10),
        "uvit": UViT(4, 1, 4, 32, 6, 4, num_classes=11, conv=False),
    }
    generator = torch.Generator().manual_seed(3)
    for model in built.values():
        for parameter in model.parameters():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
        model.eval().requires_grad_(False)
    return built
