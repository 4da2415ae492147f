"""Which files a folder holds, and in which order: one rule wherever images or shards are listed.

Natural order: paths are compared folder by folder, and runs of digits by their number, so `2.png` precedes `10.png`
whether or not numbers are padded with zeros. Hidden files and folders (".name") are passed over, links are followed.
Nothing is left out silently: what cannot be listed, leads nowhere or would be counted twice is refused by name.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath

from bench.host.notice import say
from models.errors import InputError, first_line

NUMBER = re.compile("([0-9]+)")
Key = tuple[object, ...]


def natural_key(path: PurePath | str) -> Key:
    """What to sort names or relative paths by; equal numbers of other spellings (1, 01) are told apart by the text."""
    parts = PurePath(path).parts
    return tuple(tuple(numbered(part)) for part in parts), parts


def numbered(name: str) -> Iterator[str | int]:
    """Text and numbers in turn, beginning with text, so that like always meets like."""
    for i, piece in enumerate(NUMBER.split(name)):
        yield int(piece) if i % 2 else piece


def visible(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder that are not hidden, in natural order. Raises InputError for a link that leads nowhere."""
    try:
        with os.scandir(folder) as listed:
            entries = [entry for entry in listed if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or first_line(error)})") from error
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise InputError(f"{entry.path}: a link to '{os.readlink(entry.path)}', which is not there")
    return sorted(entries, key=lambda entry: natural_key(entry.name))


def folders_in(folder: Path) -> list[str]:
    """Names of a folder's own visible subfolders, linked ones among them, in natural order."""
    return [entry.name for entry in visible(folder) if entry.is_dir()]


def files_in(folder: Path, suffix: str) -> list[Path]:
    """A folder's own visible files with this suffix, in natural order."""
    return [Path(entry.path) for entry in visible(folder) if entry.name.endswith(suffix) and entry.is_file()]


def files_under(folder: Path, suffixes: Collection[str], refused: Collection[str] = ()) -> list[Path]:
    """Files of `folder` and its subfolders with one of the lower-case `suffixes`, in natural order.

    Other files are passed over, and counted on stderr. Raises InputError for a file with one of the `refused` suffixes,
    and as the module says.
    """
    listed: dict[Path, Path] = {}  # real file -> the path that it was found by
    others: Counter[str] = Counter()
    for path, real in walk(folder):
        suffix = path.suffix.lower()
        if suffix in refused:
            raise InputError(f"{path}: '{path.suffix}' is not read, expected {', '.join(sorted(suffixes))}")
        if suffix not in suffixes:
            others[path.suffix or "without one"] += 1
        elif listed.setdefault(real, path) != path:
            raise InputError(f"{path}: leads to {listed[real]} once more, which would count twice")
    if others:
        say(f"{folder}: {passed_over(others)}")
    return sorted(listed.values(), key=lambda path: natural_key(path.relative_to(folder)))


def passed_over(others: Counter[str]) -> str:
    """How many files were passed over, by suffix."""
    listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items())[:5])
    return f"passed over by their suffixes: {listed}{', …' if len(others) > 5 else ''}"


def walk(folder: Path) -> Iterator[tuple[Path, Path]]:
    """All visible files under a folder, and the real file of each.

    Raises InputError for a folder that is reached twice, by a link, and for what is neither file nor folder.
    """
    entered = {path: path for path in folder.resolve().parents}  # real folder -> the path that it was entered by
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        real = inside.resolve()
        if real in entered:
            raise InputError(f"{inside}: leads to {entered[real]} once more, whose files would count twice")
        entered[real] = inside
        for entry in visible(inside):
            if entry.is_dir():
                waiting.append(Path(entry.path))
            elif entry.is_file():
                path = Path(entry.path)
                yield path, path.resolve() if entry.is_symlink() else real / entry.name
            else:
                raise InputError(f"{entry.path}: is neither a file nor a folder")
