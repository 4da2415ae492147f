"""Suite files: no TOML, TOML of another shape, values that no key can have."""

from __future__ import annotations

from malformed.case import Case, Content, device, named, nested, pipe, sparse

HEAD = 'name = "t"\n'
CELL = '[[cells]]\nmodels = "dit-mnist"\nsampler = { name = "ddim", steps = 4 }\n'
GOOD = HEAD + CELL

SYNTAX: dict[str, tuple[Content, str]] = {
    "empty": ("", "'name' must be a string"),
    "a JSON object": ('{"name": "t"}', "not a TOML file"),
    "an HTML page": ("<!doctype html><html></html>", "not a TOML file"),
    "binary": (bytes(range(256)), "not a TOML file"),
    "Latin-1": ('name = "caf\xe9"\n'.encode("latin-1"), "not a TOML file"),
    "UTF-16": (GOOD.encode("utf-16"), "not a TOML file"),
    "a byte order mark": ("\ufeff" + GOOD, "not a TOML file"),
    "a NUL": (GOOD.replace("ddim", "dd\0im"), "not a TOML file"),
    "cut off": (GOOD[:-9], "not a TOML file"),
    "a key twice": ('name = "a"\nname = "b"\n', "not a TOML file"),
    "a table twice": (GOOD + "[protocol]\n[protocol]\n", "not a TOML file"),
    "no closing quote": ('name = "t\n', "not a TOML file"),
    "no closing bracket": ("name = [1\n", "not a TOML file"),
    "half a character": ('name = "\\ud800"\n', "not a TOML file"),
    "an unknown escape": ('name = "\\q"\n', "not a TOML file"),
    "no value": ("name =\n", "not a TOML file"),
    "no key": ('= "t"\n', "not a TOML file"),
    "a date that is none": ("name = 2026-13-45\n", "not a TOML file"),
    "a decimal integer of 5,000 digits": (GOOD + f"title = {'9' * 5000}\n", "not a TOML file"),
    "a hexadecimal integer of 5,000 digits": (HEAD + f"title = 0x{'f' * 5000}\n" + CELL, "64 bits"),
    "an integer beyond 64 bits": (HEAD + f"[protocol]\nseed = {2**64}\n" + CELL, "64 bits"),
    "10,000 nested lists": (f"name = {nested(10_000)}\n", "nested"),
    "500 nested lists": (f"name = {nested(500)}\n", "nested"),
    "100 nested lists": (f"name = {nested(100)}\n", "nested"),
    "10,000 nested tables": (f"name = {nested(10_000, '{a=', '}')}\n", "nested"),
    "a key of 20,000 parts": (f"{'.'.join('a' * 20_000)} = 1\n", "nested"),
    "a table of 20,000 parts": (f"[{'.'.join('a' * 20_000)}]\n", "nested"),
    "100,000 unclosed lists": ("name = " + "[" * 100_000, ""),
    "a folder": (lambda path: path.mkdir(), "no such suite file"),
    "a pipe": (pipe, "no such suite file"),
    "an endless file": (device, "no such suite file"),
    "a gigabyte of zeros": (sparse(2**30), "bytes"),
    "a link to itself": (lambda path: path.symlink_to(path), ""),
}

