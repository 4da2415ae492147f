"""Suite files: what they mean, and one clear line for everything that is wrong in one."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import methods
from bench.sampling.compiled import Execution
from bench.suite import file as suite
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from bench.suite.selection import select
from models.errors import InputError

HEAD = 'name = "t"\n'
BLOCK = '[[cells]]\nmodels = "dit-mnist"\n'
DDIM = BLOCK + 'sampler = { name = "ddim", steps = 10 }\n'


def load(folder: Path, text: str, broken: dict[str, str] | None = None) -> suite.Suite:
    path = folder / "t.toml"
    path.write_text(text)
    return suite.load(str(path), broken)


def slugs(loaded: suite.Suite) -> list[str]:
    return [cell.slug for cell in loaded.cells]


@pytest.mark.parametrize("name", suite.names())
def test_shipped_suites_load(name):
    loaded = suite.load(name)
    assert loaded.name == name
    assert loaded.title
    assert loaded.references
    assert len({(c.model, c.slug) for c in loaded.cells}) == len(loaded.cells)


def test_the_docs_count_the_cells_of_the_small_suites():
    page = (Path(__file__).parents[1] / "docs" / "suites.md").read_text("utf-8")
    for name in ("smoke", "small", "small-field", "engines", "small-full"):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(f" {len(suite.load(name).cells)} |")


def test_every_method_that_can_run_without_a_file_of_ones_own_is_in_the_small_suites():
    """Third parties' apart, and Faster Diffusion, which is in small-full; `schedule` plays a file."""
    used = {c.cache.name for name in ("small", "small-field") for c in suite.load(name).cells if c.cache}
    own = {n for n in methods.names("cache") if methods.find(n).__module__.startswith("methods.")}
    assert own - used == {"schedule", "faster-diffusion"}


def test_lists_are_swept_as_a_cross_product(tmp_path):
    text = BLOCK + (
        'sampler = { name = "ddim", steps = [20, 10] }\n'
        'cache = [{ name = "fora", interval = 2 }, { name = "deepcache", interval = [2, 3], depth = [1, 2] }]\n'
    )
    loaded = load(tmp_path, HEAD + text)
    assert len(loaded.cells) == 2 * (1 + 4)
    assert "ddim-20+deepcache-interval-3-depth-2" in slugs(loaded)
    assert "ddim-20+deepcache-interval-3" in slugs(loaded), "a parameter at its default is not part of the slug"


def test_uncached_cells_come_first_and_repetitions_are_dropped(tmp_path):
    cached = DDIM + 'cache = { name = "fora", interval = 2 }\n'
    assert slugs(load(tmp_path, HEAD + cached + DDIM + DDIM)) == ["ddim-10", "ddim-10+fora-interval-2"]


def test_reference_is_a_cell_of_every_model(tmp_path):
    loaded = load(tmp_path, HEAD + 'reference = { name = "ddim", steps = 10 }\n' + DDIM)
    assert loaded.references["dit-mnist"].slug == "ddim-10"


@pytest.mark.parametrize(
    ("batch", "expected"),
    [("4", (4, (), False)), ("[4, 1, 64]", (4, (1, 64), False)), ('[2, "auto"]', (2, (), True)),
     ('"auto"', (8, (), True))],
)  # fmt: skip
def test_the_first_timed_batch_is_the_headline(tmp_path, batch, expected):
    timing = load(tmp_path, HEAD + f"[protocol.timing]\nbatch = {batch}\n" + DDIM).protocol.timing
    assert (timing.batch, timing.more_batches, timing.largest) == expected


