"""`ditbench encode MODEL`: the latents of a folder of images, for training on them many times."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.train.distributed import World
    from bench.train.images import Images

HELP = "encode a folder of images into latents to train on; resumes, and shares the work under torchrun"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model whose autoencoder and resolution are used")
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="images, one folder a class")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of latents, or an npz of the images"
    )
    parser.add_argument("--batch", type=int, default=32, help="images encoded at once (default: 32)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    parser.add_argument("--workers", type=int, default=4, help="threads that decode images (default: 4)")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")


def run(args: argparse.Namespace) -> int:
    import models
    from bench.cli.options import check_device, expect_positive
    from bench.host.files import expect_writable, expect_writable_folder
    from bench.plugins import require
    from bench.train.distributed import join
    from bench.train.encoding import Encoding
    from bench.train.images import open_images

    expect_positive("encode", args, "batch", "workers")
    check_device(args.device)
    require(args.plugin)
    spec = models.spec(args.model)
    (expect_writable if args.out.suffix == ".npz" else expect_writable_folder)(args.out)
    with join(args.device) as world:
        images = open_images(args.data, spec, args.workers)
        if args.out.suffix == ".npz":
            return export(args, images, world)
        autoencoder = world.in_turn(lambda: spec.pixels(world.device))
        files = Encoding(spec, images, autoencoder, args.out, world, args.batch).run()
    if world.leads:
        print(f"{args.out}: {len(images):,} images and their mirror images in {files} files")
    return 0


def export(args: argparse.Namespace, images: Images, world: World) -> int:
    """The cropped images in one file, as evaluators read them."""
    from bench.train.images import write_npz

    if world.leads:
        write_npz(images, args.out)
        print(f"{args.out}: {len(images):,} images of {images.size} pixels")
    return 0
