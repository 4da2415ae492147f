"""What a page says first: one sentence, one plot, one short table, the same words in the terminal."""

import json
import re
from dataclasses import replace
from pathlib import Path

import cell_factory as factory
import pytest
from page_sentences import sentences, words

from bench.cli.commands import run
from bench.judge.ranking import ranked
from bench.show.glossary import TEMPLATES, anchor, glossary, terms
from bench.show.report.answer import answer
from bench.show.report.decision_text import against, closing, maybe_faster, sentence, speed_lines
from bench.show.report.gap_plot import GapPlot, bent
from bench.show.report.gaps import gaps_of
from bench.show.report.group import groups_of
from bench.show.report.page import write_report
from bench.show.site import write_site
from bench.statistics.interval import Interval
from bench.store.results import read_results

ROOT = Path(__file__).parents[1]
HOSTILE = "<img src=x onerror=alert(1)>"


def groups(folder, cells):
    results = read_results(factory.write(folder, cells))
    return groups_of(results, ranked(results.cells))


def ladder():
    """A reference, something a little worse and twice as fast, and something bad that is four times as fast."""
    return [
        factory.cell(ms=400.0, fd=4.0),
        factory.cell(steps=25, ms=200.0, fd=4.02),
        factory.cell(steps=12, ms=100.0, fd=9.0),
    ]


def fidelity(cell, error):
    """The cell with errors of 16 seeds to the exact solution around `error`."""
    seeds = [error * (1 + 0.01 * (i % 4)) for i in range(16)]
    mean = sum(seeds) / len(seeds)
    cell["quality"] |= {"ode_error": mean, "ode_error_low": 0.9 * mean, "ode_error_high": 1.1 * mean,
                        "ode_error_resolution": 1e-4, "ode_error_seeds": seeds}  # fmt: skip
    return cell


def test_the_sentence_says_what_to_use_and_what_it_gains(tmp_path):
    (group,) = groups(tmp_path, ladder())
    assert sentence(group) == "Use DDIM-25: 2× as fast as DDIM-50, FD no more than 5 % worse."


def test_where_there_is_no_distance_the_other_axis_is_named(tmp_path):
    cells = [fidelity(cell, 0.1) for cell in ladder()]
    for cell in cells:
        cell["quality"] |= dict.fromkeys(("fd", "fd_se", "fd_corrected", "features", "fingerprint", "reference"))
    (group,) = groups(tmp_path, cells)
    assert sentence(group).endswith(
        'nothing to choose by. With axis = "ode_error" in the suite\'s [verdict] they '
        "are judged by fidelity, without a new run."
    )


def test_a_reference_that_was_left_out_is_named(tmp_path):
    cached = [factory.cell(cache="fora", interval=interval) for interval in (2, 3)]
    factory.write(tmp_path, [ladder()[0], *cached])
    (tmp_path / "cells/dit-mnist/ddim-50.json").unlink()
    results = read_results(tmp_path)
    (group,) = groups_of(results, ranked(results.cells))
    assert sentence(group) == "The suite's reference, ddim-50, was not run, so nothing can be judged: run it too."


def test_no_gain_is_no_figure(tmp_path):
    (group,) = groups(tmp_path, [factory.cell(ms=400.0, fd=4.0), factory.cell(steps=25, ms=398.0, fd=3.9)])
    assert sentence(group) == "Use DDIM-25: as fast as DDIM-50, FD no more than 5 % worse."


def test_where_nothing_faster_is_good_enough_the_reference_is_to_be_used(tmp_path):
    cells = [factory.cell(ms=400.0, fd=4.0), factory.cell(steps=12, ms=100.0, fd=9.0)]
    (group,) = groups(tmp_path, cells)
    assert sentence(group) == "Use DDIM-50: no faster setting is sure to have an FD at most 5 % worse."


def test_without_quality_or_a_rival_nothing_is_recommended(tmp_path):
    (alone,) = groups(tmp_path / "alone", [factory.cell()])
    assert sentence(alone) == "DDIM-50 is alone: there is no other setting to compare it with."
    cells = [factory.cell(steps=n) for n in (50, 20)]
    for cell in cells:
        cell["quality"]["fd"] = None
    (unjudged,) = groups(tmp_path / "unjudged", cells)
    assert sentence(unjudged).startswith("No setting has both FD and a latency")
    assert "No images were made" not in sentence(unjudged)


def test_a_suite_of_speed_alone_says_that_no_images_were_made(tmp_path):
    cells = [factory.cell(steps=n) | {"quality": None} for n in (50, 20)]
    (group,) = groups(tmp_path, cells)
    assert sentence(group).endswith("No images were made: this is of speed, work and memory alone.")
    assert answer(group).headline.endswith("No images were made: this is of speed, work and memory alone.")
    assert {group.ruling(cell).word for cell in group.cells} == {""}


