"""The site as files: which pages there are, what they say, and what they must never do."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cell_factory as factory
import pytest

import methods
import models
from bench.cli import main
from bench.schema.clipping import clipped
from bench.show.site import routers, write_site
from bench.show.site.names import Names, plain
from bench.store.stored_cell import stored
from models.errors import InputError

HOSTILE = "=1+1</script><script>alert(1)</script>'\"&\x07 ../../etc/passwd <img src=x onerror=alert(2)>"
RESULTS = Path(__file__).parent.parent / "results" / "small-full"
ATOM = "{http://www.w3.org/2005/Atom}"

CELLS = factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist")[::5]


class Reader(HTMLParser):
    """Tags, identifiers, addresses and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]

    def handle_data(self, data):
        self.text.append(data)


def finished_on(day, cells):
    return [cell | {"finished": f"2026-01-{day:02d}T03:04:05Z"} for cell in cells]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two runs of a suite, the later one half as large, with samples."""
    folder = tmp_path_factory.mktemp("site")
    first = factory.write(folder / "first", finished_on(2, CELLS), samples=True)
    second = factory.write(folder / "second", finished_on(5, CELLS[::2]))
    assert main(["site", str(first), str(second), "--out", str(folder / "out")]) == 0
    return folder / "out"


def pages(out):
    return {path.relative_to(out).as_posix(): Reader(path.read_text("utf-8")) for path in sorted(out.rglob("*.html"))}


def test_every_thing_has_a_page(site):
    assert set(pages(site)) == {
        "index.html", "changes.html", "suite/first.html", "suite/second.html", "compare/first--second.html",
        "model/dit-mnist.html", "model/uvit-mnist.html", "method/ddim.html", "method/dpm-solverpp.html",
        "method/fora.html", "method/deepcache.html", "method/l2c.html", "machine/test-data-no-such-cpu-2-cores.html",
        *(f"versus/{run}-{model}.html" for run in ("first", "second") for model in ("dit-mnist", "uvit-mnist")),
    }  # fmt: skip
    for kind in ("csv", "json", "md", "tex"):
        assert (site / f"data/first.{kind}").stat().st_size > 500
    assert len(json.loads((site / "data/first.json").read_text())) == len(CELLS)


def test_every_link_leads_somewhere_and_identifiers_are_unique(site):
    read = pages(site)
    for name, page in read.items():
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            address, _, anchor = link.partition("#")
            if address.startswith(("data:", "https://", "http://")):
                continue
            target = (site / name).parent / address if address else site / name
            assert target.is_file(), (name, link)
            if anchor and not anchor.startswith("?"):
                assert anchor in read[target.resolve().relative_to(site.resolve()).as_posix()].ids, (name, link)


def test_no_page_can_ask_for_anything(site):
    for name, page in pages(site).items():
        policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "content-security" in str(a).lower())
        assert "default-src 'none'" in policy, name
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
        assert not [
            a["src"] for tag, a in page.tags if tag in ("script", "img", "iframe") and "://" in a.get("src", "")
        ]


def test_cells_that_did_not_finish_are_in_view_with_their_reason(site):
    read = pages(site)
    for name in ("suite/first.html", "model/dit-mnist.html", "method/deepcache.html"):
        text = "".join(read[name].text)
        assert "stopped after 600 s" in text, name
        assert "needs an even number of blocks" in text, name


def test_a_method_has_its_plans_and_samples(site):
    tags = pages(site)["method/fora.html"].tags
    drawn = [a for tag, a in tags if tag == "svg" and a.get("class") == "plan"]
    first, second = (
        [c for c in cells if c["status"] == "ok" and (c["cache"] or {}).get("name") == "fora"]
        for cells in (CELLS, CELLS[::2])
    )
    assert len(drawn) == len(first) + len(second) > 8
    assert len([a for tag, a in tags if tag == "img"]) == len(first)  # only the first run kept samples


def test_the_comparison_is_between_the_older_and_the_newer(site):
    page = "".join(pages(site)["compare/first--second.html"].text)
    assert "first → second" in page
    assert "gone" in page


def three_runs(tmp_path, **suites):
    """Runs of a suite each, a day apart, in an order that is not theirs."""
    made = []
    for day, (name, suite) in enumerate(suites.items(), start=1):
        made.append(factory.write(tmp_path / name, finished_on(day, [factory.cell(), factory.cell(steps=20)])))
        record = json.loads((made[-1] / "suite.json").read_text()) | {"suite": suite}
        (made[-1] / "suite.json").write_text(json.dumps(record))
    return made[::-1]


def compared(out):
    return {path.name for path in (out / "compare").glob("*")}


def test_only_consecutive_runs_of_one_suite_are_compared(tmp_path):
    runs = three_runs(tmp_path, a="small", other="large", b="small", c="small")
    write_site(runs, tmp_path / "out")
    assert compared(tmp_path / "out") == {"a--b.html", "b--c.html"}
    write_site(runs, tmp_path / "out", [(tmp_path / "other", tmp_path / "c")])
    assert compared(tmp_path / "out") == {"other--c.html"}
    with pytest.raises(InputError, match="not among the directories given"):
        write_site(runs, tmp_path / "out", [(tmp_path / "other", tmp_path / "d")])


def test_the_page_of_changes_is_in_order_of_time_and_links_the_comparison(site):
    page = pages(site)["changes.html"]
    times = [attributes["datetime"] for tag, attributes in page.tags if tag == "time"]
    assert times == ["2026-01-05T03:04:05Z", "2026-01-02T03:04:05Z"]
    assert page.links.count("compare/first--second.html") == 1


def test_a_site_that_is_not_what_its_results_make_is_stale(tmp_path, capsys):
    run = factory.write(tmp_path / "run", [factory.cell(), factory.cell(steps=20)])
    out = tmp_path / "out"
    index = write_site([run], out)
    command = ["site", str(run), "--check", str(out)]
    assert main(command) == 0
    assert re.findall("digest is <code>(.*?)<", index.read_text()) == [(out / ".ditbench-site").read_text()[7:23]]
    index.write_text(index.read_text().replace("DDIM-50", "DDIM-51"))
    assert main(command) == 1
    factory.write(run, [factory.cell(), factory.cell(steps=20, fd=9.0)])
    assert main(command) == 1
    said = capsys.readouterr().out.splitlines()
    assert ["up to date" in said[0], "index.html is not what" in said[1], "other results" in said[2]] == [True] * 3
    assert len(said) == 3
    assert main(["site", str(run), "--check", str(run)]) == 2


def test_two_settings_can_be_compared_without_scripts(site):
    page = pages(site)["versus/first-dit-mnist.html"]
    text = "".join(page.text)
    assert "Every setting against DDIM-50" in text
    rows = [a for tag, a in page.tags if tag == "tr" and "data-verdict" in a]
    ok = [cell for cell in CELLS if cell["model"] == "dit-mnist" and cell["status"] == "ok"]
    assert len(rows) == len(ok) - 1
    assert "needs an even number of blocks" in text
    assert not [a for tag, a in pages(site)["versus/second-uvit-mnist.html"].tags if tag == "img"]


def test_one_number_per_method_stands_on_index_and_run(site):
    for name in ("index.html", "suite/first.html", "model/dit-mnist.html"):
        text = "".join(pages(site)[name].text)
        assert "Best difference in FD to fewer steps" in text, name
        assert re.search(r"\d× \[[\d.…]+, [\d.…]+\]: DDIM-\d+ \+ L2C", text), name


def test_times_stand_beside_the_machine_threads_and_dtype_that_they_are_of(site):
    for name in ("suite/first.html", "model/dit-mnist.html"):
        assert "timed in batches of 8 in float32 on 1 thread(s) of Test data, no such CPU." in (site / name).read_text()


def test_a_method_is_compared_with_fewer_steps_first(site):
    links = pages(site)["method/fora.html"].links
    found = [link for link in links if link.startswith("../versus/first-dit-mnist.html#?a=")]
    assert len(found) == 1
    assert re.search(r"a=ddim-\d+%2Bfora-interval-\d&b=ddim-\d+$", found[0])


def real(name):
    return json.loads((RESULTS / "cells" / f"{name}.json").read_text())


def test_a_router_is_drawn_where_its_scores_decide_the_measured_plan(tmp_path):
    cells = [real("dit-mnist/ddim-20+l2c-l1-0.0001"), real("dit-mnist/ddim-50+l2c-l1-1e-05"), real("dit-mnist/ddim-50")]
    cells[1]["plan"]["rows"][1] = "#." * 12  # made by another router
    write_site([factory.write(tmp_path / "run", cells)], tmp_path / "out")
    for name in ("method/l2c.html", "model/dit-mnist.html"):
        drawn = [a["aria-label"] for tag, a in pages(tmp_path / "out")[name].tags if tag == "svg" and "role" in a]
        assert [label for label in drawn if label.startswith("Router of")] == [
            "Router of DDIM-20 + L2C (l1=0.0001): scores of 10 evaluations, and its loss while it learned"
        ], name


def test_a_routers_picture_is_of_the_cells_own_method():
    cell, sampler = real("dit-mnist/ddim-20+l2c-l1-0.0001"), methods.build("ddim", steps=20)
    cache = methods.build("harmonica", l1=1e-6)
    computed = cache.plan(models.build("dit-mnist", weights="random"), sampler).computed
    cell["plan"]["rows"] = ["".join("#" if c else "." for c in row) for row in computed]
    cell["cache"] = {"name": "harmonica", "params": cache.params}
    assert routers.router_of(stored(cell)).card["method"] == "harmonica"
    cell["cache"]["name"] = "l2c"
    assert routers.router_of(stored(cell)) is None, "the same λ and plan, and a router of another method"


def test_published_numbers_stand_on_the_pages_of_model_and_method(tmp_path):
    cells = [factory.cell("dit-xl-2", steps=n) for n in (50, 20)] + [factory.cell("dit-xl-2", cache="fora", interval=2)]
    write_site([factory.write(tmp_path / "run", cells)], tmp_path / "out")
    texts = {name: "".join(page.text) for name, page in pages(tmp_path / "out").items()}
    assert all("None of these numbers was measured here" in texts[name] for name in (
        "suite/run.html", "model/dit-xl-2.html", "method/ddim.html", "method/fora.html"))  # fmt: skip
    assert "TaylorSeer" in texts["model/dit-xl-2.html"]
    assert "L2C, 50 steps" not in texts["method/fora.html"]
    assert "None of these" not in texts["index.html"]


def charts(out, name):
    text = (out / name).read_text("utf-8")
    return [
        json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    ]


def test_the_plot_has_the_stored_values_and_the_curves(site):
    chart = charts(site, "suite/first.html")[0]
    assert [axis["key"] for axis in chart["y"]][:2] == ["fd", "is"]
    assert {"latency_ms", "macs_g", "peak_memory_mb", "training_s"} <= {axis["key"] for axis in chart["x"]}
    at = next(i for i, point in enumerate(chart["points"]) if point["name"] == "DDIM-50")
    assert chart["values"]["latency_ms"][at] == [450.0, 445.5, 454.5]
    fd, low, high = chart["values"]["fd"][at]
    assert fd == pytest.approx(factory.cell()["quality"]["fd"], rel=1e-5)
    assert low < fd < high
    assert {chart["families"][p["family"]]["name"] for p in chart["points"] if p["curve"]} == {"DDIM", "DPM-Solver++"}
    assert all(len(values) == len(chart["points"]) for values in chart["values"].values())


@pytest.mark.parametrize(
    ("path", "value"), [("protocol", "2"), ("quality.samples", 5000), ("environment.cpu", "other"),
                        ("settings.weights_sha256", "a" * 64)],
)  # fmt: skip
def test_what_was_measured_differently_is_never_in_one_ranking(tmp_path, path, value):
    cells = [factory.cell(steps=n) for n in (50, 40, 20)]
    for cell in cells[:1]:
        part, _, key = path.rpartition(".")
        (cell[part] if part else cell)[key] = value
    write_site([factory.write(tmp_path / "run", cells)], tmp_path / "out")
    names = [[point["name"] for point in chart["points"]] for chart in charts(tmp_path / "out", "suite/run.html")]
    assert names == [["DDIM-40", "DDIM-20"]]  # one point alone is no plot
    tables = [a for tag, a in pages(tmp_path / "out")["model/dit-mnist.html"].tags if "data-results" in a]
    assert len(tables) == 2


def test_two_runs_are_never_ranked_together(site):
    assert len(charts(site, "model/dit-mnist.html")) == 2


def test_the_feed_names_every_day_of_every_run_the_newest_first(site):
    feed = ElementTree.parse(site / "feed.xml").getroot()
    entries = feed.findall(f"{ATOM}entry")
    assert [e.findtext(f"{ATOM}updated") for e in entries] == ["2026-01-05T03:04:05Z", "2026-01-02T03:04:05Z"]
    assert f"{len(CELLS[::2])} cells finished" in entries[0].findtext(f"{ATOM}title")
    assert feed.findtext(f"{ATOM}updated") == "2026-01-05T03:04:05Z"
    assert len({e.findtext(f"{ATOM}id") for e in entries}) == 2


def test_dates_that_are_none_are_left_out_of_the_feed(tmp_path):
    cells = [factory.cell() | {"finished": "yesterday"}, factory.cell(steps=20) | {"finished": None}]
    write_site([factory.write(tmp_path / "run", cells)], tmp_path / "out")
    assert not ElementTree.parse(tmp_path / "out" / "feed.xml").getroot().findall(f"{ATOM}entry")


def hostile_cells():
    cells = [factory.cell(steps=n) for n in (50, 20)] + [factory.cell(cache="fora", interval=3)]
    for cell in cells:
        cell["method"] = HOSTILE + cell["method"]
        cell["environment"]["cpu"] = cell["quality"]["features"] = HOSTILE
    return [*cells, factory.not_ok("failed", HOSTILE, steps=10)]


def test_hostile_text_stays_text_and_names_stay_names(tmp_path):
    directory = factory.write(tmp_path / "a <b>&", hostile_cells())
    suite = json.loads((directory / "suite.json").read_text()) | {"title": HOSTILE, "description": HOSTILE}
    (directory / "suite.json").write_text(json.dumps(suite))
    write_site([directory], tmp_path / "out")
    for name, page in pages(tmp_path / "out").items():
        assert re.fullmatch(r"([a-z]+/)?[a-z0-9-]+\.html", name)
        assert not [tag for tag, attributes in page.tags if tag == "img" and "onerror" in attributes], name
        scripts = [attributes for tag, attributes in page.tags if tag == "script"]
        assert all("src" in a or a.get("type") == "application/json" for a in scripts), name
    ElementTree.parse(tmp_path / "out" / "feed.xml")
    assert {path.name for path in tmp_path.iterdir()} == {"a <b>&", "out"}


def test_ten_megabytes_of_text_are_cut(tmp_path):
    cells = [factory.cell() | {"method": "x" * 10_000_000}, factory.not_ok("failed", "y" * 10_000_000, steps=20)]
    write_site([factory.write(tmp_path / "run", cells)], tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and "assets" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 500_000


def test_the_same_input_makes_the_same_bytes_and_an_older_site_is_replaced(tmp_path, site):
    first = factory.write(tmp_path / "first", finished_on(2, factory.suite_of("dit-mnist")))
    second = factory.write(tmp_path / "second", finished_on(3, [factory.cell("uvit-mnist")]))

    def files():
        return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    out = tmp_path / "out"
    write_site([first], out)
    once = files()
    write_site([first, second], out)
    assert (out / "model/uvit-mnist.html").exists()
    write_site([first], out)
    assert files() == once


@pytest.mark.parametrize("second", ["copy", "first", "out"])
def test_one_cell_is_claimed_once(tmp_path, capsys, second):
    cells = finished_on(2, [factory.cell(), factory.cell(steps=20)])
    for name in ("first", "copy"):
        factory.write(tmp_path / name, cells)
    directories = [str(tmp_path / "first"), *([] if second == "out" else [str(tmp_path / second)])]
    out = str(tmp_path / ("first" if second == "out" else "out"))
    assert main(["site", *directories, "--out", out]) == 2
    said = capsys.readouterr().err
    words = {"copy": "claim the same cell: dit-mnist/ddim-50", "first": "given twice", "out": "choose another --out"}
    assert words[second] in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_site_is_left_alone(tmp_path):
    directory = factory.write(tmp_path / "run", [factory.cell()])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not a site"):
        write_site([directory], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"thesis.txt"}


def test_unreadable_cells_are_named_and_runs_of_one_name_kept_apart(tmp_path):
    a = factory.write(tmp_path / "a" / "run", finished_on(2, [factory.cell()]))
    b = factory.write(tmp_path / "b" / "run", finished_on(3, [factory.cell()]))
    (b / "cells/dit-mnist/broken.json").write_text('{"schema": 7}')
    write_site([a, b], tmp_path / "out")
    read = pages(tmp_path / "out")
    assert "this version reads schema 1" in "".join(read["suite/run-2.html"].text)
    assert "this version reads schema 1" not in "".join(read["suite/run.html"].text)


def test_names_of_pages():
    names = Names()
    assert names.of("DiT-XL/2") == "dit-xl-2"
    assert names.of("dit xl 2").startswith("dit-xl-2-")
    assert names.of("DiT-XL/2") == "dit-xl-2"
    assert plain("../../etc/passwd") == "etc-passwd"
    assert plain("扩散") == plain("") == "page"
    assert plain("CON") == "page-con"
    assert len(plain("x" * 10_000)) == 60


def test_text_is_cut_where_it_is_read_and_plans_are_not():
    assert clipped({"a": ["b" * 1000, 1], "plan": {"rows": ["#" * 999]}}) == {
        "a": ["b" * 399 + "…", 1], "plan": {"rows": ["#" * 999]}
    }  # fmt: skip
