"""Steps of a study that are kept until it is finished, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.host.files import write_bytes
from bench.schema.checksum import is_sealed, problem_of, sealed
from models.errors import InputError, expect_name
from models.json_object import read_object


def compact(content: Any) -> bytes:
    """JSON without blanks; NaN and infinity are refused."""
    return (json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n").encode()


@dataclass(frozen=True)
class Steps:
    """`identity` is all that results depend on: what another code or other settings left behind is made anew."""

    folder: Path
    identity: str

    def __call__(self, name: str, measure: Callable[[], Any]) -> Any:
        """What `measure` returns, as JSON gives it back; from the folder where it was kept."""
        expect_name("a step's name", name)
        path = self.folder / f"{name}.json"
        kept = read_kept(path)
        if kept.get("identity") != self.identity or "value" not in kept:
            value = json.loads(compact(measure()))  # as a resumed run reads it
            kept = sealed({"identity": self.identity, "value": value})
            write_bytes(path, compact(kept))
        return kept["value"]

    def forget(self) -> None:
        """The study is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_kept(path: Path) -> dict[str, Any]:
    """What a file keeps; nothing where there is none, or it is damaged or was edited: the step is then made anew."""
    try:
        kept = read_object(path, "a study's step") if path.is_file() else {}
    except InputError:
        return {}
    return kept if is_sealed(kept) and problem_of(kept) is None else {}
