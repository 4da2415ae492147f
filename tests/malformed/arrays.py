"""Arrays and reference sets: images, labels, statistics and features in npy, npz, safetensors and image files."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.format import write_array
from safetensors.numpy import save

from malformed.case import Case, Content, device, named, nested, pipe, sparse
from malformed.tensors import header as safetensors_header

DIGITS = ["--features", "digit-classifier", "--no-cache"]
IMAGES = np.zeros((4, 32, 32, 1), dtype=np.uint8)


def npy(
    shape: Any,
    dtype: Any = "'|u1'",
    data: bytes = b"\0" * 64,
    order: str = "False",
    magic: bytes = b"\x93NUMPY\x01\x00",
) -> bytes:
    """An .npy of this header, whatever it says."""
    shape = shape if isinstance(shape, str) else repr(tuple(shape))
    text = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(magic) + 2 + len(text)) % 64) + b"\n"
    return magic + struct.pack("<H", len(text)) + text + data


def whole(array: np.ndarray) -> bytes:
    """The .npy of an array."""
    file = io.BytesIO()
    write_array(file, array)
    return file.getvalue()


def npz(**members: bytes) -> bytes:
    """An .npz of members that are .npy files, whatever they hold."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


HEADERS: dict[str, bytes] = {  # of images uint8 [N,32,32,1]; each is wrong for labels and statistics too
    "nothing": b"",
    "half a signature": b"\x93NUM",
    "a signature alone": b"\x93NUMPY\x01\x00",
    "an unknown version": npy((1, 32, 32, 1), magic=b"\x93NUMPY\x09\x00"),
    "a header beyond the end": b"\x93NUMPY\x01\x00\xff\xff{}",
    "a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    "a header that is no literal": npy("(1,)", "open('x')"),
    "a header without a shape": b"\x93NUMPY\x01\x00" + struct.pack("<H", 10) + b"{'a': 1}  ",
    "a negative shape": npy((-4, 32, 32, 1)),
    "two negative sides": npy((4, -32, -32, 1)),
    "an absurd count": npy((10**15, 32, 32, 1)),
    "an absurd side": npy((1, 2**40, 2**40, 1)),
    "a shape beyond 64 bits": npy((2**63, 2**63, 2**63, 1)),
    "a shape of 5,000 digits": npy(f"({'9' * 5000},)"),
    "a shape of floats": npy("(4.0, 32, 32, 1)"),
    "a shape of text": npy("('4', 32, 32, 1)"),
    "a shape of truths": npy("(True, 32, 32, 1)"),
    "a shape that is a number": npy("4"),
    "a shape of 100 nested tuples": npy(nested(100, "(", ",)")),
    "a shape of 5,000 nested tuples": npy(nested(5000, "(", ",)")),
    "a shape of no sides": npy("()"),
    "a shape of 70 sides": npy((1,) * 70),
    "no images": npy((0, 32, 32, 1), data=b""),
    "objects": npy((4,), "'|O'"),
    "an unknown type": npy((4,), "'|q9'"),
    "a structure": npy((4,), "[('a', '<i4'), ('b', '<f4')]"),
    "text": npy((4,), "'<U5'"),
    "complex numbers": npy((4,), "'<c16'"),
    "dates": npy((4,), "'<M8[D]'"),
    "an order that is a number": npy((4, 32, 32, 1), order="3"),
    "fewer bytes than it says": npy((4, 32, 32, 1), data=b"\0" * 10),
    "an absurd count in Fortran order": npy((10**15, 32, 32, 1), order="True"),
}
ARCHIVES: dict[str, bytes] = {
    "empty": b"",
    "no archive": b"PK\x03\x04" + bytes(40),
    "an archive that is cut off": npz(arr_0=whole(IMAGES))[:-30],
    "an archive of nothing": npz(),
    "an archive of text": npz(arr_0=b"text"),
    "two sets of images": npz(arr_0=whole(IMAGES), arr_5=whole(IMAGES)),
}


def evaluate(name: str, file: str, content: Content, *says: str) -> Case:
    return Case(name, ["evaluate", f"{{here}}/{file}", "mnist-5000", *DIGITS], [file, *says], {file: content})


