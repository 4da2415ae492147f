"""ditbench check-method: a plugin that keeps the contract passes, each kind of fault is one line."""

import re
import time
from pathlib import Path

import pytest
import torch

import methods
from bench.cli import main, method_checks
from methods import registry

GOOD = '''
"""Every other evaluation."""
from methods.method import CacheMethod
from methods.plan import Plan, Span


class Alternate(CacheMethod):
    """Reuses everything at every other evaluation."""

    name = "{name}"
    exact = None

    def plan(self, model, sampler):
        count = len(sampler.evaluations(model.noise_schedule))
        return Plan(model.num_branches, tuple((Span(0, model.num_branches),) if k % 2 else () for k in range(count)))
'''

POLICY = '''
"""What a policy gets wrong."""
from dataclasses import dataclass, field

import torch

from methods.method import CacheMethod, Parameter
from methods.plan import OFFSET, Plan, Span
from methods.policy import Decisions, Policy


class Partly(CacheMethod):
    """Computes a quarter of the tokens of every MLP at every other evaluation."""

    name = "{name}"
    parameters = {{"keys": Parameter(object, help="list of evaluations")}}

    def validate(self):
        pass

    def plan(self, model, sampler):
        count = len(sampler.evaluations(model.noise_schedule))
        part = tuple(Span(j, j + 1, fresh=0.25) for j in range(1, model.num_branches, 2))
        return Plan(model.num_branches, tuple(part if k % 2 else () for k in range(count)), policy=Quarter())


@dataclass(frozen=True)
class Quarter(Policy):
    ran: list = field(default_factory=list, compare=False)
    points = (0,)

    def begin(self, evaluations):
        return Tokens(self)


class Tokens(Decisions):
    def __init__(self, policy):
        self.policy = policy

    def fresh(self, k, index, look):
        N, T = look.tokens.shape[:2]
        chosen = torch.arange(T // 4).expand(N, -1)
        return chosen
'''

SAMPLER = '''

from methods.ddim import DDIM
from methods.method import Parameter


class Demands(DDIM):
    """Cannot be built without a number, and its `tiny` has none."""

    name = "demands"
    parameters = {"number": Parameter(int, required=True)}
    tiny = {}
'''
MERGE = "    def merge(self, kept, fresh, out):\n        return kept[:, :1]\n"
KEEPS = "self.policy.ran.append(k)\n        return chosen if len(self.policy.ran) < 15 else T - 1 - chosen"


@pytest.fixture(autouse=True)
def plugins_stay_here(monkeypatch):
    """What these plugins register is no other test's business."""
    monkeypatch.setattr(registry.REGISTERED, "plugins", {})


def check(tmp_path, capsys, name, content):
    path = tmp_path / f"{name}.py"
    path.write_text(content)
    code = main(["check-method", str(path), "--failures"])
    done = capsys.readouterr()
    return code, done.out.splitlines(), done.err


def test_a_good_plugin_passes(tmp_path, capsys):
    code, lines, _ = check(tmp_path, capsys, "alternate", GOOD.format(name="alternate"))
    assert code == 0
    assert len(lines) == 1
    assert lines[0].endswith("checks hold")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("nodoc", '    """Reuses everything at every other evaluation."""', "", "the class has no docstring"),
        ("inexact", "exact = None", "exact = {}", "the exact setting is not bit for bit"),
        ("short", "in range(count)", "in range(count - 1)", "InputError: Alternate.plan() returned"),
        ("random", "if k % 2", "if k and __import__('random').random() < 0.5", "two plans of the same setting differ"),
        (
            "supports",
            "    def plan",
            "    def supports(self, *_): return True\n\n    def plan",
            "supports() gives True",
        ),
        ("files", "    def plan", "    def files(self, *_): return 'a'\n\n    def plan", "files() gives 'a'"),
        ("costs", "exact = None", "training = {'secs': 1}", "'training' must be None or have 'seconds'"),
        ("sweeps", "exact = None", "sweep = {'depth': [1]}", "'sweep' sets depth, which is no parameter"),
        ("raises", "count = len", "count = 1 / 0 if model.skips else len", "ZeroDivisionError"),
    ],
)
def test_each_fault_is_one_line(tmp_path, capsys, name, old, new, said):
    content = GOOD.format(name=name).replace(old, new)
    code, lines, _ = check(tmp_path, capsys, name, content)
    assert code == 1
    assert any(said in line and line.startswith(f"FAIL {name}: ") for line in lines), lines


