"""Studies: found by being there, the same on a second run, going on where they stopped, and shown as pages."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from markupsafe import escape

import models
from bench import studies
from bench.cli import main
from bench.show.study_page import render, svg, write_pages
from bench.store.code_hash import Hashes
from bench.store.studies import MAX_SENTENCE
from bench.studies.lab import result as results
from bench.studies.lab import ways
from bench.studies.lab.identity import KINDS, MEASURING
from bench.studies.lab.result import VERSION, Order, Table, conduct, plot, read_result, tables
from bench.studies.lab.steps import Steps
from methods import calibration
from methods.routing import file as router_files
from methods.routing import shipped
from models.errors import InputError

NAMES = studies.names()
ROOM = Path(studies.__path__[0])
# Of uvit-mnist no routers of DDIM-20 are shipped, and it is no DiT.
UNANSWERED = {"uvit-mnist": ("beyond-two-steps", "depth")}
ANSWERABLE = [name for name in NAMES if models.spec(studies.usual_models(name)[0]).weights]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Where studies that train leave their checkpoints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DITBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def quick(tmp_path_factory, cache) -> Path:
    """Every study of both small models, quickly, as `tox -e studies -- --quick` runs them."""
    out, began = tmp_path_factory.mktemp("studies"), spent()
    with pytest.MonkeyPatch.context() as patch:
        reads = recorded(patch)
        assert main(["study", "all", "--quick", "--out", str(out)]) == 0
    (out / "spent").write_text(f"{spent() - began} {os.getloadavg()[0]}")
    (out / "reads").write_text(json.dumps(reads))
    return out


def recorded(patch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Study, model and file of every shipped router or calibration that is opened while a study is measured."""
    now, reads = [], []
    measure = results.measure
    patch.setattr(results, "measure", lambda path, order: now.append(order) or measure(path, order))
    for module, name, place in (
        (router_files, "safe_open", shipped.ROUTERS),
        (calibration, "read_object", calibration.SHIPPED),
    ):
        original = getattr(module, name)

        def opened(path, *rest, place=place, original=original):
            if now and Path(path).is_relative_to(place):
                reads.append((now[-1].study, now[-1].model, str(path)))
            return original(path, *rest)

        patch.setattr(module, name, opened)
    return reads


