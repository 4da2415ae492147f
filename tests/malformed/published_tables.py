"""Published tables: results/published/*.toml of strangers, read with every report."""

from __future__ import annotations

from malformed.case import Case, Content, named, nested
from malformed.suites import SYNTAX

SOURCE = 'schema = 1\ntag = "X"\ncitation = "Nobody, Nothing, 2026"\n'
ROW = '[[rows]]\nmethod = "DDIM-50"\nmodel = "dit-xl-2"\nmetrics = { fid = 2.3 }\n'
GOOD = SOURCE + ROW

STATED: dict[str, tuple[str, str]] = {
    "no rows": (SOURCE, "'rows'"),
    "no tag": (GOOD.replace('tag = "X"\n', ""), "'tag'"),
    "no citation": (GOOD.replace('citation = "Nobody, Nothing, 2026"\n', ""), "'citation'"),
    "no schema": (GOOD.replace("schema = 1\n", ""), "'schema'"),
    "another schema": (GOOD.replace("schema = 1", "schema = 2"), "'schema'"),
    "a schema that is true": (GOOD.replace("schema = 1", "schema = true"), "'schema'"),
    "no method": (SOURCE + '[[rows]]\nmodel = "dit-xl-2"\n', "'method'"),
    "an empty row": (SOURCE + "[[rows]]\n", "'method'"),
    "an unknown key": ("sourse = 3\n" + GOOD, "sourse"),
    "an unknown key of a row": (GOOD + "metrcs = 3\n", "did you mean 'metrics'?"),
    "an unknown metric": (GOOD.replace("fid =", "fdi ="), "did you mean 'fid'?"),
    "a cell without methods of ours": (GOOD + 'cell = "ddim-50"\n', "'cell'"),
    "work in no convention": (GOOD + "macs_t = 3.0\n", "convention"),
    "an unknown metric of a deviation": (GOOD + "sigma = { fi = 1 }\n", "did you mean 'fid'?"),
    "an unknown convention": (GOOD + 'macs_t = 1.0\nconvention = "l2d"\n', "did you mean 'l2c'?"),
    "an unknown evaluator": (GOOD + 'evaluator = "amd"\n', "did you mean 'adm'?"),
}
TOP = {
    "tag": ("3", '""', "[]", "true"), "citation": ("3", '""', "{}"), "errata": ("3", '"x"', "[3]", "{}", "[[]]"),
    "second_hand": ("1", '"yes"', "[]"), "defaults": ("3", "[]", '"x"'), "rows": ("3", '"x"', "[3]", "{}", "[[]]"),
    "url": ("3", "[]", '"javascript:alert(1)"', '"data:text/html,x"', '"//x"', '"JaVaScRiPt:alert(1)"', '"ftp://x"',
            '" https://x.org"', '"https://x.org/\\u0000"', '"https://x.org/a b"', '"http:/x"'),
}  # fmt: skip
ROWS = {
    "metrics": ('{ fid = "low" }', "{ fid = nan }", "{ fid = -3 }", "{ fid = inf }", "{ fid = true }", "{ fid = [1] }",
        "3",
                "{ precision = 1.5 }", "{ recall = -0.1 }", '"x"'),
    "sigma": ("{ fid = -1 }", "{ fid = nan }", '{ fid = "x" }', "[1]"),
    "batch": ("0", "-8", "8.0", '"8"', "true"), "samples": ("0", "-1", '"50k"', "5e4"), "resolution": ("0", "-256",
        '"256"'),
    "latency_s": ("0", "-1.5", "nan", "inf", '"fast"', "true"), "speedup": ("0", "-2", "nan", '"2x"'),
    "flops_speedup": ("0", "nan"), "latency_sigma_s": ("-1", "nan"), "guidance_scale": ("nan", "-1.5", "inf", '"1.5"',
        "true"),
    "macs_t": ('0\nconvention = "l2c"', 'nan\nconvention = "l2c"'),
    "sampler": ("3", '"ddim"', "[]", "{ steps = 50 }", "{ name = 3 }"), "cache": ("3", "[]", "{ interval = 2 }"),
    "errata": ("3", '"x"', "[3]"), "second_hand": ("0", '"no"'), "note": ("3", "[]"), "hardware": ("3", "{}"),
    "method ": ("3",), "model ": ("3",), "table": ("1",), "cell": ("3",), "convention": ("3",), "evaluator": ("3",),
}  # fmt: skip


def case(name: str, text: Content, *says: str) -> Case:
    return Case(name, ["published", "{here}/p.toml"], ["p.toml", *says], {"p.toml": text})


def top(key: str, value: str) -> str:
    """A table whose key has this value instead of its own."""
    lines = [line for line in SOURCE.splitlines(True) if not line.startswith(f"{key} =")]
    return "".join(lines) + f"{key} = {value}\n" + ("" if key == "rows" else ROW)


def row(key: str, value: str) -> str:
    """A table whose row has this value instead of its own."""
    key = key.strip()
    lines = [line for line in ROW.splitlines(True) if not line.startswith(f"{key} =")]
    return SOURCE + "".join(lines) + f"{key} = {value}\n"


CASES = named("published", [
    *(case(name, content, says) for name, (content, says) in SYNTAX.items() if says in ("not a TOML file", "nested")),
    case("a pipe", SYNTAX["a pipe"][0], "not a regular file"),
    case("a row of 200 nested lists", SOURCE + f"[[rows]]\nmethod = {nested(200)}\n", "nested"),
    *(case(name, text, says) for name, (text, says) in STATED.items()),
    *(case(f"{key} = {value}", top(key, value), key) for key, values in TOP.items() for value in values),
    *(case(f"a row's {key}= {value}", row(key, value), key.strip()) for key,
        values in ROWS.items() for value in values),
])  # fmt: skip
