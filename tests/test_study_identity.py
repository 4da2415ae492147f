"""What makes two runs of a study the same one: code, settings, and the contents of every file that it reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import studies
from bench.studies.lab import identity, result
from bench.studies.lab.identity import code, texts
from bench.studies.lab.result import Order, conduct, read_result
from methods import calibration
from methods.routing import shipped
from models.checkpoint import read_tensors, sha256

COMMITTED = sorted(Path(__file__).parents[1].glob("results/studies/*/*.json"))


@pytest.fixture
def routers(tmp_path, monkeypatch) -> Path:
    """A copy of the shipped routers that may be changed, where studies look for them."""
    place = tmp_path / "routers"
    shutil.copytree(shipped.ROUTERS, place)
    monkeypatch.setattr(identity, "ROUTERS", place)
    monkeypatch.setattr(shipped, "ROUTERS", place)
    shipped.shipped.cache_clear()
    yield place
    shipped.shipped.cache_clear()


def append(file: Path) -> None:
    """Other contents of the same file."""
    with file.open("ab") as content:
        content.write(b" ")


def identity_of(study: str, model: str = "dit-mnist", **given) -> str:
    return Order(study, model, quick=True, **given).identity


def test_other_contents_of_the_same_weights_are_another_study(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"weights")
    first = identity_of("redundancy", weights=str(file))
    assert identity_of("redundancy", weights=str(file)) == first
    append(file)
    assert identity_of("redundancy", weights=str(file)) != first


def test_other_weights_are_measured_anew_where_a_study_was_interrupted_and_where_it_was_done(tmp_path, monkeypatch):
    module, calls = studies.load("redundancy"), []
    own = result.models.spec("dit-mnist").weights
    file, out = tmp_path / "mine.safetensors", tmp_path / "out"
    shutil.copy(own, file)
    order = lambda: Order("redundancy", "dit-mnist", str(file), quick=True)  # noqa: E731

    def counted(subject, settings, part):
        calls.append(part.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {"sampler": part.name, "evaluations": 1, "weights": sha256(file)}

    monkeypatch.setattr(module, "of_sampler", counted)
    monkeypatch.setattr(module, "answer", lambda data: "Nothing.")
    monkeypatch.setattr(module, "tables", lambda data: [])
    with pytest.raises(KeyboardInterrupt):
        conduct(order(), out)
    write_other(file)
    found = conduct(order(), out)
    assert len(calls) == 4  # the part that was kept of the first weights was made again
    assert {one["weights"] for one in found["data"]["samplers"]} == {sha256(file)}
    assert conduct(order(), out) == found
    assert len(calls) == 4
    shutil.copy(own, file)
    assert conduct(order(), out)["made_with"]["files"] != found["made_with"]["files"]
    assert len(calls) == 6


def write_other(file: Path) -> None:
    from safetensors.torch import save_file

    save_file({key: 1.01 * value for key, value in read_tensors(file).items()}, file)


@pytest.mark.parametrize(
    ("changed", "of", "not_of"),
    [
        ("dit-mnist/ddim-20-l1-0.0001.safetensors", ["router", "transfer", "beyond-two-steps"], ["depth"]),
        ("uvit-mnist/ddim-50-l1-0.001.safetensors", [], ["router", "transfer", "depth"]),
    ],
)
def test_a_router_is_part_of_those_studies_that_read_such(changed, of, not_of, routers):
    before = {study: identity_of(study) for study in (*of, *not_of)}
    append(routers / changed)
    assert [study for study in before if identity_of(study) != before[study]] == of


def test_a_new_router_makes_another_study(routers):
    before = identity_of("redundancy")
    (routers / "dit-mnist" / "new.safetensors").write_bytes(b"new")
    assert identity_of("redundancy") != before


def test_a_calibration_is_part_of_the_study_that_reads_it(tmp_path, monkeypatch):
    before = {study: identity_of(study) for study in ("search", "redundancy")}
    place = tmp_path / "calibrations"
    shutil.copytree(calibration.SHIPPED, place)
    monkeypatch.setattr(identity, "SHIPPED", place)
    append(place / "search" / "dit-mnist-ddim-50.json")
    assert identity_of("search") != before["search"]
    assert identity_of("redundancy") == before["redundancy"]


def test_models_that_settings_name_count_too():
    order = Order("objectives", "dit-mnist-noise")
    assert set(order.settings.variants) < set(order.files) == {"dit-mnist-noise", *order.settings.variants}
    assert all("weights" in kinds for kinds in order.files.values())


def test_methods_that_are_built_by_name_count_too():
    reached = {study: {name for _, name in code(study)[1]} for study in ("beyond-two-steps", "search", "transfer")}
    assert {"Fora", "TaylorSeer"} <= reached["beyond-two-steps"]
    assert {"Fora", "SmoothCache", "L2C"} <= reached["search"]
    assert all({"DDIM", "UniPC", "Heun"} <= names for names in reached.values())


def test_texts_of_settings_are_found_however_deep():
    settings = studies.load("transfer").FULL
    assert "uvit-singlestep" in set(texts(settings))


@pytest.mark.parametrize("path", COMMITTED, ids=str)
def test_committed_results_were_made_from_the_files_that_are_shipped(path):
    stored = read_result(path)
    assert stored["made_with"]["files"] == Order(stored["study"], stored["model"]).files
