"""Golden vectors: tensors and settings recorded from the official implementations (see tests/golden/README.md)."""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = (REPOSITORY / "tests" / "golden", REPOSITORY.parent / "shared" / "golden")


def find(name: str) -> Path | None:
    """Path of `name`.json in the first folder that holds it, or None."""
    return next((folder / f"{name}.json" for folder in FOLDERS if (folder / f"{name}.json").is_file()), None)


@cache
def load(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (empty where there is only JSON) and the sidecar of one golden file; skips the test if absent."""
    path = find(name)
    if path is None:
        pytest.skip(f"golden file {name} is not here")
    sidecar = json.loads(path.read_text())
    files = [path.with_name(f"{stem}.safetensors") for stem in (path.stem, sidecar.get("weights", path.stem))]
    return {key: value for file in files if file.is_file() for key, value in load_file(file).items()}, sidecar


def entries(name: str, key: str) -> list[Any]:
    """The list `key` of a sidecar, for parametrising; empty where the file is absent."""
    path = find(name)
    return json.loads(path.read_text())[key] if path else []


def requires(*names: str) -> pytest.MarkDecorator:
    """Skip unless every golden file is here."""
    missing = [name for name in names if find(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"golden files not here: {', '.join(missing)}")


def model_config(name: str, model_class: type) -> dict[str, Any]:
    """The recorded constructor arguments that `model_class` takes (official ones may have more)."""
    accepted = inspect.signature(model_class).parameters
    return {key: value for key, value in load(name)[1]["model_config"].items() if key in accepted}


def build_model(name: str, model_class: type) -> Any:
    """The recorded model with its recorded weights, in eval mode, without gradients."""
    model = model_class(**model_config(name, model_class))
    model.load_state_dict({key[6:]: value for key, value in load(name)[0].items() if key.startswith("model.")})
    return model.eval().requires_grad_(False)


def relative(a: Tensor, b: Tensor) -> float:
    """max|a - b| / max|b|, `b` the reference."""
    assert a.shape == b.shape, f"{tuple(a.shape)} against {tuple(b.shape)}"
    return float((a - b).abs().max() / b.abs().max())
