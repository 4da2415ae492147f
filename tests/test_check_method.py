"""ditbench check-method: a plugin that keeps the contract passes, each kind of fault is one line."""

import re
import time

import pytest
import torch

from bench.cli import main
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
        ("raises", "count = len", "count = 1 / 0 if model.skips else len", "ZeroDivisionError"),
    ],
)
def test_each_fault_is_one_line(tmp_path, capsys, name, old, new, said):
    content = GOOD.format(name=name).replace(old, new)
    code, lines, _ = check(tmp_path, capsys, name, content)
    assert code == 1
    assert any(said in line and line.startswith(f"FAIL {name}: ") for line in lines), lines


@pytest.mark.parametrize(
    ("content", "said"), [("x = 1\n", "defines no method"), ("raise ValueError('no')\n", "ValueError")]
)
def test_what_is_no_plugin_is_refused(tmp_path, capsys, content, said):
    code, _, error = check(tmp_path, capsys, f"none{len(content)}", content)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_shipped_sampler_is_checked_by_name(capsys):
    torch.manual_seed(0)
    assert main(["check-method", "heun"]) == 0
    assert "ok   heun: makes its evaluations: dit, heun" in capsys.readouterr().out


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
