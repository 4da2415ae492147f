"""`ditbench list`: what there is to run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import methods
import models
from bench import engines, plugins
from bench.cost.plan_cost import plan_macs
from bench.engines import OURS, Engine
from bench.host.notice import say
from bench.suite import file as suite
from methods.method import Method
from methods.plan import uncached
from models.errors import expect_one_of
from models.spec import ModelSpec, structure

HELP = "list methods, models, engines and suites"
KINDS = ("methods", "models", "engines", "suites")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND", help="only methods, models, engines or suites")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="also load this file")


def run(args: argparse.Namespace) -> int:
    if args.kind is not None:
        expect_one_of("kind of thing to list", args.kind, KINDS)
    for reason in plugins.load(plugins.files(args.plugin)).values():
        say(reason)
    listed = {kind: DESCRIBE[kind]() for kind in KINDS if args.kind in (None, kind)}
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    for kind, rows in listed.items():
        width = max((len(row["name"]) for row in rows), default=0)
        print(kind)
        for row in rows:
            print(f"  {row['name']:<{width}}  {row['text']}")
    return 0


def list_methods() -> list[dict[str, Any]]:
    """One row a method: name, kind, title, parameters."""
    rows = []
    for name in methods.names():
        method = methods.find(name)
        parameters = parameters_of(method)
        about = (method.__doc__ or "").strip().splitlines()
        rows.append(
            {
                "name": name,
                "kind": method.kind,
                "about": about[0] if about else "",
                "parameters": parameters,
                "text": f"{method.kind:<9}{keys(parameters)}",
            }
        )
    return sorted(rows, key=lambda row: (row["kind"] != "sampler", row["name"]))


def parameters_of(method: type[Method]) -> dict[str, dict[str, Any]]:
    return {
        key: {
            "type": declared.type.__name__,
            "default": declared.default,
            "required": declared.required,
            "choices": list(declared.choices),
            "help": declared.help,
        }
        for key, declared in method.parameters.items()
    }


def keys(parameters: dict[str, dict[str, Any]]) -> str:
    return ", ".join(key if p["required"] else f"[{key}]" for key, p in parameters.items())


def list_engines() -> list[dict[str, Any]]:
    """Libraries; our own code is not among them."""
    return [engine_row(engines.find(name)) for name in engines.names() if name != OURS]


def engine_row(engine: type[Engine]) -> dict[str, Any]:
    versions = engine.versions()
    packages = {name: {"tested": tested, "installed": versions[name]} for name, tested in engine.packages.items()}
    caches = {cache.name: parameters_of(cache) for cache in engine.caches}
    needs = ", ".join(f"{name} {p['tested']} ({p['installed'] or 'not'} installed)" for name, p in packages.items())
    said = "; ".join(f"{name} {keys(parameters)}" for name, parameters in caches.items())
    return {"name": engine.name, "packages": packages, "caches": caches, "text": f"{needs or 'no package'}: {said}"}


def list_models() -> list[dict[str, Any]]:
    """One row a model: size, resolution, guidance, weights."""
    rows = [describe(models.spec(name)) for name in models.names()]
    for row in rows:
        size = f"{row['parameters'] / 1e6:7.1f} M parameters, {row['macs'] / 1e9:8.4g} G MACs"
        where = f"{row['resolution']} px" if row["resolution"] else "–"
        channels = f" ({row['guidance_channels']} ch.)" if row["guidance_channels"] else ""
        guidance = f"guidance {row['guidance_scale']:g}{channels}"
        row["text"] = f"{size}, {where:>7}, {guidance}, {row['schedule']}, weights {row['weights']}"
    return rows


def describe(spec: ModelSpec) -> dict[str, Any]:
    """A model's row, from its structure: no weights are allocated or read."""
    model = structure(spec)
    return {
        "name": spec.name,
        "parameters": model.num_parameters(),
        "macs": plan_macs(model, uncached(1, model.num_branches)),  # one unguided evaluation of one image
        "resolution": spec.resolution,
        "latent_shape": list(model.latent_shape),
        "num_classes": spec.num_classes,
        "guidance_scale": spec.guidance_scale,
        "guidance_channels": spec.guidance_channels,
        "schedule": model.noise_schedule.title,
        "weights": weights_state(spec),
        "weights_note": spec.official.note if spec.official else "",
        "weights_shipped": weights_state(spec) == "shipped",
        "autoencoder": spec.autoencoder,
    }


def weights_state(spec: ModelSpec) -> str:
    """Where a model's weights are: shipped with the package, its plugin's own, public on the web, or none anywhere."""
    if spec.weights is not None:
        there = Path(spec.weights).is_file()
        return "absent" if not there else "own" if models.plugin_file(spec.name) else "shipped"
    return "public" if spec.official is not None and spec.official.published else "none"


def list_suites() -> list[dict[str, Any]]:
    """One row a shipped suite: name, title, how many cells."""
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


DESCRIBE = {"methods": list_methods, "models": list_models, "engines": list_engines, "suites": list_suites}
