"""`ditbench list`: what there is to run."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import methods
import models
from bench import plugins, suite
from models.errors import expect_one_of

HELP = "list methods, models and suites"
KINDS = ("methods", "models", "suites")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND", help="only methods, models or suites")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="also load this file")


def run(args: argparse.Namespace) -> int:
    if args.kind is not None:
        expect_one_of("kind of thing to list", args.kind, KINDS)
    for reason in plugins.load(plugins.files(args.plugin)).values():
        print(f"ditbench: {reason}", file=sys.stderr)
    listed = {kind: DESCRIBE[kind]() for kind in KINDS if args.kind in (None, kind)}
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    for kind, rows in listed.items():
        print(kind)
        for row in rows:
            print(f"  {row['name']:<16}{row['text']}")
    return 0


def list_methods() -> list[dict[str, Any]]:
    rows = []
    for name in methods.names():
        method = methods.find(name)
        parameters = {
            key: {
                "type": declared.type.__name__,
                "default": declared.default,
                "required": declared.required,
                "choices": list(declared.choices),
                "help": declared.help,
            }
            for key, declared in method.parameters.items()
        }
        keys = ", ".join(key if p["required"] else f"[{key}]" for key, p in parameters.items())
        about = (method.__doc__ or "").strip().splitlines()
        rows.append(
            {
                "name": name,
                "kind": method.kind,
                "about": about[0] if about else "",
                "parameters": parameters,
                "text": f"{method.kind:<9}{keys}",
            }
        )
    return sorted(rows, key=lambda row: (row["kind"] != "sampler", row["name"]))


def list_models() -> list[dict[str, Any]]:
    rows = []
    for name in models.names():
        spec = models.spec(name)
        shipped = spec.weights is not None and spec.weights.is_file()
        text = f"latents {'x'.join(map(str, spec.latent_shape))}, {spec.num_classes} classes"
        rows.append(
            {
                "name": name,
                "latent_shape": list(spec.latent_shape),
                "num_classes": spec.num_classes,
                "guidance_scale": spec.guidance_scale,
                "weights_shipped": shipped,
                "text": text + (", weights shipped" if shipped else ""),
            }
        )
    return rows


def list_suites() -> list[dict[str, Any]]:
    rows = []
    for name in suite.names():
        loaded = suite.load(name)
        samples = f"{loaded.protocol.samples} samples each" if loaded.protocol.samples else "speed alone"
        rows.append(
            {
                "name": name,
                "title": loaded.title,
                "description": loaded.description,
                "cells": len(loaded.cells),
                "text": f"{len(loaded.cells)} cells, {samples}: {loaded.title}",
            }
        )
    return rows


DESCRIBE = {"methods": list_methods, "models": list_models, "suites": list_suites}
