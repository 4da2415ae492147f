"""`ditbench calibrate`: what a cache method wants measured once, on uncached trajectories of a model and a sampler."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import methods
import models
from bench import plugins
from bench.cli.method_words import key_values, popped_sampler
from bench.cli.options import check_device, expect_positive, expect_seed
from bench.host.files import expect_writable, write_bytes
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.sampling.plain import Callback
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser
from models.errors import InputError
from models.spec import ModelSpec

HELP = "measure what a cache method is calibrated with"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="a cache method that is calibrated, such as smoothcache")
    parser.add_argument(
        "sampler",
        nargs="*",
        metavar="KEY=VALUE",
        help="sampler=NAME (default ddim), steps=N (default 50), sampler.KEY=VALUE",
    )
    parser.add_argument("--model", default="dit-mnist", help="a model's name (default: dit-mnist)")
    parser.add_argument("--weights", metavar="FILE", help="official, random, or a file, if not the shipped ones")
    parser.add_argument("--samples", type=int, default=10, help="images to sample (default: 10)")
    parser.add_argument("--batch", type=int, default=10, help="images at a time (default: 10)")
    parser.add_argument(
        "--seed", type=int, default=1_000_000, help="seed of the first image's noise (default: 1000000)"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write it")


def run(args: argparse.Namespace) -> int:
    for reason in plugins.load(plugins.files(args.plugin)).values():
        raise InputError(reason)
    expect_positive("calibrate", args, "samples", "batch")
    expect_seed("calibrate", args.seed)
    check_device(args.device)
    method = methods.find(args.method)
    if not hasattr(method, "calibrator"):
        known = ", ".join(name for name in methods.names("cache") if hasattr(methods.find(name), "calibrator"))
        raise InputError(f"calibrate: '{args.method}' is not calibrated, expected one of: {known}")
    words = key_values("calibrate", "KEY=VALUE of the sampler", args.sampler)
    sampler = popped_sampler("calibrate", words)
    for word in words:  # of the method, say: it is calibrated once for all of its settings
        raise InputError(f"calibrate: unknown word '{word}', expected sampler=NAME, steps=N or sampler.KEY=VALUE")
    expect_writable(args.out)
    model = models.build(args.model, weights=args.weights, device=args.device)
    content = calibrate(method, model, sampler, args)
    write_bytes(args.out, (json.dumps(content, indent=1) + "\n").encode())
    print(f"{args.out}: {args.method} for {args.model} with {sampler.label}, {content['seconds']:.1f} s")
    return 0


def calibrate(method: Any, model: Denoiser, sampler: Any, args: argparse.Namespace) -> dict[str, Any]:
    """The file's content: what it was made for, what it cost, and the method's data."""
    spec, evaluations = models.spec(args.model), len(sampler.evaluations(model.noise_schedule))
    images = Images(model, sampler, spec, range(args.seed, args.seed + args.samples), args.batch, args.device)
    started = time.perf_counter()
    data = method.calibrator(model, evaluations).measure(images)
    return {
        "method": method.name,
        "model": args.model,
        "sampler": sampler.name,
        "params": sampler.params,
        "evaluations": evaluations,
        "guidance_scale": spec.guidance_scale,
        "images": args.samples,
        "seconds": time.perf_counter() - started,
        "data": data,
    }


@dataclass(frozen=True)
class Images:
    """methods.calibration.Trajectories: images of these seeds, `batch` at a time, at the model's own guidance."""

    model: Denoiser
    sampler: Sampler
    spec: ModelSpec
    seeds: range
    batch: int
    device: str

    def __call__(self, plan: Plan | None = None, sampler: Sampler | None = None, see: Callback | None = None) -> Tensor:
        seeds = self.seeds
        parts = [seeds[first : first + self.batch] for first in range(0, len(seeds), self.batch)]
        return torch.cat([self.part(one, plan, sampler or self.sampler, see) for one in parts])

    def part(self, seeds: range, plan: Plan | None, sampler: Sampler, see: Callback | None) -> Tensor:
        """Final latents [seeds,C,H,W] of one batch."""
        return sample(
            self.model,
            sampler,
            plan,
            noise=seeded_noise(seeds, self.model.latent_shape).to(self.device),
            labels=balanced_labels(seeds, self.spec.num_classes).to(self.device),
            guidance_scale=self.spec.guidance_scale,
            guidance_channels=self.spec.guidance_channels,
            callback=see,
        ).clone()
