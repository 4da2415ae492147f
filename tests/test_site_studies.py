"""Pages about studies: each linked from the front page and from the others, whatever its result says."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cell_factory as factory
import pytest
import study_results
from chromium import axe, browser, opened, show  # noqa: F401 (fixtures)
from test_site import HOSTILE, Reader

from bench.cli import main
from bench.show.site import write_site

COMMITTED = Path(__file__).parents[1] / "results" / "studies"
RESULTS = [
    study_results.result(*names) for names in (("redundancy",), ("redundancy", "uvit-mnist"), ("search",))
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    run = factory.write(folder / "run", [factory.cell(), factory.cell(steps=20)])
    studies = study_results.write(folder / "studies", *RESULTS)
    assert main(["site", str(run), str(studies), "--out", str(folder / "out")]) == 0
    return folder / "out"


def read(path: Path) -> Reader:
    return Reader(path.read_text("utf-8"))


def test_every_study_has_a_page_with_all_its_models(site):
    assert {path.name for path in (site / "study").iterdir()} == {"redundancy.html", "search.html"}
    page = read(site / "study/redundancy.html")
    text = "".join(page.text)
    for said in ("What of redundancy?", "redundancy of dit-mnist: 0.41 [0.38, 0.44].", "redundancy of uvit-mnist",
                 "ditbench study redundancy --model uvit-mnist", "0.44", "Errors"):  # fmt: skip
        assert said in text
    pictures = [a["src"] for tag, a in page.tags if tag == "img"]
    assert pictures == ["data:image/svg+xml;base64," + base64.b64encode(study_results.SVG.encode()).decode()] * 2


def test_front_page_and_studies_link_each_other(site):
    front = read(site / "index.html")
    assert {"study/redundancy.html", "study/search.html", "#studies"} <= set(front.links)
    assert "search of dit-mnist: 0.41 [0.38, 0.44]." in "".join(front.text)
    assert "../study/search.html" in read(site / "study/redundancy.html").links
    assert "../study/search.html" not in read(site / "study/search.html").links
    assert "../model/dit-mnist.html" in read(site / "study/search.html").links


def test_the_data_are_there_as_they_were_stored(site):
    link = next(link for link in read(site / "study/search.html").links if link.endswith(".json"))
    assert json.loads((site / "study" / link).read_text("utf-8")) == RESULTS[2]


def test_every_link_leads_somewhere(site):
    for path in [site / "index.html", *(site / "study").iterdir()]:
        page = read(path)
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            address, _, anchor = link.partition("#")
            if not address.startswith("data:"):
                assert ((path.parent / address) if address else path).is_file(), link
                assert address or anchor in page.ids, link


def test_a_site_may_be_of_studies_alone(tmp_path):
    folder = study_results.write(tmp_path / "studies", *RESULTS)
    index = write_site([folder], tmp_path / "out")
    assert "What of search?" in index.read_text("utf-8")


def test_a_changed_result_makes_a_site_stale(tmp_path, capsys):
    folder, out = study_results.write(tmp_path / "studies", *RESULTS), tmp_path / "out"
    write_site([folder], out)
    assert main(["site", str(folder), "--check", str(out)]) == 0
    study_results.write(folder, RESULTS[0] | {"answer": "Another one."}, *RESULTS[1:])
    assert main(["site", str(folder), "--check", str(out)]) == 1
    assert "built from other results" in capsys.readouterr().out


def test_hostile_text_stays_text_and_names_stay_names(tmp_path):
    texts = dict.fromkeys(("study", "model", "question", "answer", "command", "how"), HOSTILE)
    table = {"caption": HOSTILE, "head": [HOSTILE], "rows": [[HOSTILE]]}
    hostile = study_results.result(**texts, settings={HOSTILE: [HOSTILE]}, made_with={HOSTILE: HOSTILE}, tables=[table])
    folder = study_results.write(tmp_path / "studies", hostile)
    next(folder.glob("*/*.svg")).write_text(f"<svg>{HOSTILE}<script>alert(3)</script></svg>")
    write_site([folder], tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"studies", "out"}
    for path in (tmp_path / "out").rglob("*.html"):
        assert re.fullmatch(r"([a-z]+/)?[a-z0-9-]+\.html", path.relative_to(tmp_path / "out").as_posix())
        page = read(path)
        assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
        assert all("src" in a for tag, a in page.tags if tag == "script")


def test_ten_megabytes_of_text_are_cut(tmp_path):
    long = "x" * 10_000_000
    table = {"caption": long, "head": [long], "rows": [[long]]}
    one = study_results.result(answer=long, question=long, command=long, settings={"a": long}, tables=[table])
    write_site([study_results.write(tmp_path / "studies", one)], tmp_path / "out")
    shown = (tmp_path / "out").rglob("*.html")
    assert sum(path.stat().st_size for path in shown) < 100_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "expected a study's result of version 1"),
        ({"answer": 5}, "answer must be a text"),
        ({"how": 5}, "how must be a text"),
        ({"study": ""}, "study must be a text"),
        ({"settings": []}, "settings must be an object"),
        ({"tables": {}}, "tables must be a list of objects"),
        ({"tables": [{"caption": "c", "head": ["a", "b"], "rows": [["1"]]}]}, "tables must be a list of objects"),
        ({"tables": [{"caption": "c", "head": ["a"], "rows": [[{}]]}]}, "tables must be a list of objects"),
        ({"tables": [{"caption": "c", "head": [], "rows": [[]]}]}, "tables must be a list of objects"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line_that_names_the_file(tmp_path, capsys, change, said):
    folder = study_results.write(tmp_path / "studies", study_results.result() | change)
    assert main(["site", str(folder), "--out", str(tmp_path / "out")]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert "model-0.json" in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_two_results_of_one_study_and_model_are_refused(tmp_path, capsys):
    folder = study_results.write(tmp_path / "studies", RESULTS[0], RESULTS[0])
    assert main(["site", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "both claim the study redundancy of dit-mnist" in capsys.readouterr().err


def test_names_that_read_alike_have_pages_of_their_own(tmp_path):
    folder = study_results.write(tmp_path / "studies", *(study_results.result(name) for name in ("a b", "a-b")))
    write_site([folder], tmp_path / "out")
    assert len(list((tmp_path / "out" / "study").iterdir())) == 2


def test_another_folder_is_no_folder_of_studies(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "suite.json").write_text("{}")
    assert main(["site", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "no results there (expected cells/<model>/<method>.json)" in capsys.readouterr().err


def test_committed_studies_have_their_pages(tmp_path):
    write_site([COMMITTED], tmp_path / "out")
    stored = [json.loads(path.read_text("utf-8")) for path in COMMITTED.glob("*/*.json")]
    for one in stored:
        text = " ".join("".join(read(tmp_path / "out" / "study" / f"{one['study']}.html").text).split())
        assert one["question"] in text
        assert " ".join(one["answer"].split()) in text
        assert one["command"] in text


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_a_study_fits_and_is_accessible(browser, axe, site, width, scheme):  # noqa: F811
    page = site / "study/redundancy.html"
    with opened(browser, page.as_uri()) as shown:
        show(shown, width, scheme)
        assert shown.execute_script("return document.querySelector('img').naturalWidth") > 0
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    assert axe(browser, page) == []
