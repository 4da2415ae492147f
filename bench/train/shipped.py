"""Files that come with the package are not overwritten by accident."""

from __future__ import annotations

from pathlib import Path

from models.errors import InputError


def expect_not_shipped(path: Path, package_folder: Path, force: bool) -> None:
    """Raise InputError where `path` exists in `package_folder`, unless `force`; a checkpoint alone is no such file."""
    if path.exists() and path.resolve().is_relative_to(package_folder.resolve()) and not force:
        raise InputError(f"{path}: exists and belongs to the package; pass --out for another place, --force to replace")
