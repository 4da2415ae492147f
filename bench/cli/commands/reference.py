"""`ditbench reference`: compute and store the reference set that samples are compared with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.options import extraction_arguments, prepare_extraction
from bench.host.files import expect_writable
from models.errors import InputError

if TYPE_CHECKING:
    from bench.quality.features.reference_set import ReferenceSet

HELP = "store a reference set: moments and features of real images, with their fingerprint"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder of images, an npz (arr_0), or a reference set's name, file or address",
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="where to store it (.safetensors)")
    parser.add_argument("--features", metavar="NAME", help="of images: adm (default), clean, efficientnet-lite0, …")
    parser.add_argument("--weights", metavar="FILE", help="the extractor's weights (default: its own, downloaded once)")
    parser.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="features kept for precision, recall and KID, evenly spaced (default: 50000)",
    )
    extraction_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bench.quality import assessment

    prepare_extraction(args)
    out = Path(args.out)
    if out.suffix != ".safetensors":
        raise InputError(f"reference: --out must end in .safetensors, got '{args.out}'")
    expect_writable(out)
    if args.keep is not None and args.keep < 4:
        raise InputError(f"reference: --keep must be at least 4, for precision and recall, got {args.keep}")
    made = from_images(args, out.stem) if assessment.holds_images(args.source) else from_stored(args)
    made.save(out)
    features = 0 if made.features is None else len(made.features)
    images_of = "an unstated number of" if made.samples is None else f"{made.samples:,}"
    print(f"{out}: {images_of} images, {features:,} features kept, {made.fingerprint}")
    return 0


def from_images(args: argparse.Namespace, name: str) -> ReferenceSet:
    from bench.quality import extractors
    from bench.quality.features.reference_set_images import KEPT, reference_set_of
    from bench.quality.images.source import open_images

    extractor = extractors.build(args.features or "adm", weights=args.weights, device=args.device)
    images = open_images(args.source, extractor.channels)
    return reference_set_of(images, extractor, name, args.batch, KEPT if args.keep is None else args.keep)


def from_stored(args: argparse.Namespace) -> ReferenceSet:
    """A reference set that is made already: its features cannot be chosen any more, and no option is ignored."""
    from bench.quality import extractors
    from bench.quality.features import reference_sets
    from bench.quality.features.published_statistics import has_images

    if args.keep is not None:
        raise InputError(f"reference: --keep is for images; {args.source} is a reference set already")
    path = reference_sets.locate(args.source)
    made = reference_sets.load(args.source, features=args.features)
    kind = made.fingerprint.partition(":")[0]
    if args.features is None and kind == "clean" and path.suffix == ".npz":
        raise InputError(f"{args.source}: does not say of which features it is; state --features adm or clean")
    if args.features not in (None, kind):
        raise InputError(f"{args.source}: is a reference set in '{kind}' features, not in '{args.features}'")
    if has_images(path):
        extractor = extractors.build(kind, weights=args.weights, device=args.device)
        return reference_sets.load(args.source, features=kind, extractor=extractor)
    if args.weights is not None:
        raise InputError(f"reference: --weights is for images; {args.source} is a reference set already")
    return made
