"""What a file is that was saved under the name of weights, as its first bytes say."""

from __future__ import annotations

import zipfile
from pathlib import Path

HEAD = 512  # bytes that tell
POINTER = "not the file that it stands for"
SIGNATURES = (
    (b"version https://git-lfs", f"a Git LFS pointer, {POINTER} ('git lfs pull' fetches that)"),
    (b"/annex/objects/", f"a git-annex pointer, {POINTER} ('git annex get' fetches that)"),
    (b"<!doctype html", "an HTML page, as a download that asks for a login or a confirmation gives"),
    (b"<html", "an HTML page, as a download that asks for a login or a confirmation gives"),
    (b"<?xml", "an XML document, most likely a server's error message"),
    (b"<error", "an XML document, most likely a server's error message"),
    (b"{", "a JSON file"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"\x89hdf\r\n", "an HDF5 file (Keras, TensorFlow)"),
    (b"\x93numpy", "a NumPy array (.npy)"),
    (b"gguf", "a GGUF file, whose tensors are quantised"),
)


def no_weights(path: Path) -> str | None:
    """A few words for a file that cannot hold weights; None where it may."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "an empty file"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, words in SIGNATURES:
        if text.startswith(signature):
            return words
    return _archive(path) if head.startswith(b"PK") and zipfile.is_zipfile(path) else None


def is_safetensors(path: Path) -> bool:
    """Whether the file begins as safetensors do: eight bytes of length, then that much JSON."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size


def _archive(path: Path) -> str | None:
    """What a zip archive is that torch.save did not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rsplit("/", 1)[-1] for name in archive.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return "a damaged zip archive"
    if "constants.pkl" in names:
        return "a TorchScript archive: save the module's state_dict"
    if "data.pkl" in names:
        return None
    return "an npz of NumPy arrays" if any(n.endswith(".npy") for n in names) else "a zip archive: unpack it"
