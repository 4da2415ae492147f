"""Results of studies that nobody measured, as files: for tests of the pages about them."""

from __future__ import annotations

import json
from pathlib import Path

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 4"><rect width="8" height="4"/></svg>'


def result(study: str = "transfer", model: str = "dit-mnist", **other) -> dict:
    return {
        "version": 1, "study": study, "model": model, "question": f"What of {study}?",
        "answer": f"{study} of {model}: 0.41 [0.38, 0.44].", "command": f"ditbench study {study} --model {model}",
        "identity": "0" * 16, "settings": {"seeds": 4}, "made_with": {"torch": "2"}, "data": {"errors": [0.5]},
        "tables": [{"caption": "Errors", "head": ["seed", "error"], "rows": [["0", "0.41"], ["1", "0.44"]]}], **other,
    }  # fmt: skip


def write(folder: Path, *results: dict) -> Path:
    """FOLDER/STUDY/MODEL.json and .svg; named by number, so that names may be anything."""
    for number, one in enumerate(results):
        path = folder / f"study-{number}" / f"model-{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(one), "utf-8")
        path.with_suffix(".svg").write_text(SVG, "utf-8")
    return folder