def test_times_alone_say_what_is_fastest(tmp_path):
    slow, fast = factory.cell(ms=450.0), factory.cell(cache="fora", interval=3, ms=180.0)
    near, far = factory.cell(cache="deepcache", interval=3, ms=181.0), factory.cell(cache="fora", interval=2, ms=250.0)
    (group,) = groups(tmp_path, [cell | {"quality": None} for cell in (slow, fast, near, far)])
    told, names = sentence(group), [group.by_slug[cell["slug"]].method for cell in (fast, near)]
    assert told.startswith(f"Fastest is {names[0]}: 2.5× as fast as uncached [2.48, 2.52].")
    assert f"Not told apart from it: {names[1]}. No images" in told
    assert answer(group).headline == told


def test_a_speed_up_that_the_clock_cannot_see_is_not_called_the_fastest(tmp_path):
    slow, fast = factory.cell(ms=450.0) | {"quality": None}, factory.cell(cache="fora", ms=430.0) | {"quality": None}
    fast["timing"]["speedup"] |= {"low": 0.9, "high": 1.2}
    (group,) = groups(tmp_path, [slow, fast])
    told = sentence(group)
    assert told.startswith("Fastest by its median is ")
    assert "as fast as uncached [0.900, 1.20], which the clock cannot tell from no difference. No images" in told


