"""Downloads: resumed, checked, whole or not at all."""

import errno
import hashlib
import json
import multiprocessing
import socket

import pytest
from file_server import Files, serving

from models import fetch as fetching
from models import transfer as transferring
from models.errors import InputError
from models.fetch import cache_directory, fetch, recorded_sha256

BODY = bytes(range(256)) * 500
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    monkeypatch.setattr(transferring, "CHUNK", 1000)


@pytest.fixture
def files():
    with serving(Files({"/a/w.pt": BODY})) as served:
        yield served


def left(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_file_is_fetched_once_and_its_digest_recorded(files, tmp_path):
    path = fetch(f"{files.url}/a/w.pt", directory=tmp_path)
    assert (path.read_bytes(), path.name) == (BODY, "w.pt")
    record = json.loads((tmp_path / "w.pt.json").read_text())
    assert (record["sha256"], record["size"], record["pinned"]) == (DIGEST, len(BODY), False)
    assert record["url"] == f"{files.url}/a/w.pt"
    assert fetch(f"{files.url}/a/w.pt", sha256=DIGEST, directory=tmp_path) == path
    assert len(files.requests) == 1
    assert left(tmp_path) == ["w.pt", "w.pt.json"]


def test_the_cache_directory_can_be_chosen(files, tmp_path, monkeypatch):
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "own"))
    assert fetch(f"{files.url}/a/w.pt", name="other.pt") == tmp_path / "own" / "other.pt"
    monkeypatch.delenv("DITBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "ditbench"


@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_cut_connection_is_resumed_where_it_was_cut(files, tmp_path, etag):
    files.cut, files.etag = [5000, 7000], etag
    assert fetch(f"{files.url}/a/w.pt", sha256=DIGEST, directory=tmp_path).read_bytes() == BODY
    assert [wanted for _, wanted in files.requests] == [None, "bytes=5000-", "bytes=12000-"]


def test_a_server_without_ranges_starts_over(files, tmp_path):
    files.cut, files.ranges = [5000], False
    assert fetch(f"{files.url}/a/w.pt", directory=tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_file_that_changed_in_between_is_not_spliced(files, tmp_path, etag):
    files.cut, files.etag = [5000, 0, 0, 0], etag
    with pytest.raises(InputError, match=r"connection was cut.* the first 0\.0 MB are kept, fetching again goes on"):
        fetch(f"{files.url}/a/w.pt", directory=tmp_path)
    assert left(tmp_path) == ["w.pt.partial", "w.pt.partial.json"]
    files.content["/a/w.pt"], files.etag = BODY[::-1] + b"!", etag and '"2"'
    assert fetch(f"{files.url}/a/w.pt", directory=tmp_path).read_bytes() == BODY[::-1] + b"!"


def test_a_shorter_file_than_the_one_begun_starts_over(files, tmp_path):
    files.cut = [5000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{files.url}/a/w.pt", directory=tmp_path)
    files.content["/a/w.pt"] = b"short"
    assert fetch(f"{files.url}/a/w.pt", directory=tmp_path).read_bytes() == b"short"


def test_a_wrong_checksum_leaves_nothing(files, tmp_path):
    with pytest.raises(InputError, match=f"SHA-256 is {DIGEST}, expected 00; the download was removed"):
        fetch(f"{files.url}/a/w.pt", sha256="00", directory=tmp_path)
    assert left(tmp_path) == []


def test_a_cached_file_of_another_checksum_is_refused(files, tmp_path):
    path = fetch(f"{files.url}/a/w.pt", directory=tmp_path)
    path.write_bytes(b"other")  # the record no longer holds: hashed again
    assert recorded_sha256(path) == hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InputError, match=r"w\.pt: SHA-256 is .*, expected .*; remove the file to fetch it again"):
        fetch(f"{files.url}/a/w.pt", sha256=DIGEST, directory=tmp_path)


def test_what_cannot_be_fetched_is_one_line(files, tmp_path):
    with pytest.raises(InputError, match="/absent: HTTP 404 Not Found"):
        fetch(f"{files.url}/absent", directory=tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        with pytest.raises(InputError, match=r"no connection \(.*refused"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/w.pt", directory=tmp_path)
    for url in (f"file://{tmp_path}/w.pt", "ftp://example.org/w.pt", str(tmp_path)):
        with pytest.raises(InputError, match="only http and https"):
            fetch(url, directory=tmp_path)
    with pytest.raises(InputError, match="names no file"):
        fetch(f"{files.url}/", directory=tmp_path)
    with pytest.raises(InputError, match="names no file"):
        fetch(f"{files.url}/..%2fw.pt/..", directory=tmp_path)
    (tmp_path / "plain").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        fetch(f"{files.url}/a/w.pt", directory=tmp_path / "plain")


def test_redirects_are_followed_but_not_off_the_web(files, tmp_path):
    files.redirects = {"/moved": f"{files.url}/a/w.pt", "/trap": f"file://{__file__}"}
    assert fetch(f"{files.url}/moved", directory=tmp_path).read_bytes() == BODY
    with pytest.raises(InputError, match="/trap: HTTP 302"):
        fetch(f"{files.url}/trap", directory=tmp_path)
    assert "trap" not in left(tmp_path)


def test_a_full_disk_keeps_the_beginning(files, tmp_path, monkeypatch):
    whole = transferring._copy

    def copy(response, file, bar):
        file.write(response.read(5000))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transferring, "_copy", copy)
    with pytest.raises(InputError, match=r"w\.pt: No space left on device; the first 0\.0 MB are kept"):
        fetch(f"{files.url}/a/w.pt", directory=tmp_path)
    assert left(tmp_path) == ["w.pt.partial", "w.pt.partial.json"]
    monkeypatch.setattr(transferring, "_copy", whole)
    assert fetch(f"{files.url}/a/w.pt", directory=tmp_path).read_bytes() == BODY
    assert files.requests[-1][1] == "bytes=5000-"


def test_a_disk_too_small_is_known_before_the_first_byte(files, tmp_path, monkeypatch):
    monkeypatch.setattr(transferring.shutil, "disk_usage", lambda _: type("usage", (), {"free": 10}))
    with pytest.raises(InputError, match=r"GB to fetch, 0\.00 GB free on this disk"):
        fetch(f"{files.url}/a/w.pt", directory=tmp_path)


def test_ctrl_c_keeps_the_beginning(files, tmp_path, monkeypatch):
    def interrupt(self, count):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(transferring.Bar, "advance", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(f"{files.url}/a/w.pt", directory=tmp_path)
    assert (tmp_path / "w.pt.partial").read_bytes() == BODY[:1000]
    assert not (tmp_path / "w.pt").exists()
    assert fetch(f"{files.url}/a/w.pt", directory=tmp_path).read_bytes() == BODY
    assert files.requests[-1][1] == "bytes=1000-"


def test_processes_that_want_the_same_file_fetch_it_once(files, tmp_path):
    context = multiprocessing.get_context("fork")
    others = [
        context.Process(target=fetch, args=(f"{files.url}/a/w.pt",), kwargs={"directory": tmp_path}) for _ in "12"
    ]
    for process in others:
        process.start()
    for process in others:
        process.join()
    assert [process.exitcode for process in others] == [0, 0]
    assert [path for path, _ in files.requests] == ["/a/w.pt"]


def test_progress_says_how_much_and_how_long():
    bar = transferring.Bar("w.pt", 10_000_000, 40_000_000)
    bar.done, bar.started = 20_000_000, 0.0
    assert bar.text(5.0) == "w.pt: 20 MB of 40 MB (50%), ETA 0.2 min, 2.0 MB/s"
