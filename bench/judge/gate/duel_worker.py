"""One side of a duel: runs trajectories of the checkout that PYTHONPATH names, when told to, and times each twice.

A script of its own, because the other side's checkout may be older than this file: it uses the contracts of models,
methods and bench.sampling alone. Reads one JSON order a line from stdin and answers with one JSON line on stdout.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

built: dict[str, Any] = {}  # denoisers by name


def prepared(order: dict[str, Any]) -> Callable[[], object]:
    """The call to be timed: one batch from noise to latents."""
    import methods
    import models
    from bench import sampling

    spec = models.spec(order["model"])
    model = built.get(order["model"]) or built.setdefault(order["model"], models.build(order["model"]))
    sampler = methods.build(order["sampler"]["name"], **order["sampler"]["params"])
    cache = order["cache"] and methods.build(order["cache"]["name"], **order["cache"]["params"])
    indices = range(order["batch"])
    noise = sampling.seeded_noise(indices, model.latent_shape, 0)
    labels = sampling.balanced_labels(indices, spec.num_classes)
    guidance: dict[str, Any] = {"guidance_scale": spec.guidance_scale, "guidance_channels": spec.guidance_channels}
    prepare = preparation()
    if prepare is None:
        return lambda: sampling.sample(model, sampler, cache, noise=noise, labels=labels, **guidance)
    plan = sampling.make_plan(model, sampler, cache)
    trajectory = prepare(model, sampler, plan, batch=order["batch"], **guidance)
    return lambda: trajectory(noise, labels)


def preparation() -> Callable[..., Any] | None:
    """The compiled path's `prepare`, wherever this side's commit has it; None where it has only the plain path."""
    for place in ("bench.sampling.compiled", "bench.compiled"):
        try:
            return importlib.import_module(place).prepare
        except ImportError:
            continue
    return None


def timed(call: Callable[[], object]) -> dict[str, int]:
    """Nanoseconds of the wall clock, and of this process on a processor, which other processes do not lengthen."""
    wall, processor = time.perf_counter_ns(), time.process_time_ns()
    call()
    return {"processor": time.process_time_ns() - processor, "wall": time.perf_counter_ns() - wall}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    import torch

    torch.set_num_threads(1)
    gc.disable()
    call: Callable[[], object] = lambda: None  # noqa: E731
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] == "prepare":
                call = prepared(order)
                gc.collect()
                answer: dict[str, Any] = {"ready": True}
            else:
                answer = {"ns": timed(call)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