def test_the_short_table_has_at_most_six_lines_from_slow_to_fast(tmp_path):
    for group in groups(tmp_path, factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist")):
        lines = speed_lines(group)
        speeds = [float(line.speed.removesuffix("×")) for line in lines]
        assert 1 <= len(lines) <= 6
        assert speeds == sorted(speeds)


def test_what_may_be_faster_still_is_named_and_what_is_left_out_is_said(tmp_path):
    (sure,) = groups(tmp_path / "sure", ladder())
    assert maybe_faster(sure) == "", "what is surely too bad is no candidate"
    doubtful = factory.cell(steps=12, ms=100.0, fd=4.2)
    (group,) = groups(tmp_path / "doubtful", [*ladder()[:2], doubtful])
    assert group.decision().headline.faster == ("ddim-12",)
    assert maybe_faster(group) == "DDIM-12"
    text = write_report(tmp_path / "doubtful").read_text()
    assert "Faster still, and perhaps good enough: DDIM-12." in text
    assert "One setting for each range of speeds" in text


def test_a_difference_is_said_in_per_cent_with_its_interval():
    assert against(Interval(2.4, -0.2, 11.6)) == "+2 % (0 to +12)"
    assert against(Interval(-3.0, float("-inf"), float("inf"))) == "−3 % (… to …)"


def test_the_plot_shows_paired_differences_on_quality_and_fidelity(tmp_path):
    cells = [fidelity(cell, error) for cell, error in zip(ladder(), (0.01, 0.02, 0.3), strict=True)]
    (group,) = groups(tmp_path, cells)
    quality, exact = gaps_of(group)
    assert (quality.key, exact.key) == ("fd", "ode_error")
    assert quality.of["ddim-50"].value == exact.of["ddim-50"].value == 0
    gap = quality.of["ddim-25"]
    assert gap.low < gap.value < gap.high < 5 == pytest.approx(quality.bound)
    assert exact.of["ddim-25"].value == pytest.approx(1.015, rel=1e-6)  # per cent: of errors of 0.02 less those of 0.01
    assert exact.bound is None


def test_a_setting_far_off_stands_at_the_top_and_is_named(tmp_path):
    (group,) = groups(tmp_path, ladder())
    (gaps,) = gaps_of(group)
    near = Interval(0.2, -1.0, 1.4)
    rest = {f"m{i}": near for i in range(20)}
    far = dict.fromkeys(["ddim-25"], Interval(4900.0, 4800.0, 5000.0))
    plot = GapPlot(group, replace(gaps, of={**dict.fromkeys(gaps.of, near), **far}), [])
    assert plot.beyond == ""  # of three settings one is no exception
    scale = bent([*rest.values(), *far.values()])
    assert scale.high < 10
    assert scale(4900.0) == scale(scale.high) < scale(1.4)
    plot.y = scale
    assert plot.beyond == "DDIM-25 (+4,900 %)"


@pytest.mark.parametrize(
    ("axis", "column", "bound"),
    [
        ("fd", "FD compared with DDIM-50", "FD no more than 5 % worse."),
        ("ode_error", "ode_error above that of DDIM-50, % of the latents", "ode_error no more than 0.05 higher."),
    ],
)
def test_table_and_plot_begin_with_what_the_suite_is_judged_by(tmp_path, axis, column, bound):
    cells = [fidelity(cell, error) for cell, error in zip(ladder(), (0.01, 0.02, 0.3), strict=True)]
    folder = factory.write(tmp_path, cells)
    suite = json.loads((folder / "suite.json").read_text())
    (folder / "suite.json").write_text(json.dumps(suite | {"verdict": {"axis": axis}}))
    page = write_report(folder).read_text()
    assert re.search(r'data-picture="(\w+)"', page)[1] == axis
    head = page[page.index('<table class="speeds">') : page.index("<tbody>", page.index('<table class="speeds">'))]
    assert column in re.sub(r"<[^>]+>", "", head).replace("\u00a0", " ")
    text = re.sub(r"<[^>]+>", "", page).replace("\u00a0", " ")
    assert f"Use DDIM-25: 2× as fast as DDIM-50, {bound}" in text
    assert ("+1.0 % (+1.0 to +1.0)" in text) == (axis == "ode_error")


def test_a_run_ends_with_the_sentence_of_every_page(tmp_path, capsys):
    cells = ladder() + [cell | {"model": "uvit-mnist"} for cell in ladder()]
    found = groups(tmp_path / "run", cells)
    run.report(tmp_path / "run")
    said = capsys.readouterr().out.rstrip().splitlines()[-2:]
    assert said == closing(found).splitlines() == [f"{group.title}: {sentence(group)}" for group in found]
    site = write_site([tmp_path / "run"], tmp_path / "site").parent
    paths = [tmp_path / "run/report.html", site / "index.html", site / "model/dit-mnist.html", site / "suite/run.html"]
    for path in paths:
        text = re.sub(r"<[^>]+>", "", path.read_text()).replace("\u00a0", " ")
        assert sentence(found[0]) in text, path


def test_nothing_stands_before_the_answer_but_headings_and_links(tmp_path):
    cells = factory.suite_of("dit-mnist")
    cells[1]["timing"]["warnings"] = ["1 other process on the GPU"]
    page = write_report(factory.write(tmp_path, cells)).read_text()
    before = page[page.index("<main>") : page.index('<p class="headline">')]
    assert "<p" not in before
    assert "<table" not in before
    assert page.index('<p class="headline">') < page.index("timing warning")


def test_names_are_text_on_the_first_screen(tmp_path):
    cells = [cell | {"method": f"{cell['method']} {HOSTILE}"} for cell in ladder()]
    page = write_report(factory.write(tmp_path, cells)).read_text()
    assert HOSTILE not in page
    assert f"Use DDIM-25 {HOSTILE.replace('<', '&lt;').replace('>', '&gt;')}: " in page


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    cells = factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist")[::3]
    run = factory.write(folder / "run", cells, samples=True)
    return [write_report(run), *write_site([run], folder / "site").parent.rglob("*.html")]


def test_no_sentence_of_a_page_is_longer_than_twenty_words(built):
    long = {said for page in built for said in sentences(page.read_text()) if words(said) > 20}
    assert not {said for said in long if "DDIM" not in said}, "names of settings may be many, other words not"


def test_every_page_carries_the_glossary_and_every_term_leads_there(built):
    for page in built:
        text = page.read_text()
        assert all(f'id="{anchor(word)}"' in text for word in glossary()), page
        links = re.findall(r'href="#(word-[^"]*)"', text)
        assert set(links) <= set(map(anchor, glossary()))
    assert len(set(map(anchor, glossary()))) == len(glossary())


def test_terms_are_linked_once_and_text_stays_text():
    said = terms("FD and FD, <b>is</b> 5 % of an interval")
    assert terms("FORA (interval=3)") == "FORA (interval=3)"  # a parameter is no term
    assert said == (
        '<a href="#word-fd" class="term">FD</a> and FD, &lt;b&gt;is&lt;/b&gt; 5\u00a0% of an '
        '<a href="#word-interval" class="term">interval</a>'
    )


def test_the_package_holds_the_glossary_of_the_docs():
    assert (TEMPLATES / "glossary.md").read_bytes() == (ROOT / "docs/glossary.md").read_bytes()


def test_a_report_of_speed_alone_has_no_empty_plots_and_no_pictures_to_come(tmp_path):
    cells = [factory.cell(steps=n) for n in (50, 20)]
    with_images, of_speed = (
        write_report(factory.write(tmp_path / name, made)).read_text()
        for name, made in (("both", cells), ("speed", [cell | {"quality": None} for cell in cells]))
    )
    for part in ('id="plots"', 'href="#plots"', 'id="samples"', 'href="#samples"'):
        assert part in with_images
        assert part not in of_speed
