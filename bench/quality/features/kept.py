"""Features of images from outside, kept in the cache directory up to a size; those that were not used longest go.

DITBENCH_CACHE_LIMIT says how many gigabytes (10⁹ bytes) they may take together.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from pathlib import Path

from bench.host.removal import Found, found
from models.errors import InputError
from models.fetch import cache_directory

LIMIT, VARIABLE = 20.0, "DITBENCH_CACHE_LIMIT"
NAME = re.compile(r"[0-9a-f]{32}\.safetensors")
WHAT = "sets of kept features"


def kept_file(fingerprint: str, images_sha256: str) -> Path:
    """Where features of these images by this extractor are kept, there or not."""
    key = hashlib.sha256(f"{fingerprint}\n{images_sha256}".encode()).hexdigest()
    return cache_directory() / "features" / f"{key[:32]}.safetensors"


def limit() -> int:
    """Bytes that kept features may take together. Raises InputError where the environment says no such number."""
    stated = os.environ.get(VARIABLE) or str(LIMIT)
    try:
        gigabytes = float(stated)
    except ValueError:
        gigabytes = math.nan
    if not 0 <= gigabytes < 1e9:
        raise InputError(f"{VARIABLE} must be a number of gigabytes, 0 or more, got '{stated}'")
    return int(gigabytes * 1e9)


def kept_features() -> list[Found]:
    """All kept sets of features, the one that was not used longest first."""
    sets = []
    for path in (cache_directory() / "features").glob("*.safetensors"):
        with contextlib.suppress(OSError):
            if NAME.fullmatch(path.name):
                sets.append(found(WHAT, [path]))
    return sorted(sets, key=lambda kept: (kept.used, kept.files))


def beyond(bytes_allowed: int) -> list[Found]:
    """Those that have to go, so that what stays is no larger."""
    sets = kept_features()
    total = sum(kept.size for kept in sets)
    gone = []
    for kept in sets:
        if total <= bytes_allowed:
            break
        gone.append(kept)
        total -= kept.size
    return gone


def trim() -> None:
    """Keep the limit. Raises InputError where the environment says none."""
    for kept in beyond(limit()):
        kept.remove()


def note_use(path: Path) -> None:
    """A kept set was read now."""
    with contextlib.suppress(OSError):
        os.utime(path)
