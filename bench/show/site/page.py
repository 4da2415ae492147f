"""A page of the site before it is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Page:
    """Where a page lies below the site's folder, its template, and what the template is given."""

    path: str
    template: str
    context: dict[str, Any]
