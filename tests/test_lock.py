"""Locks: one holder, also where the one before removes the file, and on file systems of other habits."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from bench.host.files import OutputError
from bench.host.lock import locked
from bench.store.directory import Store
from models import cache_use
from models.errors import InputError


def test_a_lock_whose_file_was_removed_since_it_was_opened_is_nobodys(tmp_path: Path, monkeypatch) -> None:
    """Else a second run would have the lock of the removed file, and a third that of a new one."""
    path, whole = tmp_path / ".run.lock", fcntl.flock
    removed = []

    def late(file: object, mode: int) -> None:
        if not removed:  # the run that had it ends between our opening and our locking
            removed.append(path.unlink())
        whole(file, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    with Store(tmp_path).exclusive(), pytest.raises(InputError, match="another run"), Store(tmp_path).exclusive():
        pass
    assert removed


@pytest.mark.parametrize("shared", [True, False])
def test_a_lock_is_opened_with_the_rights_that_a_network_file_system_asks_for(tmp_path: Path, shared: bool) -> None:
    """NFS refuses to lock what is not open for reading, to share it, or for writing, to have it alone."""
    with locked(tmp_path / "lock", "busy", shared) as file:
        assert fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def test_the_cache_is_held_with_the_right_to_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cache_use, "_held", {})
    cache_use.hold(tmp_path)
    assert fcntl.fcntl(cache_use._held[tmp_path], fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_one_line_that_names_the_place(tmp_path: Path, number: int, monkeypatch) -> None:
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(OutputError, match=r"cannot lock .*\.run\.lock: .*; choose a place"), Store(tmp_path).shared():
        pass
