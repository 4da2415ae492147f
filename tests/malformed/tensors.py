"""Files of tensors: checkpoints of a denoiser, routers of L2C and HarmoniCa, gates of LazyDiT."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from malformed.case import READS_WEIGHTS, Case, Content, device, named, nested, pipe, sparse
from models.dit import DiT

CONFIG = {
    "input_size": 4,
    "patch_size": 2,
    "in_channels": 2,
    "hidden_size": 16,
    "depth": 4,
    "num_heads": 2,
    "num_classes": 3,
}
KEY = "final_layer.linear.weight"
Make = Callable[[], bytes]


def state() -> dict[str, Tensor]:
    """The weights of tiny_suite's model, all small."""
    return {key: torch.full_like(value, 0.01) for key, value in DiT(**CONFIG).state_dict().items()}


def rows(branches: int = 8, count: int = 4) -> dict[str, Tensor]:
    """A router's rows for that model and 4 steps."""
    return {f"{i}.prob": torch.zeros(branches) for i in range(count)}


def torched(value: Any, **how: Any) -> bytes:
    """What torch.save writes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(value, file, **how)
    return file.getvalue()


def header(content: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of this header, whatever it says."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {KEY: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def pickled(code: bytes) -> bytes:
    """A torch archive whose pickle is these opcodes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + code + b".")
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return file.getvalue()


def text(word: str) -> bytes:
    """The opcodes of a string."""
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def deep(depth: int) -> bytes:
    """Dictionaries in dictionaries."""
    return pickled((b"}" + text("a")) * depth + b"}" + b"s" * depth)


SELF = b"}q\x00" + text("a") + b"h\x00s"  # a dictionary that holds itself
CALL = b"cos\nsystem\n" + b"(" + text("true") + b"tR"  # refused by the unpickler, and harmless

FILES: dict[str, tuple[Content, str]] = {  # no tensors at all, whatever reads them
    "empty": (b"", ""),
    "seven bytes": (b"\x01" * 7, ""),
    "text": (b"not weights\n", ""),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "an HTML page": (b"<!doctype html><html></html>", "HTML"),
    "a JSON file": (b'{"a": 1}', ""),
    "a gzip archive": (b"\x1f\x8b" + bytes(30), "gzip"),
    "an npy": (b"\x93NUMPY\x01\x00" + bytes(30), "NumPy"),
    "a folder": (lambda path: path.mkdir(), ""),
    "a pipe": (pipe, "no such"),
    "an endless file": (device, "no such"),
    "a gigabyte of zeros": (sparse(2**30), ""),
    "a link to itself": (lambda path: path.symlink_to(path), ""),
    "a header of 2^63 bytes": (header({}, length=2**63), ""),
    "a header of 2^40 bytes": (header({}, length=2**40), ""),
    "a header of 100 MB in a small file": (header({}, length=10**8), ""),
    "a header that is no JSON": (header(b"{not json}"), ""),
    "a header that is a list": (header([1, 2]), ""),
    "a header of 1,000 nested lists": (header(b'{"a":' + nested(1000).encode() + b"}"), ""),
    "a header that is cut off": (header(b'{"a":{"dtype":"F32"'), ""),
    "a tensor beyond the end": (header(entry(offsets=(0, 8)), b"\0" * 4), ""),
    "a tensor of negative offsets": (header(entry(offsets=(-8, 0)), b"\0" * 8), ""),
    "a tensor of reversed offsets": (header(entry(offsets=(8, 0)), b"\0" * 8), ""),
    "a tensor of negative shape": (header(entry(shape=(-2,)), b"\0" * 8), ""),
    "a tensor of absurd shape": (header(entry(shape=(2**62, 2**62)), b"\0" * 8), ""),
    "a tensor of no shape": (header({KEY: {"dtype": "F32"}}, b"\0" * 8), ""),
    "a tensor of an unknown type": (header(entry("F128"), b"\0" * 8), ""),
    "a tensor of text": (header({KEY: "x"}, b"\0" * 8), ""),
    "two tensors in one place": (header(entry() | {"b": entry()[KEY]}, b"\0" * 8), ""),
    "bytes that belong to nothing": (header(entry(), b"\0" * 64), ""),
    "metadata that are numbers": (header({"__metadata__": {"a": 1}} | entry(), b"\0" * 8), ""),
    "a torch file that is cut off": (lambda path: path.write_bytes(torched(rows())[:-200]), ""),
    "a torch file with its middle gone":
        (lambda path: path.write_bytes(torched(rows())[:100] + torched(rows())[-600:]), ""),
    "an older torch file that is cut off":
        (lambda path: path.write_bytes(torched(rows(), _use_new_zipfile_serialization=False)[:60]), ""),
    "a pickle that calls": (pickled(CALL), ""),
    "a pickle that is cut off": (pickled(b"}(" + text("a")), ""),
    "a pickle of no opcode": (pickled(b"\xff\xfe"), ""),
    "a pickle of a number": (pickled(b"K\x01"), ""),
    "a pickle of nothing": (pickled(b"N"), ""),
    "a pickle of a list": (pickled(b"]"), ""),
    "a pickle of an empty dictionary": (pickled(b"}"), ""),
    "a pickle of keys that are numbers": (pickled(b"}K\x01K\x02s"), ""),
    "a pickle that holds itself": (pickled(SELF), ""),
    "100 nested dictionaries": (deep(100), ""),
    "20,000 nested dictionaries": (deep(20_000), ""),
    "an archive without a pickle": (lambda path: zipfile.ZipFile(path, "w").close(), ""),
}  # fmt: skip


