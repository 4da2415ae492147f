"""Router files: ours, and the two official layouts. Nothing in a file is executed.

All three hold one tensor '{row}.prob' of logits [branches] a row: a safetensors file with a description (ours; only
trained rows), a torch file with them under 'routers' beside the training arguments (DiT), or a bare one (U-ViT).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from models.errors import InputError, first_line
from models.file_kind import is_safetensors, no_weights
from models.json_object import parse_object

if TYPE_CHECKING:
    from torch import Tensor

MAX_ROWS = 1000  # no sampler takes more steps
MAX_BRANCHES = 100_000  # a file can state any number of them with a few bytes
METADATA_KEY = "router"


@dataclass(frozen=True, eq=False)
class Router:
    """Scores in [0, 1], float32 [rows, branches]; a row that was never trained is NaN."""

    scores: Tensor
    source: str  # what messages name
    card: dict[str, Any] = field(default_factory=dict)  # how it was trained; empty where the file does not say


def read_router(path: str | Path) -> Router:
    """The router in a file. Raises InputError with one line where it is absent, damaged or something else."""
    import torch

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such router file")
    ours = path.suffix == ".safetensors" or is_safetensors(path)
    logits, card = _read_safetensors(path) if ours else (_read_torch(path), {})
    rows = _rows(path, logits)
    count = card.get("rows", max(rows) + 1)
    if type(count) is not int or not max(rows) < count <= MAX_ROWS:
        raise InputError(f"{path}: row {max(rows)} lies outside 0..{MAX_ROWS - 1} or the stated number of rows")
    _check_card(path, card)
    scores = torch.full((count, len(rows[max(rows)])), torch.nan)
    for i, row in rows.items():
        if row.shape != scores.shape[1:]:
            raise InputError(f"{path}: '{i}.prob' has shape {list(row.shape)}, other rows {list(scores.shape[1:])}")
        scores[i] = row.float().sigmoid()
    return Router(scores, str(path), card)


def _check_card(path: Path, card: Mapping[str, Any]) -> None:
    """The numbers that plans and results take from a description."""
    for key, high in (
        ("threshold", 1.0),
        ("seconds", math.inf),
        ("device_seconds", math.inf),
        ("images", math.inf),
        ("l1", math.inf),
    ):
        value = card.get(key, 0)
        if type(value) not in (int, float) or not 0 <= value <= high:
            raise InputError(f"{path}: '{key}' in its description must be a number in [0, {high:g}], got {value!r}")


def write_router(path: Path, logits: Mapping[int, Tensor], card: Mapping[str, Any]) -> None:
    """Store the trained rows' logits [branches] with the description, which must state `rows`, as `write_trained`."""
    write_trained(path, {f"{i}.prob": row.detach().float() for i, row in sorted(logits.items())}, card)


def write_trained(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Store what was trained with its description, atomically. Raises InputError.

    The description is in the file itself, and for people in a JSON file beside it.
    """
    from safetensors.torch import save_file

    partial, readable = path.with_name(path.name + ".partial"), path.with_suffix(".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, readable)
        content = {key: value.contiguous() for key, value in tensors.items()}
        save_file(content, partial, metadata={METADATA_KEY: json.dumps(card, ensure_ascii=False)})
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be written ({error})") from error


def read_card(path: Path) -> dict[str, Any]:
    """The description in a router file of ours, its tensors unread. Raises InputError if it has none."""
    return _read_safetensors(path, tensors=False)[1]


def _read_safetensors(path: Path, tensors: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            about = (file.metadata() or {}).get(METADATA_KEY, "{}")
            content = {key: file.get_tensor(key) for key in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        kind = no_weights(path) if path.is_file() else None
        raise InputError(f"{path}: damaged router file ({kind or first_line(error)})") from error
    return content, parse_object(about, f"{path}: its description")


def _read_torch(path: Path) -> Mapping[str, Any]:
    """Tensors and containers alone; the official files hold an argparse namespace beside the routers."""
    from models.torch_file import read_torch

    content = read_torch(path, "router file")
    if isinstance(content, Mapping) and isinstance(content.get("routers"), Mapping):
        content = content["routers"]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: expected a mapping of '0.prob', '1.prob', … to tensors")
    return content


def _rows(path: Path, content: Mapping[str, Any]) -> dict[int, Tensor]:
    """Row number -> logits [branches]."""
    from torch import Tensor

    from models.checkpoint import check_plain

    rows: dict[int, Tensor] = {}
    for key, value in content.items():
        match = re.fullmatch(r"(\d{1,4})\.prob", str(key))
        if match is None or not isinstance(value, Tensor):
            raise InputError(f"{path}: unexpected entry '{key}', expected '0.prob', '1.prob', …")
        if value.ndim != 1 or not 0 < len(value) <= MAX_BRANCHES:
            raise InputError(f"{path}: '{key}' has shape {list(value.shape)}, expected [branches]")
        check_plain(key, value, path)
        if value.isnan().any():
            raise InputError(f"{path}: '{key}' holds NaN")
        if int(match[1]) in rows:
            raise InputError(f"{path}: row {int(match[1])} is there twice, once as '{key}'")
        rows[int(match[1])] = value
    if not rows:
        raise InputError(f"{path}: holds no router rows ('0.prob', '1.prob', …)")
    return rows


def expect_scores(name: str, value: Any) -> Router:
    """The router in a file or a tensor of scores. Raises InputError, naming the method, for anything else.

    A card without a method is of L2C's; a file without a card, of whoever reads it.
    """
    from torch import Tensor

    if isinstance(value, (str, Path)):
        router = read_router(value)
        made_by = router.card.get("method", name if not router.card else "l2c")
        if made_by != name:
            raise InputError(f"{name}: {value} is a router of '{made_by}', expected one of '{name}'")
        return router
    if not isinstance(value, Tensor):
        raise InputError(f"{name}: 'router' must be a file or a tensor of scores, got {type(value).__name__}")
    if value.ndim != 2 or not value.numel() or not value.is_floating_point():
        raise InputError(
            f"{name}: 'router' must be floating point [rows, branches], got {value.dtype} {list(value.shape)}"
        )
    scores = value.detach().float().cpu()
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError(f"{name}: 'router' must hold scores in [0, 1]; logits go through a sigmoid first")
    return Router(scores, f"{name}: 'router'")


def training_of(router: Router) -> dict[str, Any] | None:
    """What training cost: the seconds of every device that took part, images, λ."""
    card = router.card
    if not all(key in card for key in ("seconds", "images", "l1")):
        return None
    return {"seconds": card.get("device_seconds", card["seconds"]), "images": card["images"], "l1": card["l1"]}