def test_the_command_line_replaces_timed_batches_and_nothing_else(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(HEAD + "[protocol]\nsamples = 0\n[protocol.timing]\nbatch = 4\nrounds = 7\n" + DDIM)
    rules = suite.load(str(path), overrides={"timing": {"batch": [2, 3]}}).protocol
    assert (rules.samples, rules.timing.batch, rules.timing.more_batches, rules.timing.rounds) == (0, 2, (3,), 7)
    path.write_text(HEAD + "protocol = 3\n" + DDIM)
    with pytest.raises(InputError, match="'protocol' must be a table"):
        suite.load(str(path), overrides={"timing": {"batch": [2, 3]}})


MISTAKES = {
    "not toml": ("name = ", "not a TOML file"),
    "no name": (DDIM, "'name' must be a string"),
    "name is a path": ('name = "../x"\n' + DDIM, "'name' must be letters"),
    "unknown top key": (HEAD + "protocl = {}\n" + DDIM, "did you mean 'protocol'?"),
    "no cells": (HEAD, "at least one [[cells]]"),
    "cells is no table": (HEAD + "cells = [1]\n", "expected a table"),
    "unknown cell key": (HEAD + DDIM + "cachee = 1\n", "did you mean 'cache'?"),
    "unknown model": (HEAD + DDIM.replace("mnist", "mnst"), "did you mean 'dit-mnist'?"),
    "hostile model": (HEAD + DDIM.replace("dit-mnist", "../../etc"), "a model's name must be"),
    "model is a number": (HEAD + DDIM.replace('"dit-mnist"', "3"), "'models' must be"),
    "unknown sampler": (HEAD + DDIM.replace("ddim", "ddin"), "did you mean 'ddim'?"),
    "cache method as sampler": (HEAD + DDIM.replace("ddim", "fora"), "unknown sampler 'fora'"),
    "sampler as cache method": (HEAD + DDIM + 'cache = { name = "ddim" }\n', "unknown cache method 'ddim'"),
    "sampler is a string": (HEAD + BLOCK + 'sampler = "ddim"\n', "'sampler' must be a table"),
    "no sampler": (HEAD + BLOCK, "'sampler' must be a table"),
    "empty list": (HEAD + BLOCK + "sampler = []\n", "'sampler' is an empty list"),
    "unknown parameter": (HEAD + DDIM.replace("steps", "stepps"), "did you mean 'steps'?"),
    "wrong type": (HEAD + DDIM.replace("10", '"ten"'), "'steps' must be int, got 'ten'"),
    "boolean for a number": (HEAD + DDIM.replace("10", "true"), "'steps' must be int, got True"),
    "out of range": (HEAD + DDIM.replace("10", "0"), "'steps' must lie in"),
    "unknown protocol key": (HEAD + "[protocol]\nsample = 3\n" + DDIM, "did you mean 'samples'?"),
    "protocol type": (HEAD + '[protocol]\nsamples = "3"\n' + DDIM, "'samples' must be int"),
    "protocol range": (HEAD + "[protocol]\nsamples = 31\n" + DDIM, "'samples' must lie in [32,"),
    "not a number": (HEAD + "[protocol]\ntimeout = nan\n" + DDIM, "'timeout' must lie in"),
    "timing batch": (HEAD + '[protocol.timing]\nbatch = [8, "aut"]\n' + DDIM, "'batch' must be int, got 'aut'"),
    "timing batch twice": (HEAD + "[protocol.timing]\nbatch = [8, 8]\n" + DDIM, "without repetitions, got [8, 8]"),
    "no timing batch": (HEAD + "[protocol.timing]\nbatch = []\n" + DDIM, "'batch' must be a number"),
    "timing key": (HEAD + "[protocol.timing]\nround = 3\n" + DDIM, "did you mean 'rounds'?"),
    "timing is no table": (HEAD + "[protocol]\ntiming = 3\n" + DDIM, "'timing' must be a table"),
    "reference not a cell": (HEAD + 'reference = { name = "ddim", steps = 9 }\n' + DDIM, "ddim-9 is not a cell"),
    "reference swept": (
        HEAD + 'reference = { name = "ddim", steps = [9, 8] }\n' + DDIM,
        "one sampler with one setting",
    ),
    "verdict is no table": (HEAD + "verdict = 3\n" + DDIM, "[verdict]: expected a table, got 3"),
    "verdict key": (HEAD + "[verdict]\nqualty = 0.1\n" + DDIM, "did you mean 'quality'?"),
    "margin out of range": (
        HEAD + "[verdict]\nquality = -0.1\n" + DDIM,
        "'quality' must be a share in [0, 1], got -0.1",
    ),
    "margin above 1": (HEAD + "[verdict]\nlatency = 2\n" + DDIM, "'latency' must be a share in [0, 1], got 2"),
    "margin is a boolean": (HEAD + "[verdict]\nbound = true\n" + DDIM, "'bound' must be a share in [0, 1], got True"),
    "margin is not a number": (HEAD + "[verdict]\nbound = nan\n" + DDIM, "'bound' must be a share in [0, 1], got nan"),
    "verdict axis": (HEAD + '[verdict]\naxis = "fd_won"\n' + DDIM, "did you mean 'fd_own'?"),
    "slurm is no table": (HEAD + "slurm = 3\n" + DDIM, "[slurm]: expected a table, got 3"),
    "slurm key": (HEAD + '[slurm]\npartion = "gpu"\n' + DDIM, "did you mean 'partition'?"),
    "slurm partition is a number": (HEAD + "[slurm]\npartition = 3\n" + DDIM, "'partition' must be a string, got 3"),
    "slurm time in words": (HEAD + '[slurm]\ntime = "1h"\n' + DDIM, "'time' must be minutes in [1, 999999], got '1h'"),
    "slurm time is a boolean": (
        HEAD + "[slurm]\ntime = true\n" + DDIM,
        "must be minutes in [1, 999999], got True",
    ),
    "slurm time of none": (HEAD + "[slurm]\ntime = 0\n" + DDIM, "'time' must be minutes in [1, 999999], got 0"),
    "fewer than two samples of a class": (
        HEAD
        + '[protocol]\nsamples = 64\nquality = { features = "adm" }\n'
        + DDIM.replace("dit-mnist", "dit-imagenet32"),
        "'samples' must hold each of the 50 classes of dit-imagenet32 twice, got 64; the nearest that does is 100",
    ),
    "too many cells": (HEAD + DDIM.replace("10", str(list(range(1, 200)) * 60)), None),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_one_line_that_names_the_file(tmp_path, mistake):
    text, expected = MISTAKES[mistake]
    if expected is None:  # repetitions are dropped, so this is fine
        assert len(load(tmp_path, text).cells) == 199
        return
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert "t.toml" in message
    assert expected in message
    assert "\n" not in message


def test_unknown_suite_gives_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'smoke'"):
        suite.load("smok")
    with pytest.raises(InputError, match="no such suite file"):
        suite.load("nowhere/t.toml")


def test_a_suites_file_without_its_suffix_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(HEAD + DDIM)
    with pytest.raises(InputError, match=r"unknown suite 'mine'; did you mean the file 'mine.toml'"):
        suite.load("mine")


def test_names_of_a_broken_plugin_become_cells_that_fail(tmp_path):
    broken = {"p.py": "plugin p.py could not be loaded: ImportError: x"}
    text = HEAD + DDIM + 'cache = { name = "mine", a = [1, 2] }\n' + DDIM.replace("dit-mnist", "my-model")
    loaded = load(tmp_path, text, broken)
    assert [c.broken for c in loaded.cells] == [broken["p.py"]] * 3
    assert sorted(slugs(loaded)) == ["ddim-10", "ddim-10+mine-a-1", "ddim-10+mine-a-2"]


def cell(sampler: Part, cache: Part | None = None, **rules: int) -> Cell:
    return Cell("dit-mnist", sampler, cache, Protocol(**rules))


def test_key_depends_on_everything_that_numbers_depend_on(tmp_path):
    router = tmp_path / "router"
    router.write_bytes(b"one")
    ddim, settings = Part("ddim", {"steps": 10}), Settings()
    first = cell(ddim).key(settings)
    others = [
        cell(Part("ddim", {"steps": 11})).key(settings),
        cell(ddim, Part("fora", {"interval": 2})).key(settings),
        cell(ddim, samples=8).key(settings),
        cell(ddim).key(Settings(threads=2)),
        cell(ddim).key(Settings(device="cuda")),
        cell(ddim).key(Settings(execution=Execution("plain"))),
    ]
    assert len({first, *others}) == 7
    assert first == cell(Part("ddim", {"steps": 10, "eta": 0.0})).key(settings), "a stated default changes nothing"
    assert first == Cell("dit-mnist", ddim, None, Protocol(timeout=5.0)).key(settings), "nor does the timeout"


def test_slugs_of_hostile_values_are_file_names_and_stay_apart():
    values = ["../../x", "..", "a/b", "a b", "a\nb", "é" * 300, "", "-"]
    names = [Cell("m", Part("x", {"word": v}), None, Protocol(), "broken").slug for v in values]
    assert len(set(names)) == len(values)
    for name in names:
        assert "/" not in name
        assert name.isascii()
        assert name.isprintable()
        assert len(name) < 100


def test_floats_that_differ_have_different_slugs(tmp_path):
    close = "[1e-3, 0.1234567, 0.12345671, 0.30000000000000004, 0.3]"
    made = slugs(load(tmp_path, HEAD + DDIM.replace("steps = 10", f"steps = 10, eta = {close}")))
    assert len(made) == 5
    assert "ddim-10-eta-0.001" in made, "a value that its short form names keeps it"


def test_a_table_is_named_by_its_keys_and_apart_from_another():
    tables = [{"attn": [1, 0], "mlp": [1, 1]}, {"attn": [1, 1], "mlp": [1, 0]}, {"a/b": [1, 0]}]
    made = [cell(Part("ddim", {"steps": 2}), Part("smoothcache", {"schedule": table})) for table in tables]
    slugs = [c.slug for c in made]
    assert len(set(slugs)) == 3
    assert all("/" not in slug and len(slug) < 100 for slug in slugs)
    assert slugs[0].startswith("ddim-2+smoothcache-schedule-attn+mlp-")
    assert made[0].title == f"DDIM-2 + SmoothCache (schedule={slugs[0].split('schedule-')[1]})"


def test_integers_that_json_readers_would_round_are_stored_as_text():
    assert Part("x", {"word": 2**60, "size": -(2**53)}).params == {"word": str(2**60), "size": -(2**53)}


def test_cells_travel_to_other_processes():
    part = Part("ddim", {"steps": 10})
    _ = part.method
    assert pickle.loads(pickle.dumps(cell(part))) == cell(part)


def test_titles_are_for_people():
    made = cell(Part("ddim", {"steps": 50}), Part("deepcache", {"interval": 3, "depth": 2}))
    assert made.title == "DDIM-50 + DeepCache (interval=3, depth=2)"


SELECTIONS = {
    "dit-mnist/*": 14,
    "*fora*": 2,
    "ddim-50|ddim-20": 2,
    "cache=none": 7,
    "cache=fora|none,steps=50": 3,
    "interval=3": 2,
    "sampler=dpm*": 2,
    "l1=0.00001": 1,
}


@pytest.mark.parametrize("expression", SELECTIONS)
def test_only_selects(expression):
    small = suite.load("small")
    assert len(small.cells) == 14
    assert len(select(small, expression)) == SELECTIONS[expression]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("nothing", "no cell of suite 'small' matches"),
        ("cach=fora", "did you mean 'cache'"),
        ("a=1,b", "key=value"),
        ("cache=fora|deepcach", "no cell of suite 'small' matches cache=deepcach; did you mean 'deepcache'"),
        ("cache=fora|bogus*", r"no cell of suite 'small' matches cache=bogus\*"),
    ],
)
def test_only_refuses(expression, expected):
    with pytest.raises(InputError, match=expected):
        select(suite.load("small"), expression.replace("a=1", "steps=50"))


