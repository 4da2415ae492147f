"""The suite. Its packages `methods` and `models` are those beside this one, whatever else is called so.

Research repositories have a `models.py` at their root, and `python -m bench`, `torchrun -m bench` and PYTHONPATH put
that folder first on the path. So these two names are found here, before the path is asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

HOME = Path(__file__).resolve().parent.parent
PACKAGES = ("methods", "models")


class Beside:
    """Finds `PACKAGES` in `HOME`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(HOME)]) if path is None and name in PACKAGES else None


def require_own(loaded: dict[str, ModuleType]) -> None:
    """Raise ImportError where another module of one of these names is loaded already."""
    for name in PACKAGES:
        file = getattr(loaded.get(name), "__file__", None)
        if name in loaded and (file is None or Path(file).resolve().parent != HOME / name):
            other = f"another ({file or 'without a file'}) is loaded"
            raise ImportError(f"bench needs its own package '{name}', but {other}: import bench first")


require_own(sys.modules)
if Beside not in sys.meta_path:
    sys.meta_path.insert(0, Beside)
