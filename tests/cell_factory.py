"""Test data: plausible synthetic cells, made without running anything. No number here was measured."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from bench.store.stored_cell import StoredCell, stored

GROUPS = 32
BLOCKS = 12
_PAIRED = np.random.default_rng(7).normal(size=GROUPS)  # what all methods' samples have in common
_ENVIRONMENT = {"python": "3.12.1", "torch": "2.13.0", "cpu": "Test data, no such CPU", "cores": 2,
                "os": "Linux", "ditbench": "0.1.0", "commit": "0000000", "load": 0.1}  # fmt: skip
_SETTINGS = {"guidance_scale": 1.5, "guidance_channels": None, "device": "cpu", "dtype": "float32",
             "batch": 8, "sampling_batch": 50, "threads": 1}  # fmt: skip


def slug_of(sampler: str, steps: int, cache: str | None, params: dict[str, Any]) -> str:
    """File name of a synthetic cell."""
    tail = "".join(f"-{k}-{v}" for k, v in params.items())
    return f"{sampler.replace('++', 'pp')}-{steps}" + (f"+{cache}{tail}" if cache else "")


def title_of(sampler: str, steps: int, cache: str | None, params: dict[str, Any]) -> str:
    """Display name of a synthetic cell."""
    names = {"ddim": "DDIM", "dpm-solver++": "DPM-Solver++", "fora": "FORA", "deepcache": "DeepCache", "l2c": "L2C"}
    name = f"{names.get(sampler, sampler)}-{steps}"
    if cache:
        name += f" + {names.get(cache, cache)}"
        name += f" ({', '.join(f'{k}={v}' for k, v in params.items())})" if params else ""
    return name


def plan_rows(steps: int, cache: str | None, params: dict[str, Any]) -> list[str]:
    """Plan rows in the pattern of each cache method."""
    branches, interval = 2 * BLOCKS, params.get("interval", 2)
    rows = []
    for k in range(steps):
        full = cache is None or k % interval == 0
        if cache == "l2c" and k % 2:
            keep = 1 - params["l1"] * 8
            chance = np.random.default_rng(k).random(branches)
            rows.append("".join("#" if c < keep - 0.3 * (j % 2) else "." for j, c in enumerate(chance)))
        elif cache == "deepcache" and not full:
            edge = 2 * params.get("depth", 1)
            rows.append("#" * edge + "s" * (branches - 2 * edge) + "#" * edge)
        else:
            rows.append("#" * branches if full else "." * branches)
    return rows


def cell(
    model: str = "dit-mnist", sampler: str = "ddim", steps: int = 50, cache: str | None = None, *,
    fd: float | None = None, ms: float | None = None, samples: int = 2000, **params: Any
) -> dict[str, Any]:  # fmt: skip
    """An ok cell. `fd` and `ms` (latency) follow from the plan unless given."""
    rows = plan_rows(steps, cache, params)
    computed = sum(row.count("#") for row in rows) / (2 * BLOCKS * steps)
    base_ms = (9.0 if model.startswith("dit") else 11.0) * steps
    ms = base_ms * (0.06 + 0.94 * computed) if ms is None else ms
    solver = 30.0 if sampler == "dpm-solver++" else 130.0
    if fd is None:
        harm = {"fora": 9.0, "deepcache": 5.0, "l2c": 3.0}.get(cache or "", 0.0)
        fd = 2.6 + solver / steps**1.6 + harm * (1 - computed) ** 2
    made = _frame(model, sampler, steps, cache, params)
    made |= {
        "status": "ok", "reason": None, "finished": "2026-01-02T03:04:05Z",
        "plan": {"nfe": steps, "branches": 2 * BLOCKS, "rows": rows, "branches_computed": computed,
                 "timesteps": [float(round(999 * (1 - k / steps))) for k in range(steps)]},
        "work": {"macs": int(2e8 * steps * computed), "macs_baseline": int(2e8 * steps), "macs_ratio": computed,
                 "cache_bytes": 98304 if cache else 0},
        "timing": timing(ms, base_ms, cache is not None, computed),
        "memory": {"peak_mb": 310.0 + 3 * bool(cache), "cache_mb": 0.1 if cache else 0.0},
        "quality": quality(fd, cache is not None, computed, samples),
        "training": {"seconds": 321.0, "images": 20000, "l1": params["l1"]} if cache == "l2c" else None,
    }  # fmt: skip
    return made


def _frame(model: str, sampler: str, steps: int, cache: str | None, params: dict[str, Any]) -> dict[str, Any]:
    extra = {"eta": 0.0} if sampler == "ddim" else {"order": 2, "variant": "multistep"}
    return {
        "schema": 1, "protocol": "1", "key": "0" * 64, "suite": "synthetic", "model": model,
        "slug": slug_of(sampler, steps, cache, params), "method": title_of(sampler, steps, cache, params),
        "sampler": {"name": sampler, "steps": steps, "params": {"steps": steps} | extra},
        "cache": {"name": cache, "params": params} if cache else None, "seconds": 12.3,
        "finished": "2026-01-02T03:04:05Z", "plan": None, "work": None, "timing": None, "memory": None,
        "quality": None, "training": None, "settings": dict(_SETTINGS), "environment": dict(_ENVIRONMENT),
    }  # fmt: skip


def timing(ms: float, base_ms: float, cached: bool, computed: float) -> dict[str, Any]:
    """Timing of a cell whose intervals are 1 % wide each way."""
    around = lambda x: {"median": x, "low": 0.99 * x, "high": 1.01 * x}  # noqa: E731
    return {
        "batch": 8, "threads": 1, "warmup_rounds": 3, "latency_ms": around(ms), "baseline_ms": around(base_ms),
        "speedup": around(base_ms / ms) if cached else None, "speedup_ideal": 1 / computed if cached else None,
        "resolution": {"median": 1.001, "low": 0.992, "high": 1.009}, "rounds": [],
    }  # fmt: skip


def quality(fd: float, cached: bool, computed: float, samples: int) -> dict[str, Any]:
    """Quality of a cell whose jackknife values mostly share one error, as with common seeds."""
    own = np.random.default_rng(int(fd * 1e4) % 2**32).normal(size=GROUPS)
    groups = 0.05 * _PAIRED + 0.01 * own
    groups += fd - groups.mean()  # of equal bias, which cancels
    se = math.sqrt((GROUPS - 1) / GROUPS * float(((groups - groups.mean()) ** 2).sum()))
    accuracy = 0.985 - 0.004 * max(fd - 3.0, 0.0)
    missed = 1 - computed
    return {
        "samples": samples, "seed": 0, "features": "mnist-cnn", "fingerprint": "f" * 16, "reference": "mnist-5000",
        "reference_samples": 5000, "images_sha256": "0" * 64, "fd": fd, "fd_se": se, "fd_corrected": fd - 0.4,
        "fd_jackknife": [float(v) for v in groups], "is": 9.7 - 0.1 * fd, "precision": max(0.9 - 0.02 * fd, 0.1),
        "recall": max(0.8 - 0.015 * fd, 0.1), "kid": 0.002 * fd, "accuracy": accuracy,
        "accuracy_se": 0.002,
        "accuracy_groups": [float(np.clip(accuracy + 0.01 * v, 0, 1)) for v in own],
        "psnr": 36.0 - 22 * missed if cached else None, "latent_error": 0.5 * missed if cached else None,
        "identical": 0 if cached else None, "psnr_reference": 35.0 - 22 * missed - 2 * math.log(fd),
        "latent_error_reference": 0.05 + 0.5 * missed,
    }  # fmt: skip


def not_ok(status: str, reason: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """A cell that did not finish, with its reason and no numbers."""
    made = cell(*args, **kwargs)
    blank = dict.fromkeys(("plan", "work", "timing", "memory", "quality", "training"))
    return made | blank | {"status": status, "reason": reason}


def typed(cells: Iterable[dict[str, Any]]) -> list[StoredCell]:
    """Cells as they are read from a directory."""
    return [stored(made) for made in cells]


def suite_of(model: str) -> list[dict[str, Any]]:
    """About 35 cells of one model: two fewer-steps curves, three cache methods on two step counts, failures."""
    made = [cell(model, "ddim", s) for s in (50, 40, 30, 25, 20, 15, 10, 8)]
    made += [cell(model, "dpm-solver++", s) for s in (25, 20, 15, 10, 8)]
    for steps in (50, 20):
        made += [cell(model, "ddim", steps, "fora", interval=n) for n in (2, 3, 4, 5)]
        made += [cell(model, "ddim", steps, "deepcache", interval=n, depth=1) for n in (2, 3, 5)]
        made += [cell(model, "ddim", steps, "l2c", l1=v) for v in (0.01, 0.03, 0.06, 0.1)]
    made[-5] = not_ok("timeout", "stopped after 600 s", model, "ddim", 20, "deepcache", interval=5, depth=1)
    made.append(not_ok("failed", "InputError: router has 9 rows; expected 10", model, "ddim", 20, "l2c", l1=0.2))
    made.append(not_ok("unsupported", "needs an even number of blocks", model, "ddim", 20, "deepcache", interval=9))
    made.append(not_ok("oom", "the child process was killed (out of memory)", model, "ddim", 20, "fora", interval=7))
    return made


def write(directory: Path, cells: list[dict[str, Any]], samples: bool = False) -> Path:
    """Write cells, suite.json and (if asked) sample images as a run would; returns the directory."""
    for made in cells:
        path = directory / "cells" / made["model"] / f"{made['slug']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made))
        if samples and made["status"] == "ok":
            _write_samples(directory / "samples" / made["model"] / f"{made['slug']}.safetensors")
    reference = {made["model"]: "ddim-50" for made in cells}
    suite = {"suite": "synthetic", "title": "Synthetic cells (test data)", "description": "Nothing here was measured.",
             "sha256": "0" * 64, "cells": [[c["model"], c["slug"]] for c in cells], "reference": reference}  # fmt: skip
    (directory / "suite.json").write_text(json.dumps(suite))
    return directory


def _write_samples(path: Path) -> None:
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:32, :32]
    rings = [128 + 127 * np.sin(np.hypot(x - 16, y - 16) / (1 + i % 10) * 2) for i in range(40)]
    images = np.stack(rings).astype(np.uint8)[:, None]
    save_file({"images": images, "latents": np.zeros((40, 4, 2, 2), np.float32)}, path)
