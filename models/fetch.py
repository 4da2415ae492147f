"""Downloads: whole or not at all, resumed where they were cut, checked by SHA-256, kept in one cache directory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from models.cache_use import hold
from models.errors import InputError
from models.transfer import Interrupted, Rejected, transfer

PARTIAL = ".partial"  # ends the name of a download that is not whole
ATTEMPTS = 3  # connections in a row that bring nothing before a download gives up
PAUSE = 0.5  # seconds before the second of them, doubled for each further one


def cache_directory() -> Path:
    """Where downloads are kept: DITBENCH_CACHE, else $XDG_CACHE_HOME/ditbench, else ~/.cache/ditbench."""
    chosen = os.environ.get("DITBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ditbench"


def fetch(url: str, *, sha256: str | None = None, name: str | None = None, directory: str | Path | None = None) -> Path:
    """The local copy of `url`, downloaded first where it is not there yet.

    It is called `name` (default: the address's last part) in `directory` (default: the cache directory); beside it,
    `<name>.json` records address, size and SHA-256. A download that was cut, or interrupted with Ctrl-C, leaves
    `<name>.partial` and goes on from there the next time. Processes that want the same file wait for one another.
    Raises InputError with one line: an address that is not http(s), no connection, an HTTP status, a wrong checksum
    (the file is then removed), a full disk.
    """
    name = name or unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url}: only http and https addresses are fetched; give a local file by its path")
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InputError(f"{url}: names no file")
    target = Path(directory or cache_directory()) / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_relative_to(cache_directory()):
            hold(cache_directory())
        with _alone(target):
            if not _is_whole(target, sha256):
                _download(url, target, sha256)
        _note_use(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
    return target


def hub_url(repository: str, file: str) -> str:
    """The address of a file of a Hugging Face repository; HF_ENDPOINT names a mirror."""
    return f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/{repository}/resolve/main/{file}"


def recorded_sha256(path: Path) -> str:
    """SHA-256 of a file, from the record beside it where that is still true of the file."""
    record = read_record(_record_file(path))
    state = path.stat()
    if (record.get("size"), record.get("mtime_ns")) == (state.st_size, state.st_mtime_ns) and "sha256" in record:
        return str(record["sha256"])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(target: Path, sha256: str | None) -> bool:
    """Whether the file is here. Raises InputError where it is another one than the pinned."""
    if not target.is_file():
        return False
    recorded = recorded_sha256(target)
    if sha256 not in (None, recorded):
        raise InputError(f"{target}: SHA-256 is {recorded}, expected {sha256}; remove the file to fetch it again")
    return True


def _download(url: str, target: Path, sha256: str | None) -> None:
    partial = target.with_name(target.name + PARTIAL)
    started = _record_file(partial)  # what the server said of the file when it was begun
    if read_record(started).get("url") != url:
        partial.unlink(missing_ok=True)
    fruitless = 0
    while True:
        before = _size(partial)
        try:
            transfer(url, partial, read_record(started), lambda state: _write(started, {"url": url, **state}))
            break
        except Rejected as error:
            raise InputError(f"{url}: {error}") from error
        except Interrupted as error:
            fruitless = 0 if _size(partial) > before else fruitless + 1
            if fruitless == ATTEMPTS:
                raise InputError(f"{url}: {error}{_kept(partial)}") from error
            time.sleep(PAUSE * 2**fruitless / 2 if fruitless else 0)
        except OSError as error:
            raise InputError(f"{target}: {error.strerror or error}{_kept(partial)}") from error
    recorded = recorded_sha256(partial)
    if sha256 not in (None, recorded):
        partial.unlink()
        started.unlink(missing_ok=True)
        raise InputError(f"{url}: SHA-256 is {recorded}, expected {sha256}; the download was removed")
    state = partial.stat()
    record = {
        "url": url,
        "sha256": recorded,
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "pinned": bool(sha256),
    }
    _write(_record_file(target), record)
    os.replace(partial, target)
    started.unlink(missing_ok=True)


def _kept(partial: Path) -> str:
    size = _size(partial)
    return f"; the first {size / 1e6:.1f} MB are kept, fetching again goes on from there" if size else ""


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    with lock_file(target).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lock_file(target: Path) -> Path:
    """Whoever fetches a file locks this one."""
    return target.with_name(f".{target.name}.lock")


def _note_use(target: Path) -> None:
    """The time of a download's record says when it was last asked for."""
    with contextlib.suppress(OSError):
        os.utime(_record_file(target))


def _record_file(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def read_record(path: Path) -> dict[str, Any]:
    """What is noted beside a file; empty where that is nothing, or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, record: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