def test_margins_are_read_and_the_bound_is_the_quality_margin_unless_stated(tmp_path):
    assert load(tmp_path, HEAD + DDIM).judging.as_dict() == {
        "axis": "fd", "quality": 0.05, "latency": 0.02, "bound": 0.05
    }  # fmt: skip
    found = load(tmp_path, HEAD + '[verdict]\naxis = "fd_own"\nquality = 0.1\n' + DDIM).judging
    assert (found.axis, found.quality, found.bound) == ("fd_own", 0.1, 0.1)


def test_what_a_suite_asks_of_slurm_is_read_as_the_command_line_would_say_it(tmp_path):
    assert load(tmp_path, HEAD + DDIM).options == {"slurm": {}}
    found = load(tmp_path, HEAD + '[slurm]\npartition = "gpu"\ntime = 90\n' + DDIM).options
    assert found == {"slurm": {"partition": "gpu", "time": "90"}}


@pytest.mark.parametrize("rules", ["samples = 0", 'samples = 64\nquality = { features = "none" }', "samples = 100"])
def test_samples_that_are_not_judged_or_hold_every_class_twice_are_taken(tmp_path, rules):
    assert load(tmp_path, HEAD + f"[protocol]\n{rules}\n" + DDIM.replace("dit-mnist", "dit-imagenet32")).cells


def test_too_many_combinations_are_refused_before_they_are_built(tmp_path):
    values = ", ".join(map(str, range(1, 1001)))
    etas = ", ".join(f"0.{i:04d}" for i in range(1000))
    text = HEAD + BLOCK + f'sampler = {{ name = "ddim", steps = [{values}], eta = [{etas}], spacing = [{values}] }}\n'
    with pytest.raises(InputError, match=r"'sampler' lists more than 10000 combinations"):
        load(tmp_path, text)