def images() -> list[Case]:
    made = [evaluate(f"npy: {name}", "x.npy", content) for name, content in HEADERS.items()]
    made += [evaluate(f"npz: {name}", "x.npz", npz(arr_0=content)) for name, content in HEADERS.items()]
    made += [evaluate(f"npz: {name}", "x.npz", content) for name, content in ARCHIVES.items() if "two" not in name]
    made.append(evaluate("npz: two sets", "x.npz", ARCHIVES["two sets of images"], "arr_5"))
    strange = {"floats": IMAGES / 255, "int16": IMAGES.astype(np.int16), "colour": np.zeros((4, 32, 32, 3), np.uint8),
               "channels first": np.zeros((4, 1, 32, 32), np.uint8), "no channels": IMAGES[..., 0]}  # fmt: skip
    made += [evaluate(f"npy: {name}", "x.npy", whole(array)) for name, array in strange.items()]
    small = Case("npy: another size", ["evaluate", "{here}/x.npy", "mnist-5000", *DIGITS], ["[1, 16, 16]"])
    made.append(replace(small, files={"x.npy": whole(np.zeros((4, 16, 16, 1), np.uint8))}))
    for name, content in {"a pipe": pipe, "an endless file": device, "a gigabyte of zeros": sparse(2**30)}.items():
        made += [evaluate(f"{suffix}: {name}", f"x.{suffix}", content) for suffix in ("npy", "npz")]
    made += [evaluate(f"a folder: {name}", "d", lambda path, c=content: (path.mkdir(), (path / "a.png").write_bytes(c)))
             for name, content in PICTURES.items()]  # fmt: skip
    return [
        *made,
        evaluate("an empty folder", "d", lambda path: path.mkdir()),
        evaluate("another suffix", "x.txt", b"x"),
    ]


PICTURES = {
    "an empty image": b"",
    "text": b"text",
    "a PNG's signature": b"\x89PNG\r\n\x1a\n",
    "a PNG of absurd size": b"\x89PNG\r\n\x1a\n"
    + struct.pack(">I", 13)
    + b"IHDR"
    + struct.pack(">II", 2**31 - 1, 2**31 - 1)
    + bytes([8, 0, 0, 0, 0])
    + bytes(4),
    "a BMP of negative size": b"BM"
    + struct.pack("<IHHI", 60, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, -5, -5, 1, 24, 0, 0, 0, 0, 0, 0),
    "a GIF": b"GIF89a" + bytes(20),
}


FEW = {f"text: {name}": ["label"] for name in ("too few", "negative", "no class")}  # the array is fine, not for these


def labels() -> list[Case]:
    """--labels beside four good images."""
    texts = {"words": b"one two", "floats": b"1.5 2", "binary": bytes(range(256)), "nothing": b"", "too few": b"1 2",
             "beyond 64 bits": b"99999999999999999999999 1 2 3", "5,000 digits": b"9" * 5000, "negative": b"-1 0 1 2",
             "no class": b"0 1 2 99"}  # fmt: skip
    files: dict[str, tuple[str, Content]] = {f"text: {name}": ("l.txt", content) for name, content in texts.items()}
    files |= {f"npy: {name}": ("l.npy", content) for name, content in HEADERS.items()}
    files |= {f"npz: {name}": ("l.npz", npz(labels=content)) for name, content in HEADERS.items()}
    files |= {f"npz: {name}": ("l.npz", content) for name, content in ARCHIVES.items()}
    files |= {f"{suffix}: a pipe": (f"l.{suffix}", pipe) for suffix in ("txt", "npy", "npz")}
    files |= {f"{suffix}: an endless file": (f"l.{suffix}", device) for suffix in ("txt", "npy")}
    files |= {"txt: a gigabyte of zeros": ("l.txt", sparse(2**30))}
    words = ["evaluate", "{here}/x.npy", "mnist-5000", *DIGITS, "--labels"]
    return [
        Case(
            f"labels: {name}",
            [*words, f"{{here}}/{file}"],
            FEW.get(name, [file]),
            {"x.npy": whole(IMAGES), file: content},
        )
        for name, (file, content) in files.items()
    ]