FAULTS = [
    ("wholly", "T // 4)", "T)", "branch 1: fresh picks 1 of all, its span says 0.25"),
    ("beyond", "return chosen", "return chosen + T - 1", "fresh must be bool [4], or int64 [4, K] of 0..15"),
    ("floats", "return chosen", "return chosen.float()", "fresh must be bool [4], or int64 [4, K] of 0..15"),
    ("nothing", "return chosen", "return None", "fresh must be bool [4], or int64 [4, K] of 0..15"),
    ("merges", "return chosen\n", f"return chosen\n\n{MERGE}", "merge must return [4, 16, 32]"),
    ("hoards", "return chosen", KEEPS, "the same images differ after another batch has run"),
    ("careless", "        pass\n", "        set(self.keys or ())\n", "keys = 3.5 raises TypeError"),
    (
        "default",
        "Parameter(object",
        "Parameter(int, 9, 0, 5",
        "a default is refused: default: 'keys' must lie in [0, 5]",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "said"), FAULTS, ids=[name for name, *_ in FAULTS])
def test_each_fault_of_a_policy_or_a_parameter_is_one_line(tmp_path, capsys, monkeypatch, name, old, new, said):
    monkeypatch.setattr(method_checks, "samplers", lambda method: [methods.build("ddim", steps=6)])
    content = POLICY.format(name=name)
    assert old in content
    code, lines, _ = check(tmp_path, capsys, name, content.replace(old, new))
    assert code == 1
    assert any(said in line and line.startswith(f"FAIL {name}: ") for line in lines), lines


def test_a_sound_policy_passes(tmp_path, capsys):
    code, lines, _ = check(tmp_path, capsys, "partly", POLICY.format(name="partly"))
    assert code == 0, lines


def test_the_method_on_the_page_passes(tmp_path, capsys):
    page = (Path(__file__).parents[1] / "docs" / "methods.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code, lines, _ = check(tmp_path, capsys, "example", example)
    assert code == 0, lines


@pytest.mark.parametrize(
    ("content", "said"), [("x = 1\n", "defines no method"), ("raise ValueError('no')\n", "ValueError")]
)
def test_what_is_no_plugin_is_refused(tmp_path, capsys, content, said):
    code, _, error = check(tmp_path, capsys, f"none{len(content)}", content)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_sampler_that_cannot_be_built_is_one_line_and_no_matter_of_other_methods(tmp_path, capsys):
    content = GOOD.format(name="beside") + SAMPLER
    code, lines, error = check(tmp_path, capsys, "beside", content)
    assert code == 1
    assert [line for line in lines if "beside" in line] == []
    assert "FAIL demands: tiny setting is built: InputError: demands: parameter 'number' is required" in lines
    assert "Traceback" not in error


def test_a_shipped_sampler_is_checked_by_name(capsys):
    torch.manual_seed(0)
    assert main(["check-method", "heun"]) == 0
    assert "ok   heun: makes its evaluations: dit, heun" in capsys.readouterr().out


def test_a_name_that_is_nearly_a_methods(capsys):
    assert main(["check-method", "smothcache"]) == 2
    assert capsys.readouterr().err == "ditbench: unknown method 'smothcache'; did you mean 'smoothcache'?\n"


def test_a_quick_look_at_a_plugin_beside_its_baseline(tmp_path, capsys):
    path = tmp_path / "glance.py"
    path.write_text(GOOD.format(name="glance"))
    began = time.monotonic()
    assert main(["check-method", str(path), "--quick"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = re.fullmatch(
        r"glance: (\S+) times as fast as DDIM-20 uncached \[\S+, \S+\], (\S+) by MACs, (\S+) from its latents", line
    )
    assert found, line
    assert float(found[1]) > 1, "half of the evaluations compute nothing"
    assert 1.8 < float(found[2]) < 2
    assert 0 < float(found[3]) < 1
    assert time.monotonic() - began < 60, "20 s where nothing else runs"


def test_a_quick_look_at_a_sampler_and_at_what_raises(tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text(GOOD.format(name="broken").replace("count = len", "count = 1 / 0 if model else len"))
    assert main(["check-method", str(path), "--quick"]) == 1
    assert capsys.readouterr().out == "FAIL broken: ZeroDivisionError: division by zero\n"
    assert main(["check-method", "ddim", "--quick"]) == 0
    assert "ddim (steps=4): " in capsys.readouterr().out
