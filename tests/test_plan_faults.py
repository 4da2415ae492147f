"""What a method author gets wrong in plan() is one line, from `plan`, from a dry run and in the recorded cell."""

from pathlib import Path

import pytest

from bench.cli import main

METHOD = """
from typing import Any
from methods.method import CacheMethod
from methods.plan import BRANCH, Plan, Span, uncached

class Wrong{number}(CacheMethod):
    name = "wrong-{number}"
    parameters: dict[str, Any] = {{}}
    tiny: dict[str, Any] = {{}}
    exact = None

    def plan(self, model: Any, sampler: Any) -> Any:
        n, branches = len(sampler.evaluations(model.noise_schedule)), model.num_branches
        {body}
"""
FAULTS = {  # body of plan(): what the line must say
    "return None": "returned NoneType, expected a methods.plan.Plan",
    "return [[True] * branches] * n": "returned list, expected a methods.plan.Plan",
    "return uncached(n + 1, branches)": "returned 6 evaluations of 24 branches, expected 5 of 24",
    "return uncached(n, branches - 2)": "returned 5 evaluations of 22 branches, expected 5 of 24",
    "return Plan(branches, ((Span(0, 1, BRANCH),),) * n)": "evaluation 0 has nothing to reuse",
    "return Plan(branches, ((), *((Span(0, 99, BRANCH),),) * (n - 1)))": "Span(0, 99) must begin at 0 or later",
    "raise RuntimeError('two\\nlines')": "RuntimeError: two lines",
}
SUITE = """
name = "faults"
reference = { name = "ddim", steps = 5 }
[[cells]]
models = "dit-mnist"
sampler = { name = "ddim", steps = 5 }
[[cells]]
models = "dit-mnist"
sampler = { name = "ddim", steps = 5 }
cache = [CACHES]
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("faults") / "wrong.py"
    methods = (METHOD.format(number=i, body=body.replace("\n", "\\n")) for i, body in enumerate(FAULTS))
    file.write_text("\n".join(methods), "utf-8")
    return file


@pytest.mark.parametrize(("number", "words"), list(enumerate(FAULTS.values())))
def test_plan_says_one_line(number: int, words: str, plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"wrong-{number}", "steps=5", "--plugin", str(plugin)]) == 2
    line = capsys.readouterr().err
    assert words in line
    assert f"Wrong{number}.plan()" in line
    assert line.count("\n") == 1


def test_a_dry_run_says_so_beside_each_cell_and_goes_on(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = plugin.with_name("faults.toml")
    caches = ", ".join(f'{{ name = "wrong-{i}" }}' for i in range(len(FAULTS)))
    suite.write_text(SUITE.replace("CACHES", caches), "utf-8")
    assert main(["run", str(suite), "--dry-run", "--plugin", str(plugin)]) == 0
    text = capsys.readouterr().out
    for words in FAULTS.values():
        assert words in text
    assert "DDIM-5 " in text, "the sound cell keeps its numbers"
