"""What a cell's parts are called: in titles for people, and in slugs, which are file names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from bench.suite.part import Part


def sampler_title(sampler: Part) -> str:
    """`DDIM-50 (eta=1)`: title, steps, and what else is stated."""
    steps = sampler.params.get("steps")
    return sampler.title + ("" if steps is None else f"-{steps}") + in_brackets(sampler.stated_besides_steps)


def sampler_slug(sampler: Part) -> str:
    """`ddim-50-eta-1`."""
    steps = sampler.params.get("steps")
    return safe(sampler.name) + ("" if steps is None else f"-{safe(steps)}") + pairs(sampler.stated_besides_steps)


def cache_slug(cache: Part) -> str:
    """`fora-interval-3`."""
    return safe(cache.name) + pairs(cache.stated)


def pairs(params: dict[str, Any]) -> str:
    """`-interval-3-order-2`, for a slug."""
    return "".join(f"-{safe(key)}-{safe(value)}" for key, value in params.items())


def in_brackets(params: dict[str, Any]) -> str:
    """` (interval=3, order=2)`, for a title; nothing where there are no parameters."""
    return f" ({listed(params)})" if params else ""


def listed(params: dict[str, Any]) -> str:
    """`interval=3, order=2`."""
    return ", ".join(f"{key}={text_of(value)}" for key, value in params.items())


def text_of(value: Any) -> str:
    """Values that differ must not share a file name: floats in their short form where that loses nothing.

    A table is its keys and a hash: `attn+mlp-1a2b3c4d`.
    """
    if isinstance(value, Mapping):
        return f"{'+'.join(map(safe, value))}-{digest(json.dumps(value, sort_keys=True))}"
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def safe(value: Any) -> str:
    """A value as part of a file name; where that loses something, a hash keeps names apart."""
    text = text_of(value)
    clean = re.sub(r"[^A-Za-z0-9+._-]+", "-", text).strip("-.")[-40:]
    return clean if clean == text else f"{clean}-{digest(text)}".strip("-")


def digest(text: str) -> str:
    """Eight hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
