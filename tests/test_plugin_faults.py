"""A plugin that defines nothing usable says why in one line."""

from pathlib import Path

import pytest

from bench import plugins

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
