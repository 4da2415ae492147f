"""docs/methods.md is complete: every method that `ditbench list` shows, with all that a reader has to know of it."""

import re
from pathlib import Path

import pytest

import methods
import models
from methods.method import CacheMethod, Method, Sampler

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "methods.md").read_text("utf-8")
CACHES, SAMPLERS = (
    [n for n in methods.names(kind) if methods.find(n).__module__.startswith("methods.")]
    for kind in ("cache", "sampler")
)
ENTRIES = dict(re.findall(r"^\*\*([a-z0-9-]+)\*\* (\(.+?)(?:\n\n|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page_has_the_cache_methods_and_no_other():
    assert sorted(ENTRIES) == sorted(CACHES)


def name_is_a_policy(name):
    """Whether its rows are decided during sampling."""
    model, sampler, cls = models.build("dit-mnist"), methods.build("ddim", steps=6), methods.find(name)
    policy = methods.build(name, **cls.tiny_params(model, sampler)).plan(model, sampler).policy
    return policy is not None and bool(policy.slots)


@pytest.mark.parametrize("name", CACHES)
def test_an_entry_says_all_that_it_should_in_few_lines(name):
    entry = ENTRIES[name]
    places = [entry.index(f"{label}:") for label in ("Default", "Differs", "Cost")]
    assert places == sorted(places)
    assert re.match(r"\([^)]+\)[^:]*: .+", entry), "a source, then what is reused"
    assert entry.count("\n") <= 3
    assert ("`ditbench calibrate`" in entry) == hasattr(methods.find(name), "calibrator")
    assert ("*policy" in entry) == name_is_a_policy(name)


@pytest.mark.parametrize("name", CACHES)
def test_a_stated_default_number_is_one_of_the_methods(name):
    """Every number of the sentence on defaults, but for counts in words, is a default or a bound of a parameter."""
    text = ENTRIES[name].split("Default:")[1].split("Differs:")[0]
    text = re.sub(r"`[^`]*`|\S*command has ratio \S+", "", text)
    numbers = {float(n) for n in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)}
    declared = [p.default for p in methods.find(name).parameters.values()]
    assert numbers <= {float(d) for d in declared if isinstance(d, (int, float)) and not isinstance(d, bool)}


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_is_in_the_table(name):
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    (row,) = [row for row in rows if f"`{name}`" in row.split("|")[1]]
    _, _, source, spacing, held_to, _ = (cell.strip() for cell in row.split("|"))
    assert re.match(r"\d{4}\.\d{5}|\d{4}\.\d{4}", source), "an arXiv number"
    assert spacing
    assert held_to


def contract():
    """What a method may define: the base classes' public attributes, and those that are asked for where they are."""
    bases = (Method, Sampler, CacheMethod)
    declared = {name for base in bases for name in (*vars(base), *vars(base).get("__annotations__", {}))}
    return {name for name in declared if not name.startswith("_")} | OPTIONAL


OPTIONAL = {"files", "training", "sweep", "calibrator"}


def test_the_whole_contract_of_a_method_is_on_the_page_and_in_the_docstrings():
    section = PAGE.split("## Add a method")[1]
    assert {name for name in contract() if not re.search(rf"`{name}\b", section)} == set()
    assert {name for name in OPTIONAL if f"`{name}" not in Method.__doc__ + CacheMethod.__doc__} == set()


def test_nothing_else_is_asked_of_a_method_where_it_is_there():
    asked = r"(?:get|has)attr\((?:\w+\.cache\.method|method|methods\.find\(\w+\)), \"(\w+)\""
    found = {name for path in (ROOT / "bench").rglob("*.py") for name in re.findall(asked, path.read_text("utf-8"))}
    assert found == OPTIONAL
