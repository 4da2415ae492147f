"""torch-fidelity's metrics on features, imported on first use because a broken torchvision breaks the import.

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


class MetricsUnavailable(InputError):
    """torch-fidelity cannot be imported; the message says what to install."""


def features_to_metric(metric: str) -> Callable[..., dict[str, float]]:
    """torch-fidelity's `<metric>_features_to_metric`; `metric` is isc, kid or prc.

    Raises MetricsUnavailable, one line, when the library is missing, broken or of another version.
    """
    try:
        module: Any = importlib.import_module(FUNCTIONS[metric])
        return getattr(module, f"{metric}_features_to_metric")
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise MetricsUnavailable(
            f"torch-fidelity cannot be used ({type(error).__name__}: {reason}); it needs a torchvision built for "
            f"torch {torch.__version__}: pip install --upgrade torch torchvision 'torch-fidelity>=0.4,<0.5', "
            "torch and torchvision from one index"
        ) from error
