"""A local HTTP server for downloads, which can be told to misbehave."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Files:
    """What the server has, and how it behaves. `requests` holds (path, Range header or None) as they came."""

    content: dict[str, bytes] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)  # bytes after which the next responses end early
    ranges: bool = True
    etag: str | None = '"1"'
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    url: str = ""


@contextlib.contextmanager
def serving(files: Files) -> Iterator[Files]:
    """Serve `files` on a free local port while the block runs; sets `files.url`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.respond(body=False)

        def do_GET(self) -> None:
            self.respond(body=True)

        def respond(self, body: bool) -> None:
            wanted = self.headers.get("Range")
            files.requests.append((self.path, wanted))
            if self.path in files.redirects:
                self.send_response(302)
                self.send_header("Location", files.redirects[self.path])
                self.end_headers()
                return
            whole = files.content.get(self.path)
            if whole is None:
                return self.send_error(404)
            first = self.first_byte(wanted)
            if first > len(whole):
                return self.send_error(416)
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(whole) - 1}/{len(whole)}")
            if files.etag:
                self.send_header("ETag", files.etag)
            self.send_header("Content-Length", str(len(whole) - first))
            self.end_headers()
            if body:
                self.wfile.write(whole[first : first + files.cut.pop(0)] if files.cut else whole[first:])

        def first_byte(self, wanted: str | None) -> int:
            match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
            if not files.ranges or match is None or self.headers.get("If-Range", files.etag) != files.etag:
                return 0
            return int(match[1])

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
