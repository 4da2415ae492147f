"""The same features through six libraries: where FID, IS, KID, precision and recall are the exact value.

python findings/other_libraries.py prints the table of docs/other-libraries.md as it was measured. Besides ditbench:
pip install torchmetrics==1.9.0 piq==0.8.0 prdc==0.2 pytorch-image-generation-metrics==0.6.1 scikit-learn
"""

import contextlib
import io
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import piq
import torch
from cleanfid.fid import frechet_distance as clean_fid
from piq.isc import inception_score as piq_score
from prdc import compute_prdc
from pytorch_image_generation_metrics.core import calculate_frechet_inception_distance as pigm_fid
from pytorch_image_generation_metrics.core import calculate_inception_score as pigm_score
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

warnings.simplefilter("ignore")
D = 64
Set = torch.Tensor


class Given(torch.nn.Module):
    """An extractor for torchmetrics that takes features for images."""

    num_features = D

    def forward(self, features: Set) -> Set:
        return features


def pooled(n: int, seed: int, shift: float = 0.0) -> Set:
    """Features [n,D] as pooled activations are: correlated, not negative; float32."""
    mixing = np.random.default_rng(7).normal(size=(D, D)) / D**0.5
    x = np.maximum(np.random.default_rng(seed).normal(shift, 1, (n, D)) @ mixing, 0)
    return torch.from_numpy(x.astype(np.float32))


def exact_fid(x: Set, y: Set) -> float:
    x, y = x.double().numpy(), y.double().numpy()
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(other)
    factor = vectors * np.sqrt(values.clip(0))
    root = np.sqrt(np.linalg.eigvalsh(factor.T @ one @ factor).clip(0)).sum()
    gap = x.mean(0) - y.mean(0)
    return float(gap @ gap + np.trace(one) + np.trace(other) - 2 * root)


def torchmetrics_fid(x: Set, y: Set) -> float:
    metric = FrechetInceptionDistance(feature=Given())
    metric.update(y, real=True), metric.update(x, real=False)
    return float(metric.compute())


def statistics(x: Set) -> tuple[np.ndarray, np.ndarray]:
    return x.numpy().mean(0), np.cov(x.numpy(), rowvar=False)


def pigm_torch(x: Set, y: Set) -> float:
    mean, covariance = (torch.from_numpy(part.astype(np.float32)) for part in statistics(y))
    return pigm_fid(x, mean, covariance, use_torch=True)


FID = {
    "torchmetrics": torchmetrics_fid,
    "piq": lambda x, y: float(piq.FID().compute_metric(x, y)),
    "torch-fidelity": lambda x, y: fid_statistics_to_metric(
        fid_features_to_statistics(x), fid_features_to_statistics(y), verbose=False
    )["frechet_inception_distance"],
    "clean-fid": lambda x, y: clean_fid(*statistics(x), *statistics(y)),
    "pigm (NumPy)": lambda x, y: pigm_fid(x.numpy(), *statistics(y)),
    "pigm (torch)": pigm_torch,
}


def exact_score(logits: Set, splits: int) -> float:
    def one(rows: Set) -> float:
        p = rows.double().softmax(1)
        return float((p * (p.log() - p.mean(0).log())).sum(1).mean().exp())

    bounds = [i * len(logits) // splits for i in range(splits + 1)]
    return float(np.mean([one(logits[a:b]) for a, b in pairwise(bounds)]))


def torchmetrics_score(logits: Set) -> float:
    metric = InceptionScore(feature=Given(), splits=10)
    metric.update(logits)
    return float(metric.compute()[0])


IS = {
    "torchmetrics": torchmetrics_score,
    "piq": lambda z: float(piq_score(z)[0]),
    "torch-fidelity": lambda z: isc_features_to_metric(z)["inception_score_mean"],
    "pigm": lambda z: float(pigm_score(z.softmax(1).numpy())[0]),
}


def exact_kid(x: Set, y: Set) -> float:
    x, y = x.double().numpy(), y.double().numpy()

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / D + 1) ** 3

    def off(k: np.ndarray) -> float:
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    return float(off(kernel(x, x)) + off(kernel(y, y)) - 2 * kernel(x, y).mean())


