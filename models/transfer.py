"""One HTTP connection that brings the rest of a file."""

from __future__ import annotations

import errno
import http.client
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

TIMEOUT = 60.0  # seconds without a byte
CHUNK = 2**20
TEMPORARY = (408, 429, 500, 502, 503, 504)  # statuses worth another attempt


class Interrupted(Exception):
    """The connection failed or was cut; another may bring the rest."""


class Rejected(Exception):
    """The server will not send the file."""


def transfer(url: str, partial: Path, earlier: dict[str, Any], begin: Callable[[dict[str, Any]], None]) -> None:
    """Append to `partial` what it lacks of `url`; from the start where the server has another file, or no ranges.

    `earlier` is what `begin` was given when the file was begun: its `validator` (ETag or date) and `size`, None where
    the server does not say. Raises Interrupted, Rejected, or OSError where the file cannot be written.
    """
    have = partial.stat().st_size if partial.is_file() else 0
    if have and have == earlier.get("size"):
        return
    headers = {"User-Agent": "ditbench", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if earlier.get("validator"):
            headers["If-Range"] = str(earlier["validator"])
    try:
        response = _opener().open(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and have:  # what is here is no beginning of that file
            partial.unlink()
            raise Interrupted("the server has another file than the one begun") from error
        raise (Interrupted if error.code in TEMPORARY else Rejected)(f"HTTP {error.code} {error.reason}") from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise Interrupted(f"no connection ({getattr(error, 'reason', None) or error})") from error
    with response:
        first, total = _position(response, have)
        if first and total != earlier.get("size"):
            partial.unlink()
            raise Interrupted("the server has another file than the one begun")
        if not first:
            begin({"validator": _validator(response), "size": total})
        _check_room(partial.parent, None if total is None else total - first)
        with partial.open("ab" if first else "wb") as file:
            _copy(response, file, Bar(partial.name.removesuffix(".partial"), first, total))


def _opener() -> OpenerDirector:
    """HTTP and HTTPS alone: a redirect to a local file or to FTP is an error."""
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler, HTTPDefaultErrorHandler,
                    HTTPErrorProcessor, UnknownHandler):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _position(response: Any, have: int) -> tuple[int, int | None]:
    """(first byte that comes, size of the whole file or None)."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != have:
            raise Rejected(f"answers a range with '{response.headers.get('Content-Range')}'")
        return have, int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _validator(response: Any) -> str | None:
    etag = response.headers.get("ETag") or ""
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _check_room(directory: Path, needed: int | None) -> None:
    free = shutil.disk_usage(directory).free
    if needed is not None and needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:.2f} GB to fetch, {free / 1e9:.2f} GB free on this disk")


def _copy(response: Any, file: BinaryIO, bar: Bar) -> None:
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted(f"the connection was cut ({error})") from error
        if not chunk:
            break
        file.write(chunk)
        bar.advance(len(chunk))
    bar.close()
    if bar.total is not None and bar.done < bar.total:
        raise Interrupted(f"the connection was cut at {bar.done} of {bar.total} bytes")


class Bar:
    """Progress of one download on stderr, with an ETA: a moving line in a terminal, else a line every ten seconds."""

    def __init__(self, name: str, done: int, total: int | None) -> None:
        self.name, self.first, self.done, self.total = name, done, done, total
        self.started = self.shown = time.monotonic()
        self.moving = sys.stderr.isatty()

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.shown >= (0.2 if self.moving else 10.0):
            self.shown = now
            print(f"\r{self.text(now)}\x1b[K" if self.moving else self.text(now), file=sys.stderr,
                  end="" if self.moving else "\n", flush=True)  # fmt: skip

    def text(self, now: float) -> str:
        rate = (self.done - self.first) / max(now - self.started, 1e-9)
        text = f"{self.name}: {self.done / 1e6:.0f} MB"
        if self.total:
            eta = (self.total - self.done) / max(rate, 1e-9)
            text += f" of {self.total / 1e6:.0f} MB ({self.done / self.total:.0%}), ETA {eta / 60:.1f} min"
        return f"{text}, {rate / 1e6:.1f} MB/s"

    def close(self) -> None:
        if self.moving:
            print("\r\x1b[K", file=sys.stderr, end="", flush=True)
