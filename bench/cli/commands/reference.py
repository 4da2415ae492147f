"""`ditbench reference`: compute and store what samples are compared with."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli.options import extraction_arguments, prepare_extraction
from models.errors import InputError

HELP = "store a reference: moments and features of real images, with their fingerprint"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SOURCE", help="a folder of images, an npz (arr_0), or a reference's name, file or address"
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="where to store it (.safetensors)")
    parser.add_argument("--features", default="adm", metavar="NAME", help="adm (default), clean, efficientnet-lite0, …")
    parser.add_argument("--weights", metavar="FILE", help="the extractor's weights (default: its own, downloaded once)")
    parser.add_argument(
        "--keep",
        type=int,
        default=50_000,
        metavar="N",
        help="features kept for precision, recall and KID, evenly spaced (default: 50000)",
    )
    extraction_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bench.quality import assessment, extractors
    from bench.quality.features import reference_sets
    from bench.quality.features.reference_set_images import reference_set_of
    from bench.quality.images.source import open_images

    prepare_extraction(args)
    out = Path(args.out)
    if out.suffix != ".safetensors":
        raise InputError(f"reference: --out must end in .safetensors, got '{args.out}'")
    if args.keep < 4:
        raise InputError(f"reference: --keep must be at least 4, for precision and recall, got {args.keep}")
    if assessment.holds_images(args.source):
        extractor = extractors.build(args.features, weights=args.weights, device=args.device)
        images = open_images(args.source, extractor.channels)
        made = reference_set_of(images, extractor, out.stem, args.batch, args.keep)
    else:
        made = reference_sets.load(args.source)
        if made.features is None and made.fingerprint.startswith(f"{args.features}:"):
            extractor = extractors.build(args.features, weights=args.weights, device=args.device)
            made = reference_sets.load(args.source, features=args.features, extractor=extractor)
    made.save(out)
    features = 0 if made.features is None else len(made.features)
    images_of = "an unstated number of" if made.samples is None else f"{made.samples:,}"
    print(f"{out}: {images_of} images, {features:,} features kept, {made.fingerprint}")
    return 0