def strange(tensor: Tensor) -> dict[str, Tensor]:
    """A tensor as no reader of weights expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        square = tensor if tensor.ndim == 2 else tensor[None].repeat(2, 1)
        return {
            "on the meta device": tensor.to("meta"),
            "sparse": tensor.to_sparse(),
            "sparse in rows": square.to_sparse_csr(),
            "quantised": torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
            "complex": tensor.to(torch.complex64),
            "boolean": tensor.bool(),
            "of integers": tensor.long(),
            "of eight bits": tensor.to(torch.float8_e4m3fn),
            "of another shape": tensor[None],
            "empty": torch.zeros(0),
            "a scalar": torch.tensor(1.0),
            "of a trillion views of one number": torch.zeros(1).expand(10**12),
            "NaN": torch.full_like(tensor, torch.nan),
        }


def checkpoint(name: str, content: Content, *says: str) -> Case:
    words = [*READS_WEIGHTS, "--weights", "{here}/w.pt", "--out", "{here}/c.json"]
    return Case(name, words, ["w.pt", *says], {"w.pt": content})


def lazily(make: Make) -> Content:
    return lambda path: path.write_bytes(make())


def checkpoints() -> list[Case]:
    """Of the tiny model."""
    made = [checkpoint(name, content, says) for name, (content, says) in FILES.items()]
    for kind in strange(torch.zeros(8, 16)):
        made.append(
            checkpoint(f"a tensor {kind}", lazily(lambda k=kind: torched(_with(k))), KEY if "shape" not in kind else "")
        )
    changes: dict[str, Callable[[dict[str, Tensor]], Any]] = {
        "a tensor missing": lambda s: {k: v for k, v in s.items() if k != KEY},
        "a tensor too many": lambda s: s | {"extra.weight": torch.zeros(3)},
        "a name misspelt": lambda s: {k.replace("linear", "lniear"): v for k, v in s.items()},
        "infinity": lambda s: s | {KEY: torch.full_like(s[KEY], torch.inf)},
        "two copies": lambda s: {"ema_a": s, "ema_b": s},
        "a list of tensors": lambda s: list(s.values()),
        "one tensor": lambda s: s[KEY],
        "tensors under numbers": lambda s: dict(enumerate(s.values())),
        "text for a tensor": lambda s: s | {KEY: "x"},
        "a number for a tensor": lambda s: s | {KEY: 3},
        "FSDP's joined parameters": lambda s: {"_fsdp_wrapped_module.flat_param": torch.zeros(9)},
    }
    for name, change in changes.items():
        made.append(checkpoint(name, lazily(lambda c=change: torched(c(state())))))
    return made + [checkpoint(f"safetensors, {kind}", lazily(lambda k=kind: save(_with(k))), KEY)
                   for kind in ("of integers", "of eight bits", "NaN", "empty", "a scalar")]  # fmt: skip


def _with(kind: str) -> dict[str, Tensor]:
    """The state with one strange tensor."""
    content = state()
    return content | {KEY: strange(content[KEY])[kind]}


def plan(method: str, name: str, content: Content, *says: str, file: str = "r.pt") -> Case:
    key = {"l2c": "router", "harmonica": "router", "lazydit": "weights"}[method]
    words = [
        "plan",
        method,
        f"{key}={{here}}/{file}",
        "steps=4",
        "--model",
        "tiny",
        "--plugin",
        "{shared}/tiny_plugin.py",
    ]
    return Case(f"{method}: {name}", words, [file, *says], {file: content})


def described(card: Any) -> Make:
    """A router of ours with this description."""
    text = card if isinstance(card, str) else json.dumps(card)
    return lambda: save(rows(), {"router": text})


CARDS: dict[str, Any] = {
    "no JSON": "{", "a list": "[]", "nested": nested(5000, '{"a":', "}"), "a key twice": '{"rows": 4, "rows": 4}',
    "rows that are text": {"rows": "4"}, "too few rows": {"rows": 2}, "a million rows": {"rows": 10**6},
    "rows that are true": {"rows": True}, "a threshold of 2": {"rows": 4, "threshold": 2},
    "a threshold of NaN": {"rows": 4, "threshold": float("nan")}, "negative seconds": {"rows": 4, "seconds": -1},
    "images that are text": {"rows": 4, "images": "x"}, "another method": {"rows": 4, "method": "harmonica"},
    "a method that is a number": {"rows": 4, "method": 3}, "a method that is a list": {"rows": 4, "method": []},
    "another model": {"rows": 4, "model": "dit-xl-2"}, "a sampler that is a number": {"rows": 4, "sampler": 3},
}  # fmt: skip


def routers() -> list[Case]:
    """Of the tiny model at four steps."""
    made = [
        plan(method, name, content, says) for method in ("l2c", "lazydit") for name, (content, says) in FILES.items()
    ]
    for kind in strange(torch.zeros(8)):
        made.append(
            plan(
                "l2c", f"a row {kind}", lazily(lambda k=kind: torched(rows() | {"1.prob": strange(torch.zeros(8))[k]}))
            )
        )
    changes: dict[str, Any] = {
        "no rows": {}, "a row of another name": {"1.prb": 0}, "a row of five digits": {"10000.prob": 0},
        "a row beyond the last": {"999.prob": 0}, "a negative row": {"-1.prob": 0}, "a row twice": {"1.prob": 0,
            "01.prob": 0},
    }  # fmt: skip
    for name, table in changes.items():
        tensors = {key: torch.zeros(8) for key in table}
        made.append(plan("l2c", name, lazily(lambda t=tensors: torched(t))))
    made.append(plan("l2c", "another model's branches", lazily(lambda: torched(rows(12)))))
    made.append(plan("l2c", "another number of steps", lazily(lambda: torched(rows(8, 7)))))
    made.append(plan("harmonica", "another number of steps", lazily(lambda: torched(rows(8, 7)))))
    made += [
        plan("l2c", f"a description: {name}", lazily(described(card)), file="r.safetensors")
        for name, card in CARDS.items()
    ]
    for name, tensor in {"integers": torch.zeros(4, 4, 2, 16).long(), "another shape": torch.zeros(4, 3, 2, 16),
                         "NaN": torch.full((4, 4, 2, 16), torch.nan), "infinity": torch.full((4, 4, 2, 16), torch.inf),
                         "eight bits": torch.zeros(4, 4, 2, 16).to(torch.float8_e4m3fn)}.items():  # fmt: skip
        made.append(plan("lazydit", name, lazily(lambda t=tensor: save({"lazy_weights": t})), file="r.safetensors"))
    made.append(plan("lazydit", "another key", lazily(lambda: save({"weights": torch.zeros(4, 4, 2, 16)}))))
    return made


CASES = [*named("checkpoint", checkpoints()), *named("router", routers())]
