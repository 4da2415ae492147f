"""Names of pages: safe as a file's name on every system, whatever the thing is called, and no two the same."""

from __future__ import annotations

import hashlib

MAX_NAME = 60  # characters of a page's name


class Names:
    """Hands out page names of one folder, always the same for the same things in the same order."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}  # the page's name -> the text that it stands for

    def of(self, text: str) -> str:
        """The page name of `text`: what it was given before, else a new one."""
        for name, owner in self._taken.items():
            if owner == text:
                return name
        name = plain(text)
        if name in self._taken:
            name = f"{name}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
        self._taken[name] = text
        return name


def plain(text: str) -> str:
    """Lower-case ASCII letters, digits and single hyphens; `page` where nothing is left."""
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in text[: 4 * MAX_NAME].lower().replace("+", "p"))
    name = "-".join(kept.split())[:MAX_NAME].strip("-")
    return f"page-{name}".rstrip("-") if not name or name in _RESERVED else name


_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))})
