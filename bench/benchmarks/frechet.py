"""Fréchet distance at d = 2048: ours, torch-fidelity's and clean-fid's on the same moments, interleaved.

`python -m bench.benchmarks.frechet [OUT]` writes results/benchmarks/frechet.json. Ours is timed with the reference's
factor kept, as in a run that compares many methods with one reference, and with the factorisation included. All use
NumPy's and SciPy's BLAS with one thread. The jackknife of 50,000 samples is timed once. clean-fid 0.1.35 passes
`sqrtm` an argument that SciPy 1.18 has removed: where the two meet it is left out, and `left_out` says why.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported; otherwise each library would choose for itself

import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from bench.benchmarks.interleaved import interleave, summary  # noqa: E402
from bench.host.environment import environment, version  # noqa: E402
from bench.host.files import write_json  # noqa: E402
from bench.quality.metrics.frechet import Moments, Target, moments  # noqa: E402
from bench.statistics.jackknife import jackknife_groups  # noqa: E402
from models.errors import first_line  # noqa: E402

DIMENSIONS, SAMPLES, ROUNDS = 2048, 8192, 5
JACKKNIFE_SAMPLES = 50_000
OUT = Path("results/benchmarks/frechet.json")
OURS = "ours, reference factored before"


def run(dimensions: int = DIMENSIONS, samples: int = SAMPLES, rounds: int = ROUNDS) -> dict[str, Any]:
    """Times, ratios and the values that every implementation gives."""
    ours, reference = (moments(features(samples, dimensions, seed)) for seed in (0, 1))
    values: dict[str, float] = {}

    def noted(name: str, call: Callable[[], float]) -> Callable[[], None]:
        return lambda: values.__setitem__(name, float(call()))

    left_out = {name: reason for name, reason in {"clean-fid": clean_fid_fails()}.items() if reason}
    chosen = {name: call for name, call in implementations(ours, reference).items() if name not in left_out}
    calls = {name: noted(name, call) for name, call in chosen.items()}
    times = interleave(calls, rounds)
    return {
        "benchmark": "frechet",
        "dimensions": dimensions,
        "samples": samples,
        "rounds": rounds,
        "threads": 1,
        "versions": {name: version(name) for name in ("torch-fidelity", "clean-fid", "scipy")},
        "values": values,
        "left_out": left_out,
        **summary(times, OURS),
        "environment": environment(),
    }


def features(samples: int, dimensions: int, seed: int) -> np.ndarray:
    """Correlated, not negative, of unequal variances, as pooled activations are; float32 [N,d]."""
    shared, own = np.random.default_rng(7), np.random.default_rng(seed)
    mixing = shared.normal(size=(dimensions, dimensions)) * np.exp(shared.normal(size=dimensions)) / dimensions**0.5
    return np.maximum(own.normal(0.1 * seed, 1, (samples, dimensions)) @ mixing, 0).astype(np.float32)


def implementations(ours: Moments, reference: Moments) -> dict[str, Callable[[], float]]:
    from cleanfid.fid import frechet_distance as clean_fid
    from torch_fidelity.metric_fid import fid_statistics_to_metric as torch_fidelity

    kept = Target(reference)
    pair = [{"mu": m.mean, "sigma": m.covariance} for m in (ours, reference)]
    return {
        OURS: lambda: kept.distance_of(ours),
        "ours, factorisation included": lambda: Target(reference).distance_of(ours),
        "torch-fidelity": lambda: torch_fidelity(*pair, verbose=False)["frechet_inception_distance"],
        "clean-fid": lambda: clean_fid(ours.mean, ours.covariance, reference.mean, reference.covariance),
    }


def clean_fid_fails() -> str | None:
    """Why clean-fid's distance cannot be computed with this SciPy; None where it can."""
    from cleanfid.fid import frechet_distance as clean_fid

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clean_fid(np.zeros(2), np.eye(2), np.zeros(2), np.eye(2))
    except TypeError as error:
        return first_line(error)
    return None


def jackknife_seconds(samples: int = JACKKNIFE_SAMPLES, dimensions: int = DIMENSIONS) -> dict[str, Any]:
    """What the distance of many samples and its 32 replicates take, wall and processor time in seconds."""
    x, target = features(samples, dimensions, 0), Target(moments(features(SAMPLES, dimensions, 1)))
    target.distance(x[: dimensions + 2])
    wall, process = time.perf_counter(), time.process_time()
    target.distance(x)
    middle = time.perf_counter(), time.process_time()
    target.distances_without(x, jackknife_groups(samples))
    return {
        "samples": samples,
        "distance": {"wall": middle[0] - wall, "process": middle[1] - process},
        "replicates": {"wall": time.perf_counter() - middle[0], "process": time.process_time() - middle[1]},
    }


def main(arguments: list[str]) -> None:
    warnings.simplefilter("ignore")  # SciPy deprecates what clean-fid calls
    write_json(Path(arguments[0]) if arguments else OUT, run() | {"jackknife": jackknife_seconds()})


if __name__ == "__main__":
    main(sys.argv[1:])