# What stands for the value of a key -> what the line must hold beside the key's name.
TOP = {
    "name": ("3", "true", "[]", "{}", '""', '"a b"', '"../x"', '"\\u0000"', '".hidden"', '"' + "x" * 65 + '"',
        "1979-05-27"),
    "title": ("3", "[]", "{}", "07:32:00"),
    "description": ("false", "1.5", '["a"]'),
    "protocol": ("3", '"x"', "[]", "[[]]", "true"),
    "verdict": ("3", '"x"', "[1]"),
    "slurm": ("3", '"x"', "[1]"),
    "reference": ("3", '"ddim"', "[]", "{}", "{ name = 3 }", '{ name = "ddim", steps = [4, 5] }',
                  '{ name = "ddim", steps = 9 }', '{ name = "fora", interval = 2 }', '[[{ name = "ddim" }]]'),
    "cells": ("3", '"x"', "[]", "[1]", "[[]]", "{}", "[{}]", '["x"]'),
}  # fmt: skip
PROTOCOL = {
    "samples": ("31", "-1", "10000001", "3.5", '"64"', "true", "[64]", "nan", "{}"),
    "seed": ("-1", "9007199254740993", "0.5", '"0"', "inf"),
    "sampling_batch": ("0", "-3", "100001", "1e3", "[]"),
    "fingerprint": ("-1", "65", "true"),
    "timeout": ("0", "-1", "nan", "inf", "-inf", '"1h"', "1e300", "00:01:00"),
    "timing": ("3", "[]", '"x"'),
    "quality": ("3", "[]", '"x"'),
    "timing.batch": ("0", "-8", '"auot"', "[]", "[8, 8]", "[[8]]", "8.0", "{}", "100001", "true", '["auto", "auto"]'),
    "timing.rounds": ("1", "0", "1e9", "100001", "2.0", '"many"'),
    "timing.seconds": ("-1", "nan", "inf", "86401", '"10"', "[10]"),
    "quality.features": ("3", '""', "[]", "true"),
    "quality.weights": ("3", '""', "{}"),
    "quality.reference": ("3", '""', "1.5"),
    "quality.images": ('"jpeg"', '"PNG"', "3", '""'),
}
VERDICT = {
    "axis": ('"fdd"', "3", '""', "[]", "{}"),
    "quality": ("-0.1", "1.1", "nan", "inf", "true", '"0.05"', "[0.05]"),
    "latency": ("-1", "2", "nan", '"x"'),
    "bound": ("-0.0001", "-inf", "1e9", "{}"),
}
SLURM = {
    "partition": ("3", '""', "[]"),
    "time": ("0", "-1", '"1h"', "1.5", "true", "1000000", "{}"),
    "account": ("true", '""'),
    "memory": ("64", '""'),
}
CELLS = {
    "models": ("3", "[]", "[3]", "{}", '""', '"dit-mnits"', '["dit-mnist", "x/y"]', '"dit-mnist\\n"', '"\\u0000"',
        "[[]]"),
    "engine": ("3", "[]", "[3]", '""', '"diffuser"', '"../x"', "{}"),
    "sampler": ("3", '"ddim"', "[]", "{}", "[3]", "[[]]", "{ name = 3 }", '{ name = "ddin" }', '{ name = "fora" }',
                '{ name = "ddim", steps = [] }', '{ name = "ddim", stps = 4 }', '{ name = "" }'),
    "cache": ("3", '"fora"', "[]", "{}", "[3]", '{ name = "ddim" }', '{ name = "forra" }', '{ name = "fora" }',
              '{ name = "fora", interval = 0 }', '{ name = "fora", interval = [[2]] }',
                  '{ name = "fora", interval = {} }',
              '{ name = "fora", interval = 2026-01-01 }', '{ name = "deepcache", interval = 2, depth = "1" }',
              '{ name = "l2c", router = 3 }', '{ name = "l2c", router = "/nowhere.pt" }',
                  '{ name = "l2c", router = "" }',
              '{ name = "l2c", router = "a\\u0000b" }', '{ name = "schedule", file = 3 }', '{ name = "schedule" }',
              '{ name = "schedule", file = "/dev/zero" }',
                  '{ name = "smoothcache", calibration = "nowhere", threshold = 1 }',
              '{ name = "teacache", coefficients = "nowhere" }', '{ name = "teacache", coefficients = [["x"]] }',
              '{ name = "magcache", ratios = true }', '{ name = "dbcache", mask = "1,0" }',
              '{ name = "harmonica", router = {} }', '{ name = "lazydit", weights = "/nowhere" }',
              '{ name = "easycache", threshold = nan }', '{ name = "easycache", threshold = -1 }',
              '{ name = "easycache", threshold = inf }', '{ name = "search", calibration = 3, budget = 0.5 }'),
}  # fmt: skip
DDIM = {
    "steps": ("0", "-4", "1001", "4.0", '"4"', "true", "nan", "[4, 0]", "[true]", "{}", "07:32:00"),
    "eta": ("-0.1", "1.1", "nan", "inf", '"0"', "false", "[0.0, nan]"),
    "spacing": ('"officail"', "3", '""', "true"),
    "offset": ("-1", "1000", "1.5", '"x"'),
    "clip_denoised": ("1", '"true"', "0.0"),
}
UNKNOWN = {
    "key": (HEAD + "cels = 3\n" + CELL, "did you mean 'cells'?"),
    "key of the protocol": (HEAD + "[protocol]\nsample = 64\n" + CELL, "did you mean 'samples'?"),
    "key of the timing": (HEAD + "[protocol.timing]\nround = 3\n" + CELL, "did you mean 'rounds'?"),
    "key of the quality": (HEAD + '[protocol.quality]\nfeature = "adm"\n' + CELL, "did you mean 'features'?"),
    "key of the verdict": (HEAD + "[verdict]\nlatncy = 0.1\n" + CELL, "did you mean 'latency'?"),
    "key of a block": (GOOD + "chache = 3\n", "did you mean 'cache'?"),
    "key with markup": (HEAD + '"<script>" = 3\n' + CELL, "<script>"),
    "key with an escape": (HEAD + '"\\u001b[2J" = 3\n' + CELL, "\\x1b[2J"),
    "too many combinations": (GOOD.replace("steps = 4",
        f"steps = {list(range(1, 1001))}, eta = {[i / 1e4 for i in range(999)]}"),
                              "10000"),
    "too many cells": (GOOD.replace("steps = 4",
        f"steps = {list(range(1, 1001))}, eta = {[i / 1e4 for i in range(10)]}")
                       + CELL.replace("steps = 4", f"steps = {list(range(1, 1001))}, eta = 0.77"), "10000"),
}  # fmt: skip