FLOATS = np.eye(2048, dtype=np.float32)
MEAN = np.zeros(2048, np.float32)


def statistics() -> list[Case]:
    """ADM's and clean-fid's files, by `ditbench reference`."""
    made: dict[str, bytes] = {
        f"mu: {name}": npz(mu=content, sigma=whole(FLOATS[:2, :2])) for name, content in HEADERS.items()
    }
    made |= {
        "sigma alone": npz(sigma=whole(FLOATS)),
        "mu alone": npz(mu=whole(MEAN)),
        "half of the spatial ones": npz(mu=whole(MEAN), sigma=whole(FLOATS), mu_s=whole(MEAN[:2023])),
        "another width": npz(mu=whole(MEAN[:64]), sigma=whole(FLOATS[:64, :64])),
        "integers": npz(mu=whole(MEAN.astype(int)), sigma=whole(FLOATS)),
        "NaN": npz(mu=whole(MEAN * np.nan), sigma=whole(FLOATS)),
        "not symmetric": npz(mu=whole(MEAN), sigma=whole(np.triu(np.ones_like(FLOATS)))),
        "not positive": npz(mu=whole(MEAN), sigma=whole(-FLOATS)),
        "a gigabyte of zeros": npz(mu=npy((2**27,), "'<f8'", data=bytes(2**24)), sigma=whole(FLOATS)),
    }
    words = ["reference", "{here}/s.npz", "--features", "clean", "--out", "{here}/o.safetensors"]
    return [Case(f"statistics: {name}", words, ["s.npz"], {"s.npz": content}) for name, content in made.items()]


ABOUT = {"format": "ditbench-reference-1", "name": "x", "fingerprint": "clean:0", "sha256": "0", "samples": "50"}
TENSORS = {"pool_mean": MEAN[:8], "pool_covariance": FLOATS[:8, :8].copy()}


def references() -> list[Case]:
    """Our own files of reference sets and features."""
    made: dict[str, Content] = {
        "empty": b"", "text": b"text", "an absurd header": safetensors_header({}, length=2**40),
        "no metadata": save(TENSORS), "another format": save(TENSORS, ABOUT | {"format": "x"}),
        "no tensors": save({}, ABOUT), "no covariance": save({"pool_mean": MEAN[:8]}, ABOUT),
        "another width": save(TENSORS | {"pool_mean": MEAN[:7]}, ABOUT),
        "NaN": save(TENSORS | {"pool_mean": MEAN[:8] * np.nan}, ABOUT),
        "not symmetric": save(TENSORS | {"pool_covariance": np.triu(np.ones((8, 8), np.float32))}, ABOUT),
        "not positive": save(TENSORS | {"pool_covariance": -FLOATS[:8, :8]}, ABOUT),
        "a scalar": save(TENSORS | {"pool_mean": np.ones((), np.float32)}, ABOUT),
        "features of another width": save(TENSORS | {"features": np.zeros((5, 7), np.float32)}, ABOUT),
        "features of integers": save(TENSORS | {"features": np.zeros((5, 8), np.int64)}, ABOUT),
        "no features": save(TENSORS | {"features": np.zeros((0, 8), np.float32)}, ABOUT),
        "a pipe": pipe, "an endless file": device,
    }  # fmt: skip
    made |= {
        f"samples {v!a}": save(TENSORS, ABOUT | {"samples": v}) for v in ("-3", "0", "1", "x", "1.5", "9" * 5000, "nan")
    }
    made |= {f"no {key}": save(TENSORS, {k: v for k, v in ABOUT.items() if k != key}) for key in ABOUT}
    made |= {"features without a digest": save({"pool": np.zeros((5, 8), np.float32)},
        {"format": "ditbench-features-1"}),
             "metadata of text alone": safetensors_header({"__metadata__": json.dumps(ABOUT)})}  # fmt: skip
    words = ["reference", "{here}/r.safetensors", "--out", "{here}/o.safetensors"]
    return [Case(f"reference set: {name}", words, ["r.safetensors"], {"r.safetensors": c}) for name, c in made.items()]


CASES = named("arrays", [*images(), *labels(), *statistics(), *references()])
