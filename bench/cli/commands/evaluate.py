"""`ditbench evaluate`: the whole table of metrics for images of any origin; no model is needed."""

from __future__ import annotations

import argparse
import json
from typing import Any

from bench.cli.options import extraction_arguments, prepare_extraction
from models.errors import InputError

HELP = "judge images: FID, sFID, IS, precision, recall, KID against a reference set; PSNR and SSIM of pairs"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("samples", metavar="SAMPLES", help="a folder of images, an npz (arr_0), or stored features")
    parser.add_argument(
        "reference",
        nargs="?",
        metavar="REFERENCE",
        help="images as well, a reference set's file, name or address (imagenet256, imagenet512, mnist-5000); "
        "without one only the Inception score is computed",
    )
    parser.add_argument("--features", default="adm", metavar="NAME", help="adm (default), clean, efficientnet-lite0, …")
    parser.add_argument("--weights", metavar="FILE", help="the extractor's weights (default: its own, downloaded once)")
    parser.add_argument("--labels", metavar="FILE", help="classes asked for: text, npy or npz; gives the accuracy")
    parser.add_argument("--paired", action="store_true", help="also PSNR and SSIM of images with equal names or places")
    parser.add_argument("--lpips", metavar="FILE", help="with --paired also LPIPS: torchvision's weights of AlexNet")
    parser.add_argument("--json", action="store_true", help="as one JSON object, keys as the results' columns")
    extraction_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bench.quality import assessment
    from bench.quality.images.labels import read_labels
    from bench.show.assessment_table import table

    prepare_extraction(args)
    require_used(args)
    labels = None if args.labels is None else read_labels(args.labels)
    result = pairs(args) if args.paired else {}
    if args.features != "none":
        asked = assessment.Assessment(args.features, args.weights, args.device, args.batch, not args.no_cache)
        judged = asked.against(args.samples, args.reference, labels)
        result = judged | result | {"omitted": judged["omitted"] | result.get("omitted", {})}
    print(json.dumps(result, indent=1, allow_nan=False) if args.json else table(result))
    return 0


def require_used(args: argparse.Namespace) -> None:
    """Raise InputError for options that together leave nothing to do, or of which one would do nothing."""
    if args.features == "none" and not args.paired:
        raise InputError("evaluate: --features none leaves nothing to compute without --paired")
    for option in ("labels", "weights"):
        if args.features == "none" and getattr(args, option) is not None:
            raise InputError(f"evaluate: --{option} is of no use with --features none")
    if args.lpips and not args.paired:
        raise InputError("evaluate: --lpips needs --paired")
    if args.paired and args.reference is None:
        raise InputError("evaluate: --paired needs a second set of images")


def pairs(args: argparse.Namespace) -> dict[str, Any]:
    """The paired metrics."""
    from bench.quality import assessment
    from bench.quality.metrics.lpips_distance import Lpips

    perceptual = Lpips(args.lpips, device=args.device) if args.lpips else None
    return assessment.compare_pairs(args.samples, args.reference, args.batch, perceptual)