def top(key: str, value: str) -> str:
    """A suite whose key at the top is this value."""
    lines = ([] if key == "name" else [HEAD]) + [f"{key} = {value}\n"] + ([] if key == "cells" else [CELL])
    return "".join(lines)


def block(key: str, value: str) -> str:
    """A suite whose only block has this value."""
    lines = {"models": '"dit-mnist"', "sampler": '{ name = "ddim", steps = 4 }'} | {key: value}
    return HEAD + "[[cells]]\n" + "".join(f"{name} = {said}\n" for name, said in lines.items())


def sampler(key: str, value: str) -> str:
    return block("sampler", f'{{ name = "ddim", {key} = {value} }}')


def case(name: str, text: Content, *says: str) -> Case:
    return Case(name, ["run", "{here}/s.toml", "--dry-run"], ["s.toml", *says], {"s.toml": text})


def tables() -> list[Case]:
    """One case for each value that a key cannot have."""
    made = [case(f"{key} = {v[:40]}", top(key, v), key) for key, values in TOP.items() for v in values]
    for table, keys in (("protocol", PROTOCOL), ("verdict", VERDICT), ("slurm", SLURM)):
        made += [
            case(f"{table}.{key} = {v[:40]}", HEAD + f"[{table}]\n{key} = {v}\n" + CELL, key.rpartition(".")[2])
            for key, values in keys.items()
            for v in values
        ]
    made += [case(f"a block's {key} = {v[:60]}", block(key, v), "[[cells]] 1") for key, vs in CELLS.items() for v in vs]
    return made + [case(f"ddim's {key} = {v}", sampler(key, v), key) for key, vs in DDIM.items() for v in vs]


CASES = named("suite", [
    *(case(name, text, says) for name, (text, says) in SYNTAX.items()),
    *tables(),
    *(case(f"an unknown {name}" if name.startswith("key") else name, text, says) for name, (text,
        says) in UNKNOWN.items()),
])  # fmt: skip
