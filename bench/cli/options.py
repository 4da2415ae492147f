"""Options that several commands share, and their checks. What takes long to load is loaded where it is needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.host.environment import bfloat16_instructions
from bench.host.notice import say
from models.errors import InputError, expect_one_of

if TYPE_CHECKING:
    from bench.sampling.compiled import Execution


# Largest values of whole numbers that every command takes; beyond, memory or the machine's libraries give up.
MOST = {
    "batch": 100_000, "samples": 10_000_000, "threads": 4096, "workers": 4096, "accumulate": 100_000, "steps": 10**9,
    "iterations": 10**9,
}  # fmt: skip
MAX_SEED = 2**53  # integers that JSON keeps exactly


def expect_positive(verb: str, args: argparse.Namespace, *names: str) -> None:
    """Raise InputError where one of these whole numbers, if given, is less than 1 or more than MOST of it."""
    for name in names:
        value = getattr(args, name.replace("-", "_"))
        if value is not None and value < 1:
            raise InputError(f"{verb}: --{name} must be at least 1, got {value}")
        if value is not None and value > MOST[name]:
            raise InputError(f"{verb}: --{name} must be at most {MOST[name]}, got {value}")


def expect_seed(verb: str, seed: int | None) -> None:
    """Raise InputError where a seed, if given, is none that generators and JSON take."""
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise InputError(f"{verb}: --seed must lie in [0, {MAX_SEED}], got {seed}")


def check_device(device: str) -> None:
    """Raise InputError unless torch can use the device."""
    import torch

    expect_device_name(device)
    if device != "cpu" and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {device}: torch finds {torch.cuda.device_count()} CUDA devices here")


def warn_of_half_precision(device: str, dtype: str | None) -> None:
    """Say where a processor has to emulate the dtype."""
    if device == "cpu" and dtype == "bfloat16" and bfloat16_instructions() == []:
        lacks = "this processor has no instructions for it (avx512_bf16, amx_bf16)"
        say(f"--dtype bfloat16: {lacks}, so it is slower than float32")


def expect_device_name(device: str) -> None:
    """Raise InputError unless it is the name of a device that runs can be on, here or elsewhere."""
    import torch

    try:
        known = device == "cpu" or torch.device(device).type == "cuda"
    except RuntimeError:
        known = False
    if not known:
        raise InputError(f"--device must be cpu or cuda[:N], got '{device}'")


def execution_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of everything that runs a suite's cells."""
    from bench.sampling.compiled import COMPILED
    from bench.train.precision import DTYPES, SHORT

    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    parser.add_argument(
        "--dtype",
        default="float32",
        type=lambda word: SHORT.get(word, word),
        help=f"{', '.join(DTYPES)}; bf16 and fp16 for short (default: float32)",
    )
    parser.add_argument("--execution", default=COMPILED, help="compiled (default), or plain: the readable reference")
    parser.add_argument("--cuda-graphs", action="store_true", help="capture every trajectory once, then replay it")
    parser.add_argument("--compile", action="store_true", help="torch.compile of the few kinds of block")
    parser.add_argument("--kernels", default="blas", help="products on a CPU: blas (default), onednn, measured")
    parser.add_argument("--weights", metavar="W", help="official (fetched), random (speed alone) or a file of weights")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")
    parser.add_argument("--threads", type=int, metavar="N", default=1, help="CPU threads of one cell (default: 1)")


def execution_of(args: argparse.Namespace) -> Execution:
    """The execution that the options state. Raises InputError where they do not fit."""
    from bench.sampling.compiled import Execution
    from bench.train.precision import DTYPES

    expect_one_of("--dtype", args.dtype, DTYPES)
    if not 1 <= args.threads <= 4096:
        raise InputError(f"--threads must lie in [1, 4096], got {args.threads}")
    if args.cuda_graphs and args.device == "cpu":
        raise InputError("--cuda-graphs needs --device cuda")
    if args.kernels == "onednn" and (args.device != "cpu" or args.dtype not in ("float32", "bfloat16")):
        raise InputError("--kernels onednn needs --device cpu and --dtype float32 or bfloat16")
    return Execution(args.execution, args.cuda_graphs, args.compile, args.kernels)


def quality_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that replace keys of the suite's [protocol.quality]."""
    parser.add_argument("--features", metavar="NAME", help="judge by these features; none: speed and paired metrics")
    parser.add_argument("--inception", metavar="FILE", help="weights of the feature extractor, for no download")
    parser.add_argument("--reference", metavar="REF", help="compare with this reference set: a name or a file")


def quality_overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What the command line replaces of [protocol.quality]. Raises InputError for a file that is not there."""
    if args.inception is not None and not Path(args.inception).is_file():
        raise InputError(f"--inception {args.inception}: no such file")
    given = {"features": args.features, "weights": args.inception, "reference": args.reference}
    stated = {key: value for key, value in given.items() if value is not None}
    return {"quality": stated} if stated else {}


def extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every command that extracts features."""
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="images at a time (default: 64)")
    parser.add_argument("--no-cache", action="store_true", help="neither use nor keep features of earlier runs")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load an extractor from this file")


def prepare_extraction(args: argparse.Namespace) -> None:
    """Check what every command that extracts features takes, and load its plugins. Raises InputError."""
    from bench import plugins
    from bench.quality import extractors

    for reason in plugins.load(plugins.files(args.plugin)).values():
        say(reason)
    if not 1 <= args.batch <= 100_000:
        raise InputError(f"--batch must lie in [1, 100000], got {args.batch}")
    check_device(args.device)
    if args.features not in (None, "none", *extractors.names()):
        expect_one_of("features", args.features, extractors.names())


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
    from bench.plugins import require
    from bench.train.precision import dtype_name

    expect_positive(verb, args, "accumulate", "workers")
    if not 0 <= args.save_every < 1e6:
        raise InputError(f"{verb}: --save-every must lie in 0..1e6 seconds, got {args.save_every}")
    check_device(args.device)
    args.dtype = None if args.dtype is None else dtype_name(args.dtype)
    warn_of_half_precision(args.device, args.dtype)
    require(args.plugin)
