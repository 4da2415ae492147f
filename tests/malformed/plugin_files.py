"""Plugins that no reader can take: not Python, broken at import, or classes that declare what cannot be."""

from __future__ import annotations

from malformed.case import Case, Content, named, nested, pipe, sparse

METHOD = """
from methods.method import CacheMethod, Parameter
from methods.plan import uncached

class Mine(CacheMethod):
    name = "mine"
    parameters = {{}}
    {body}

    def plan(self, model, sampler):
        return uncached(len(sampler.evaluations(model.noise_schedule)), model.num_branches)
"""
MODEL = """
from models.dit import DiT
from models.spec import ModelSpec
CONFIG = dict(input_size=4, patch_size=2, in_channels=2, hidden_size=16, depth=4, num_heads=2, num_classes=3)
spec = ModelSpec(**(dict(name="mine", architecture=DiT, config=CONFIG, num_classes=3) | {change}))
"""
IMPORTS: dict[str, tuple[Content, str]] = {
    "empty": ("", "defines no method"),
    "no Python": ("this is no python\n", "SyntaxError"),
    "an indentation": ("  x = 1\n y = 2\n", "IndentationError"),
    "a NUL": ("x = 1\0\n", ""),
    "Latin-1": ("x = 'caf\xe9'\n".encode("latin-1"), ""),
    "binary": (bytes(range(256)), ""),
    "an unknown encoding": ("# -*- coding: klingon -*-\n", "SyntaxError"),
    "nested brackets": (f"x = {nested(5000, '(', ')')}\n", ""),
    "nested lists": (f"x = {nested(5000)}\n", ""),
    "nested minus signs": ("x = " + "-" * 100_000 + "1\n", ""),
    "an integer of 5,000 digits": ("x = " + "9" * 5000 + "\n", "SyntaxError"),
    "a module that is absent": ("import no_such_module_of_anybody\n", "ModuleNotFoundError"),
    "a name that is absent": ("from methods.method import CashMethod\n", "ImportError"),
    "an exception": ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
    "an exception without a word": ("raise KeyError\n", "KeyError"),
    "an exception that cannot be said": (
        "class E(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise E\n",
        "E",
    ),
    "an exception of half a character": ("raise ValueError('\\ud800')\n", "ValueError"),
    "an exit": ("raise SystemExit(0)\n", "SystemExit"),
    "an exit by function": ("import sys\nsys.exit(3)\n", "SystemExit"),
    "no memory": ("raise MemoryError\n", "MemoryError"),
    "a recursion": ("def f(): f()\nf()\n", "RecursionError"),
    "a generator's exit": ("raise GeneratorExit\n", "GeneratorExit"),
    "an exception of its own kind": ("class E(BaseException): pass\nraise E('x')\n", "E: x"),
    "an import of itself": ("import importlib\nimport plug\n", "ModuleNotFoundError"),
}
BODIES: dict[str, tuple[str, str]] = {
    "parameters that are a list": ("parameters = []", "'parameters' must"),
    "parameters that are null": ("parameters = None", "'parameters' must"),
    "parameters that are text": ('parameters = "interval"', "'parameters' must"),
    "parameters that are a set": ('parameters = {"a"}', "'parameters' must"),
    "a parameter that is a number": ('parameters = {"a": 3}', "'parameters' must"),
    "a parameter that is a class": ('parameters = {"a": Parameter}', "'parameters' must"),
    "a parameter that is a type": ('parameters = {"a": int}', "'parameters' must"),
    "a parameter whose name is a number": ("parameters = {3: Parameter(int)}", "'parameters' must"),
    "a parameter whose name is no word": ('parameters = {"a b": Parameter(int)}', "'parameters' must"),
    "a parameter called name": ('parameters = {"name": Parameter(str)}', "'parameters' must"),
    "a parameter of no type": ('parameters = {"a": Parameter("int")}', "'parameters' must"),
    "a parameter of other choices": ('parameters = {"a": Parameter(str, choices=3)}', "'parameters' must"),
    "a parameter of other ends": ('parameters = {"a": Parameter(int, low="x")}', "'parameters' must"),
    "a title that is a number": ("title = 3", "'title' must"),
    "a name that is a number": ("name = 3", "name must be"),
    "a name that is a list": ('name = ["mine"]', "name must be"),
    "a name that is a path": ('name = "../mine"', "name must be"),
    "a name with a space": ('name = "my method"', "name must be"),
    "a name with an escape": ('name = "\\x1b[2J"', "name must be"),
    "a name of half a character": ('name = "\\ud800"', "name must be"),
    "a name of 65 letters": (f'name = "{"x" * 65}"', "name must be"),
    "a taken name": ('name = "fora"', "taken"),
    "a tiny setting that is a number": ("tiny = 3", "'tiny' must"),
    "an exact setting that is text": ('exact = "x"', "'exact' must"),
    "a sweep that is a number": ("sweep = 3", "'sweep' must"),
    "no plan": ("", "does not define plan"),
}
CHANGES: dict[str, tuple[str, str]] = {
    "a name that is a path": ('{"name": "../x"}', "name must be"),
    "a name that is a number": ('{"name": 3}', "name must be"),
    "a taken name": ('{"name": "dit-mnist"}', "taken"),
    "no configuration": ('{"config": {}}', "num_classes"),
    "a configuration that is a list": ('{"config": []}', "cannot be built"),
    "an unknown key": ('{"config": CONFIG | {"dpeth": 3}}', "cannot be built"),
    "a negative depth": ('{"config": CONFIG | {"depth": -1}}', ""),
    "a depth of text": ('{"config": CONFIG | {"depth": "x"}}', "cannot be built"),
    "heads that do not divide": ('{"config": CONFIG | {"num_heads": 3}}', ""),
    "no heads": ('{"config": CONFIG | {"num_heads": 0}}', "cannot be built"),
    "an architecture that is text": ('{"architecture": "DiT"}', "cannot be built"),
    "an architecture that is no network": ('{"architecture": dict}', ""),
    "classes that are text": ('{"num_classes": "3"}', "num_classes"),
    "no classes": ('{"num_classes": 0}', "num_classes"),
    "other classes": ('{"num_classes": 4}', "num_classes"),
    "a guidance of text": ('{"guidance_scale": "x"}', "guidance_scale"),
    "a guidance of NaN": ('{"guidance_scale": float("nan")}', "guidance_scale"),
    "an autoencoder that is a number": ('{"autoencoder": 3}', "autoencoder"),
    "an unknown autoencoder": ('{"autoencoder": "digts"}', "autoencoder"),
    "weights that are a number": ('{"weights": 3}', "weights"),
}


