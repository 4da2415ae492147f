"""The checksum that a result's file carries, so that a number that was edited, or copied in part, is found.

It is the SHA-256 of the file's JSON in one form: members sorted by name, no blanks, characters beyond ASCII escaped.
The checksum itself is left out of it, and `code`, which is stamped anew where code moves and no number does. So a file
may be laid out anew, but no number in it may be written otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FIELD = "checksum"
LEFT_OUT = (FIELD, "code")


def checksum(document: Mapping[str, Any]) -> str:
    """Of a JSON object, 64 hexadecimal digits. Raises ValueError for NaN and infinities, which JSON has not."""
    counted = {name: value for name, value in document.items() if name not in LEFT_OUT}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its checksum as the last member, in place of one that it had. Keys must be strings."""
    return {**without(document), FIELD: checksum(document)}


def without(document: Mapping[str, Any]) -> dict[str, Any]:
    """The object without a checksum: for whoever changes it."""
    return {name: value for name, value in document.items() if name != FIELD}


def is_sealed(document: Mapping[str, Any]) -> bool:
    """Whether it has a checksum; files written before there were any have none."""
    return FIELD in document


def problem_of(document: Mapping[str, Any]) -> str | None:
    """Why the checksum, where there is one, cannot be of this object."""
    if not is_sealed(document) or document[FIELD] == checksum(document):
        return None
    return f"{FIELD} does not fit what the file says: it was edited, or copied in part"
