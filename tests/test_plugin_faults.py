"""A plugin that defines nothing usable says why in one line."""

from pathlib import Path

import pytest

from bench import plugins
from bench.run import probe

METHOD = """
from methods.method import CacheMethod
from methods.plan import uncached

class Mine(CacheMethod):
    name = {name!r}
    parameters = {{}}

    def plan(self, model, sampler):
        return uncached(len(sampler.evaluations(model.noise_schedule)), model.num_branches)
"""


def reason(folder: Path, text: str) -> str:
    file = folder / "mine.py"
    file.write_text(text, "utf-8")
    (found,) = plugins.load([str(file)]).values()
    assert "\n" not in found
    return found


@pytest.mark.parametrize("name", ["Reuse MLP/../x", "../up", ".hidden", "a b", "<b>", "x" * 65])
def test_a_method_whose_name_cannot_be_a_folders(name: str, tmp_path: Path) -> None:
    assert f"a method's name must be letters, digits, '.', '_', '+' or '-', got {name!r}" in reason(
        tmp_path, METHOD.format(name=name)
    )


def test_a_class_without_a_base(tmp_path: Path) -> None:
    found = reason(tmp_path, "class Mine:\n    name = 'mine'\n\nclass Other:\n    pass\n")
    assert "defines no method, no model, no extractor and no engine: Mine would have to be a " in found
    assert "a methods.method.CacheMethod, " in found


@pytest.mark.parametrize(
    ("text", "told"), [("x = 1\n", "defines no method, "), ("1 / 0\n", "ZeroDivisionError: division by zero")]
)
def test_a_reason_of_ours_is_told_without_the_name_of_its_class(text: str, told: str, tmp_path: Path) -> None:
    assert f"could not be loaded: {told}" in reason(tmp_path, text)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os\nos._exit(0)\n", "ended with code 0"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "was killed by SIGSEGV"),
        ("while True: pass\n", "took longer than 0.5 s"),
    ],
)
def test_an_import_that_ends_or_hangs_its_process_ends_no_other(body: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(body)
    (reason,) = probe.broken([str(tmp_path / "mine.py")], 0.5 if "while" in body else 30).values()
    assert said in reason
    assert "\n" not in reason


@pytest.mark.parametrize("body", ["x = 1\n", "raise ValueError('two\\nlines')\n", "import sys\nsys.exit(3)\n"])
def test_what_only_fails_is_left_to_whoever_loads_it(body: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(body)
    assert probe.broken([str(tmp_path / "mine.py")], 30) == {}