def torchmetrics_kid(x: Set, y: Set) -> float:
    metric = KernelInceptionDistance(feature=Given(), subset_size=min(1000, len(x), len(y)))
    metric.update(y, real=True), metric.update(x, real=False)
    return float(metric.compute()[0])


def fidelity_kid(x: Set, y: Set) -> float:
    size = min(1000, len(x), len(y))
    return kid_features_to_metric(x, y, kid_subset_size=size, verbose=False)["kernel_inception_distance_mean"]


KID = {
    "torchmetrics": torchmetrics_kid,
    "piq": lambda x, y: float(piq.KID().compute_metric(x, y)),
    "torch-fidelity": fidelity_kid,
}


def exact_shares(x: Set, y: Set, k: int = 3) -> tuple[float, float]:
    x, y = x.double(), y.double()

    def inside(points: Set, centres: Set) -> float:
        to_own = (centres[:, None] - centres[None]).norm(dim=2).sort(dim=1).values[:, k]  # after itself
        return float(((points[:, None] - centres[None]).norm(dim=2) <= to_own).any(dim=1).double().mean())

    return inside(x, y), inside(y, x)


def prdc_shares(x: Set, y: Set) -> tuple[float, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(y.numpy(), x.numpy(), nearest_k=3)
    return float(found["precision"]), float(found["recall"])


def fidelity_shares(x: Set, y: Set) -> tuple[float, float]:
    found = prc_features_to_metric(x, y, verbose=False)
    return found["precision"], found["recall"]


SHARES = {
    "prdc": prdc_shares,
    "piq": lambda x, y: tuple(map(float, piq.PR(nearest_k=3).compute_metric(y, x))),
    "torch-fidelity": fidelity_shares,
}


def tried(call: Callable, *args: Set) -> object:
    torch.manual_seed(0)
    try:
        given = [rows.clone() for rows in args]
        found = call(*given)
    except Exception as error:
        changed = any(not torch.equal(a, b) for a, b in zip(args, given, strict=True) if torch.isfinite(a).all())
        return f"{type(error).__name__}: {str(error)[:60]}{', and its input is changed' if changed else ''}"
    return [round(value, 6) for value in found] if isinstance(found, tuple) else f"{found:.6g}"


def show(title: str, libraries: dict, exact: object, *args: Set) -> None:
    print(f"{title}: exact {exact if isinstance(exact, tuple) else format(exact, '.6g')}")
    for name, call in libraries.items():
        print(f"    {name}: {tried(call, *args)}")


def main() -> None:
    x, y = pooled(2000, 0, 0.1), pooled(2500, 1)
    holed = x.clone()
    holed[3, 4] = torch.nan
    pairs = {
        "2,000 against 2,500": (x, y),
        "50 samples, fewer than dimensions": (x[:50], y),
        "copies: a set against itself": (x, x.clone()),
        "every sample twice": (x.repeat(2, 1), y),
        "half precision": (x.half(), y.half()),
        "mean 100 times the spread": (x + 60, y + 60),
        "one NaN": (holed, y),
    }
    for title, (a, b) in pairs.items():
        finite = bool(torch.isfinite(a).all())
        nan = float("nan")
        show(f"FID, {title}", FID, exact_fid(a, b) if finite else nan, a, b)
        show(f"KID, {title}", KID, exact_kid(a, b) if finite else nan, a, b)
        if len(a) <= 2500:
            # below the sizes at which every pair of distances would take minutes
            show(f"precision and recall, {title}", SHARES, exact_shares(a, b) if finite else nan, a, b)
    few = pooled(300, 2).repeat_interleave(5, 0)
    show(
        "precision and recall, every sample and real image five times",
        SHARES,
        exact_shares(few, few[::2]),
        few,
        few[::2],
    )
    z = torch.randn(2003, 10, generator=torch.Generator().manual_seed(0))
    z[torch.arange(2003), torch.arange(2003) % 10] += 6
    ordered = z[z.argmax(1).argsort(stable=True)]
    sure = torch.eye(10).repeat(200, 1) * 120
    for title, logits in {"2,003 mixed": z, "2,003 sorted by class": ordered, "certain": sure}.items():
        show(f"IS in 10 splits, {title} (one split {exact_score(logits, 1):.6g})", IS, exact_score(logits, 10), logits)


if __name__ == "__main__":
    main()