def case(name: str, content: Content, *says: str) -> Case:
    """`check-method` takes nothing that is broken."""
    return Case(name, ["check-method", "{here}/plug.py"], ["plug.py", *says], {"plug.py": content})


def cases() -> list[Case]:
    made = [case(f"at import: {name}", content, says) for name, (content, says) in IMPORTS.items()]
    for name, (body, says) in BODIES.items():
        text = METHOD.format(body=body)
        made.append(case(name, text if body else text.partition("    def plan")[0], says))
    models = {name: (MODEL.format(change=change), says) for name, (change, says) in CHANGES.items()}
    made += [case(f"a model with {name}", text, says) for name, (text, says) in models.items()]
    places: dict[str, Content] = {
        "a folder": lambda path: path.mkdir(),
        "a pipe": pipe,
        "a link to itself": lambda p: p.symlink_to(p),
    }
    made += [case(name, content, "no such plugin file") for name, content in places.items()]
    made.append(case("a gigabyte of zeros", sparse(2**30), ""))
    constructors = {"raises": "raise RuntimeError('x')", "exits": "raise SystemExit(0)", "divides by zero": "1 / 0"}
    for name, line in constructors.items():
        text = METHOD.format(body=f"def __init__(self, **params):\n        {line}")
        words = ["plan", "mine", "steps=2", "--plugin", "{here}/plug.py"]
        made.append(Case(f"a constructor that {name}", words, ["mine"], {"plug.py": text}))
    return made


CASES = named("plugin", cases())