def spent() -> float:
    """Seconds of processors that this process and those that it has seen end have had."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def test_all_of_them_take_less_than_a_minute(quick):
    """Of processor time, on a machine that is not busy: beside others the same work takes longer."""
    seconds, load = map(float, (quick / "spent").read_text().split())
    if load > (os.cpu_count() or 1) + 1:
        pytest.skip(f"the machine is busy (load {load:.1f}), so {seconds:.0f} s say nothing")
    assert seconds < 60


def test_every_file_that_a_study_reads_is_part_of_its_identity(quick):
    reads = {tuple(read) for read in json.loads((quick / "reads").read_text())}
    assert {"router", "search", "transfer"} <= {study for study, *_ in reads}
    for study, model, file in reads:
        kinds = Order(study, model, quick=True).files[model]
        counted = {path for kind in kinds for path in KINDS[kind][0](models.spec(model), None)}
        assert Path(file) in counted, study


def test_every_file_is_a_study_under_the_name_of_its_file():
    files = {path.stem.replace("_", "-") for path in ROOM.glob("*.py")} - {"--init--"}
    assert set(NAMES) == files
    for name in NAMES:
        module = studies.load(name)
        assert name == module.NAME
        assert studies.question(name) == module.QUESTION
        assert module.QUESTION.endswith("?")
        assert "\n" not in module.QUESTION
        assert module.HOW.endswith(".")
        assert len(module.HOW) <= MAX_SENTENCE  # a page cuts longer ones


def test_a_file_without_a_question_is_no_study(tmp_path):
    (tmp_path / "bare.py").write_text('NAME = "bare"\n')
    with pytest.raises(InputError, match=r"bare\.py: a study states its NAME, its QUESTION and its HOW"):
        studies.constants(tmp_path / "bare.py")


@pytest.mark.parametrize("words", [["--out", ""], ["--out="]])
@pytest.mark.parametrize("command", [["study", "redundancy", "--quick"], ["site", "results"], ["run", "smoke"]])
def test_an_empty_name_of_an_output_is_refused(command, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*command, *words]) == 2
    assert capsys.readouterr().err == f"ditbench: {command[0]}: --out must name a file or folder, got ''\n"
    assert list(tmp_path.iterdir()) == []


def test_list_says_which_there_are(capsys):
    assert main(["study", "list", "--json"]) == 0
    assert [study["name"] for study in json.loads(capsys.readouterr().out)] == NAMES
    assert main(["study", "list"]) == 0
    assert all(studies.question(name) in capsys.readouterr().out for name in NAMES[:1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["redundncy"], "unknown study 'redundncy'; did you mean 'redundancy'?"),
        (["redundancy", "--model", "dit-mnst"], "unknown model 'dit-mnst'; did you mean 'dit-mnist'?"),
        (["redundancy", "--json"], "--json belongs to list"),
        (["redundancy", "--model", "dit-xl-2", "--quick"], "dit-xl-2"),
        (["redundancy", "--qick"], "did you mean '--quick'?"),
        (["redundancy", "--weights", "x.pt"], "x.pt: one model's file, but these studies are of dit-mnist, uvit-mnist"),
    ],
)
def test_bad_input_is_one_line(words, said, tmp_path, capsys):
    assert main(["study", *words, "--out", str(tmp_path)]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ANSWERABLE)
def test_a_study_leaves_its_result_its_plot_and_its_page(name, quick):
    files = {path.name for path in (quick / name).iterdir()}
    answered = [model for model in studies.usual_models(name) if name not in UNANSWERED.get(model, ())]
    assert files == {f"{model}.{suffix}" for model in answered for suffix in ("html", "json", "svg")}
    first = answered[0]
    result = read_result(quick / name / f"{first}.json")
    page = (quick / name / f"{first}.html").read_text("utf-8")
    assert result["question"] == studies.question(name)
    assert result["answer"].endswith(".")
    assert result["command"] == f"ditbench study {name} --model {first} --quick"
    for said in (result["question"], result["how"], result["command"]):
        assert str(escape(said)) in page
    assert all(len(row) == len(table.head) for table in tables(result) for row in table.rows)


@pytest.mark.parametrize("name", ANSWERABLE)
def test_the_answer_is_made_from_the_data(name, quick):
    result = read_result(quick / name / f"{studies.usual_models(name)[0]}.json")
    assert result["answer"] == studies.load(name).answer(result["data"])
    changed = (0.3 + 0.1 * (n % 7) for n in count(1))
    other = json.loads(json.dumps(result["data"]), parse_float=lambda text: float(text) * next(changed))
    assert studies.load(name).answer(other) != result["answer"]


@pytest.mark.parametrize("name", ANSWERABLE)
def test_a_second_run_gives_the_same_numbers(name, quick, tmp_path, monkeypatch):
    """Latencies are measured anew, and nothing else: with those of the first run all files are the same bytes."""
    model = studies.usual_models(name)[0]
    timed = read_result(quick / name / f"{model}.json")["data"].get("times")
    monkeypatch.setattr(ways, "measure", lambda *_: timed)
    again = conduct(Order(name, model, quick=True), tmp_path)
    write_pages(again, tables(again), partial(plot, again), tmp_path / name / model)
    for suffix in ("json", "svg", "html"):
        first, second = (folder / name / f"{model}.{suffix}" for folder in (quick, tmp_path))
        assert first.read_bytes() == second.read_bytes()


def test_what_was_measured_is_only_said_anew(tmp_path, monkeypatch):
    order, module = Order("redundancy", "dit-mnist", quick=True), studies.load("redundancy")
    first = conduct(order, tmp_path)
    monkeypatch.setattr(module, "answer", lambda data: "Other words.")
    monkeypatch.setattr(module, "of_sampler", None)  # measuring would fail
    again = conduct(order, tmp_path)
    assert again == first | {"answer": "Other words."} == read_result(tmp_path / "redundancy" / "dit-mnist.json")


@pytest.mark.parametrize(
    "change", [{"identity": "other code"}, {"version": 0}, {"data": {"samplers": 1}}, {"checksum": "0" * 64}]
)
def test_what_other_code_measured_or_somebody_edited_is_measured_anew(change, tmp_path, monkeypatch):
    order, module = Order("redundancy", "dit-mnist", quick=True), studies.load("redundancy")
    left = {"version": VERSION, "data": {}, "identity": order.identity, "checksum": results.sum_of({})} | change
    path = tmp_path / "redundancy" / "dit-mnist.json"
    path.parent.mkdir()
    path.write_text(json.dumps(left))
    monkeypatch.setattr(module, "run", lambda *_: {"samplers": []})
    monkeypatch.setattr(module, "answer", lambda data: "Nothing.")
    monkeypatch.setattr(module, "tables", lambda data: [])
    assert conduct(order, tmp_path)["data"] == {"samplers": []}


def test_what_is_said_is_no_part_of_what_is_measured():
    used = Hashes(MEASURING)
    used.of(("bench.studies.redundancy", "run"))
    assert {"of_sampler", "shares"} <= {name for _, name in used.known}
    assert not {"answer", "plot", "tables"} & {
        name for module, name in used.known if module.startswith("bench.studies")
    }


def test_steps_are_kept_until_the_study_is_done(tmp_path):
    made = []

    def measure():
        made.append(1)
        return {"value": 0.1, "pair": (1, 2)}

    steps = Steps(tmp_path / "kept", "same")
    first = steps("one", measure)
    assert steps("one", measure) == first == {"value": 0.1, "pair": [1, 2]}
    assert len(made) == 1
    Steps(tmp_path / "kept", "other code")("one", measure)
    assert len(made) == 2
    (tmp_path / "kept" / "one.json").write_text('{"identity": "same", "val')
    assert steps("one", measure) == first
    assert len(made) == 3
    damaged = json.loads((tmp_path / "kept" / "one.json").read_text()) | {"value": {"value": 0.2}}
    (tmp_path / "kept" / "one.json").write_text(json.dumps(damaged))
    assert steps("one", measure) == first
    assert len(made) == 4
    steps.forget()
    assert not (tmp_path / "kept").exists()


def test_an_interrupted_study_goes_on(tmp_path, monkeypatch):
    module = studies.load("redundancy")
    calls = []

    def interrupted(subject, settings, part):
        calls.append(part.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(subject, settings, part)

    original = module.of_sampler
    monkeypatch.setattr(module, "of_sampler", interrupted)
    order = Order("redundancy", "dit-mnist", quick=True)
    with pytest.raises(KeyboardInterrupt):
        conduct(order, tmp_path)
    assert not (tmp_path / "redundancy" / "dit-mnist.json").exists()
    conduct(order, tmp_path)
    assert len(calls) == 3  # the first sampler was not measured again


def test_what_a_result_says_is_escaped():
    hostile = "<script>alert(1)</script>"
    result = dict.fromkeys(("question", "how", "answer", "study", "model", "command"), hostile)
    table = Table(hostile, (hostile,), ((hostile,),))
    page = render(result | {"settings": {hostile: hostile}, "made_with": {hostile: hostile}}, [table], b"")
    assert hostile not in page


def test_another_file_is_no_result(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json: expected a study's result"):
        read_result(tmp_path / "x.json")


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[1].glob("results/studies/*/*.json")), ids=str)
def test_committed_results_say_what_they_show(path):
    result = read_result(path)
    assert result["answer"] == studies.load(result["study"]).answer(result["data"])
    assert result["tables"] == json.loads(json.dumps([asdict(table) for table in tables(result)]))
    assert path.with_suffix(".svg").is_file()
    assert b"<svg" in svg(partial(plot, result))
    documented = (Path(__file__).parents[1] / "docs" / "studies.md").read_text("utf-8")
    assert result["answer"] in " ".join(documented.split())
    assert result["question"] == studies.question(result["study"])
    assert result["how"] == studies.load(result["study"]).HOW
    assert result["how"] in " ".join(documented.split())
    assert f"## {result['study']} {result['question']} " in " ".join(documented.split())
