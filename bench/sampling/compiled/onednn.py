"""Products by oneDNN, straight from a layer's own weights and with GELU inside: the other kernels that a CPU may take.

torch's own products are its BLAS library's. On an AMD processor with AVX-512 oneDNN was up to twice as fast, with AVX2
alone it was slower (docs/performance.md).
"""

from __future__ import annotations

import time
from functools import cache
from statistics import median

import torch
from torch import Tensor

from bench.sampling.compiled.kernels import Maker, MlpLayer, Product
from bench.sampling.compiled.workspace import Workspace, on_cpu
from models.denoiser import Mlp
from models.errors import InputError

BLAS, ONEDNN, MEASURED = "blas", "onednn", "measured"
KERNELS = (BLAS, ONEDNN, MEASURED)
DTYPES = (torch.float32, torch.bfloat16)  # that its products have everywhere
SHAPES = ((128, 96), (128, 384), (512, 384))  # rows and width of the MLPs that are measured
ROUNDS, LAPS = 7, 2


class OneDnnProduct(Product):
    """A linear layer's weights [out,in] as they are: oneDNN arranges them by itself, and no copy is kept."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight.detach(), bias if bias is None else bias.detach()

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        """rows [R,in] -> [R,out], in `out` where given."""
        result = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return result if out is None else out.copy_(result)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """Rows [R,in/2] of two inputs -> [R,out]."""
        return self(torch.cat([first, second], dim=1))

    def activated(self, rows: Tensor, work: Workspace, approximate: str) -> Tensor:
        """GELU of [R,out], while the products are in registers."""
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "gelu", [], approximate)


def maker(kernels: str, like: Tensor) -> Maker:
    """What makes the products of weights like `like`. Raises InputError where oneDNN has none for them."""
    chosen = measured(like.dtype) if kernels == MEASURED and fits(like) else kernels
    if chosen != ONEDNN:
        return Product
    if not fits(like):
        raise InputError(f"kernels 'onednn': not for {like.dtype} on {like.device.type}, but float32 or bfloat16 on a "
                         "CPU for which torch has oneDNN")  # fmt: skip
    return OneDnnProduct


def fits(like: Tensor) -> bool:
    """Whether oneDNN multiplies by such weights here."""
    found = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return found and on_cpu(like) and like.dtype in DTYPES


@cache
def measured(dtype: torch.dtype) -> str:
    """The faster kernels on this processor, found once a process; torch's own where oneDNN is not so at every shape."""
    if not fits(torch.empty(0, dtype=dtype)):
        return BLAS
    return ONEDNN if all(gain(rows, width, dtype) > 1 for rows, width in SHAPES) else BLAS


@torch.inference_mode()
def gain(rows: int, width: int, dtype: torch.dtype) -> float:
    """How many times as fast oneDNN runs an MLP of [rows,width], in processor time; median of alternating rounds."""
    layer = Mlp(width, 4 * width, "tanh").to(dtype)
    x = torch.randn(1, rows, width, generator=torch.Generator().manual_seed(0)).to(dtype)
    work = Workspace(x, (1, rows, width), 1, 4 * width)
    theirs, ours = MlpLayer(layer), MlpLayer(layer, OneDnnProduct)

    def seconds(mlp: MlpLayer) -> float:
        started = time.process_time()
        for _ in range(LAPS):
            mlp(x, work, None)
        return time.process_time() - started

    ratios = [seconds(theirs) / max(seconds(ours), 1e-9) for _ in range(ROUNDS)]
    return median(ratios[1:])  # the first touches memory and makes kernels
