"""JSON that methods and folders of weights read: calibrations, schedules, indices of shards, settings."""

from __future__ import annotations

from typing import Any

from malformed.case import READS_WEIGHTS, Case, Content, as_json, device, named, nested, pipe, sparse

UNREADABLE: dict[str, Content] = {
    "empty": "", "null": "null", "a list": "[]", "a number": "3", "cut off": '{"method": "smoo',
        "binary": bytes(range(256)),
    "a key twice": '{"a": 1, "a": 2}', "10,000 nested lists": '{"a": ' + nested(10_000) + "}",
    "900 nested objects": nested(900, '{"a":', "}"), "100 nested objects": nested(100, '{"a":', "}"),
    "an integer of 5,000 digits": '{"a": ' + "9" * 5000 + "}", "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a folder": lambda path: path.mkdir(), "a pipe": pipe, "an endless file": device,
        "a gigabyte of zeros": sparse(2**30),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
}  # fmt: skip
METHODS = {  # method -> its key for a file, and what else it needs
    "smoothcache": ("calibration", ["threshold=0.1"]),
    "teacache": ("coefficients", []),
    "magcache": ("ratios", []),
    "search": ("calibration", ["budget=0.5"]),
    "schedule": ("file", []),
}
DATA: dict[str, dict[str, Any]] = {  # of a calibration of each method at 4 steps; all but `data` is right
    "smoothcache": {
        "nothing": {}, "text": {"attn": "x", "mlp": "y"}, "numbers": {"attn": [1, 2, 3], "mlp": [1, 2, 3]},
        "too few rows": {"attn": [[0.1] * 2], "mlp": [[0.1] * 2]}, "NaN": {"attn": [[float("nan")] * 3],
            "mlp": [[0.1] * 3]},
        "infinity": {"attn": [[float("inf")] * 3], "mlp": [[0.1] * 3]}, "one kind": {"attn": [[0.1] * 3]},
        "a list": [1], "null": None,
    },
    "teacache": {"nothing": {}, "text": {"coefficients": "x"}, "no numbers": {"coefficients": []},
                 "truths": {"coefficients": [True]}, "NaN": {"coefficients": [float("nan")]},
                     "nested": {"coefficients": [[1]]}},
    "magcache": {"nothing": {}, "text": {"ratios": "x"}, "no numbers": {"ratios": []}, "null": {"ratios": [None]},
                 "infinity": {"ratios": [float("inf")]}, "beyond a double": {"ratios": [10**400]}},
    "search": {
        "nothing": {}, "no plans": {"reuse": 0.5, "greedy": []}, "a reuse of 2": {"reuse": 2, "greedy": []},
        "a reuse of text": {"reuse": "x"}, "a plan that is text": {"reuse": 0.5, "greedy": ["1000"]},
        "marks of another length": {"reuse": 0.5, "greedy": [{"computed": "10", "slope": 1, "error": 0}]},
        "marks that begin with 0": {"reuse": 0.5, "greedy": [{"computed": "0111", "slope": 1, "error": 0}]},
        "marks of other letters": {"reuse": 0.5, "greedy": [{"computed": "1x11", "slope": 1, "error": 0}]},
        "a slope of 0": {"reuse": 0.5, "greedy": [{"computed": "1111", "slope": 0, "error": 0}]},
        "an error of NaN": {"reuse": 0.5, "greedy": [{"computed": "1111", "slope": 1, "error": float("nan")}]},
    },
}  # fmt: skip
SCHEDULES: dict[str, Any] = {
    "nothing": {}, "another key": {"attention": [1, 1, 1, 1]}, "another block": {"attn-9": [1, 1, 1, 1]},
    "a negative block": {"attn--1": [1, 1, 1, 1]}, "too short": {"attn": [1, 1, 1]}, "too long": {"attn": [1] * 5},
    "a number": {"attn": 1}, "text": {"attn": "1111"}, "other marks": {"attn": [1, 2, 1, 1]},
        "begins with 0": {"attn": [0, 1, 1, 1]},
    "nested": {"attn": [[1], [1], [1], [1]]}, "null": {"attn": None}, "one branch twice": {"attn": [1] * 4,
        "attn1": [1] * 4},
    "markup": {"<script>": [1] * 4}, "half a character": {"\ud800": [1] * 4}, "a key of NUL": {"\0": [1] * 4},
}  # fmt: skip
ABOUT: dict[str, Any] = {
    "no method": {"data": {}}, "another method": {"method": "teacash", "data": {}},
        "a method of numbers": {"method": 3, "data": {}},
    "no data": {"method": "smoothcache"}, "data that are a list": {"method": "smoothcache", "data": []},
    "another model": {"method": "smoothcache", "data": {}, "model": "dit-xl-2"},
    "another sampler": {"method": "smoothcache", "data": {}, "sampler": "ddpm"},
    "another count": {"method": "smoothcache", "data": {}, "evaluations": 9},
    "a model of numbers": {"method": "smoothcache", "data": {}, "model": [3]},
    "parameters of text": {"method": "smoothcache", "data": {}, "params": "x"},
    "a guidance of text": {"method": "smoothcache", "data": {}, "guidance_scale": "x"},
}  # fmt: skip


def plan(method: str, name: str, content: Content, *says: str) -> Case:
    key, more = METHODS[method]
    words = [
        "plan",
        method,
        f"{key}={{here}}/c.json",
        *more,
        "steps=4",
        "--model",
        "tiny",
        "--plugin",
        "{shared}/tiny_plugin.py",
    ]
    return Case(f"{method}: {name}", words, ["c.json", *says], {"c.json": content})


def calibrations() -> list[Case]:
    made = [plan(method, name, content) for method in METHODS for name, content in UNREADABLE.items()]
    for method, kinds in DATA.items():
        about = {"method": method, "seconds": 1, "images": 1}
        made += [plan(method, f"data: {name}", as_json(about | {"data": data})) for name, data in kinds.items()]
    made += [plan("smoothcache", f"about: {name}", as_json(content)) for name, content in ABOUT.items()]
    return made + [plan("schedule", f"rows: {name}", as_json(content)) for name, content in SCHEDULES.items()]


INDEX = "diffusion_pytorch_model.safetensors.index.json"
INDICES: dict[str, Any] = {
    "no map": {"metadata": {}}, "a map that is a list": {"weight_map": ["a"]}, "an empty map": {"weight_map": {}},
    "a shard that is absent": {"weight_map": {"a": "b.safetensors"}},
        "a shard elsewhere": {"weight_map": {"a": "../b.safetensors"}},
    "an absolute shard": {"weight_map": {"a": "/etc/passwd"}}, "itself": {"weight_map": {"a": INDEX}},
    "a shard of numbers": {"weight_map": {"a": 3}}, "a shard with a NUL": {"weight_map": {"a": "a\0b.safetensors"}},
    "a shard of half a character": {"weight_map": {"a": "\ud800.safetensors"}},
}  # fmt: skip


def folders() -> list[Case]:
    """Folders of weights in diffusers' layout."""
    words = [*READS_WEIGHTS, "--weights", "{here}/w", "--out", "{here}/c.json"]
    files = {f"an index: {name}": as_json(content) for name, content in INDICES.items()}
    files |= {f"an index: {name}": c for name, c in UNREADABLE.items() if isinstance(c, str | bytes)}
    return [Case(name, words, [INDEX], {f"w/{INDEX}": content}) for name, content in files.items()]


CASES = [*named("calibration", calibrations()), *named("folder", folders())]
