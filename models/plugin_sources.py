"""Which files a plugin's results depend on: its own, and the modules that it imports, those of a repository among them.

Installed packages, the standard library and ours are none of them. Only what is imported while the plugin itself is
read is seen; a module that an earlier plugin imported, too, counts as that one's.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

OURS = [Path(__file__).resolve().parents[1] / name for name in ("bench", "methods", "models")]
INSTALLED = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")]

_known: dict[Path, list[Path]] = {}  # a plugin's file -> those that it brought
_reading: list[set[Path]] = []  # what the plugins that are being read have brought so far, the innermost last


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Within it a plugin is read."""
    before = set(sys.modules)
    _reading.append(set())
    try:
        yield
    finally:
        brought = _reading.pop() | files_of(module for name, module in sys.modules.items() if name not in before)
        _known[file.resolve()] = sorted(brought - {file.resolve()})


def brought(modules: Iterable[ModuleType]) -> None:
    """Say that the plugin that is being read uses these modules, which are not going to stay among the loaded ones."""
    if _reading:
        _reading[-1].update(files_of(modules))


def sources_of(file: Path) -> list[Path]:
    """A plugin's file and those that it brought."""
    return [file, *_known.get(file.resolve(), [])]


def files_of(modules: Iterable[ModuleType]) -> set[Path]:
    named = (getattr(module, "__file__", None) for module in modules)
    files = {Path(name).resolve() for name in named if name}
    return {file for file in files if not any(file.is_relative_to(place) for place in [*OURS, *INSTALLED])}
