"""What the report claims: sentences, verdicts and number formats."""

import re
from pathlib import Path

import cell_factory as factory
import pytest

from bench.judge import pareto
from bench.show.report.answer import answer
from bench.show.report.format import figure, plus_minus
from bench.show.report.group import groups_of
from bench.show.report.markers import SHAPES, marker, styles
from bench.show.report.page import write_report
from bench.store.results import Results
from bench.store.stored_suite import StoredSuite


def answer_of(cells):
    cells = factory.typed(cells)
    results = Results(Path("r"), cells, suite=StoredSuite(reference={"dit-mnist": "ddim-50"}))
    return answer(groups_of(results, pareto.analyse(cells))[0])


def shown(page):
    """A page without its links: words of the glossary are some."""
    return re.sub(r"</?a\b[^>]*>", "", page)


CURVE = [factory.cell(steps=40, ms=400.0, fd=4.0), factory.cell(steps=10, ms=100.0, fd=8.0)]


@pytest.mark.parametrize(
    ("fd", "headline"),
    [
        (3.0, "1 is better than simply taking fewer steps"),
        (9.0, "none are better than simply taking fewer steps and 1 is worse"),
        (6.0, "none can be told from simply taking fewer steps"),
    ],
)
def test_the_headline_says_what_the_intervals_decide(fd, headline):
    found = answer_of([*CURVE, factory.cell(cache="fora", interval=2, ms=200.0, fd=fd)])
    assert headline in found.headline


def test_the_end_of_the_step_grid_is_no_front(tmp_path):
    fast = factory.cell(cache="fora", interval=5, ms=60.0, fd=8.5)
    found = " ".join(answer_of([*CURVE, fast]).sentences)
    before, unmatched = found.split("No uncached setting was measured as fast as ")
    assert "FORA" not in before
    assert unmatched.startswith("DDIM-50 + FORA (interval=5)")
    page = write_report(factory.write(tmp_path, [*CURVE, fast])).read_text()
    assert "No uncached setting was measured as fast as DDIM-50 + FORA (interval=5)." in shown(page)
    assert '<td data-key="1" class="verdict worth">worth</td>' in page
    assert "<option>worth</option>" in page


@pytest.mark.parametrize("cache", [None, "fora"])
def test_one_cell_alone_has_no_verdict(tmp_path, cache):
    only = factory.cell(cache=cache, **({"interval": 2} if cache else {}))
    cells = [only, factory.not_ok("failed", "ValueError", steps=20)]
    found = answer_of(cells)
    assert found.headline.startswith(f"{only['method']} is alone")
    assert found.headline.endswith("so there is nothing to compare with.")
    assert [*found.sentences, *found.families, *found.best] == []
    page = write_report(factory.write(tmp_path, cells)).read_text()
    assert 'class="verdict alone">alone</td>' in page
    assert "clear of every interval" not in page


def test_a_speed_up_within_the_resolution_is_not_claimed(tmp_path):
    slow = factory.cell(cache="fora", interval=1, ms=447.0, fd=4.0)
    found = answer_of([*CURVE, slow])
    assert "interval is not claimed: DDIM-50 + FORA (interval=1)." in " ".join(found.caveats)
    assert found.families[0].speedups == ""
    assert "within A/A" in write_report(factory.write(tmp_path, [*CURVE, slow])).read_text()


def test_one_disturbed_cell_does_not_blind_the_others():
    calm, disturbed = (factory.cell(cache="fora", interval=n, ms=200.0 + n, fd=6.0) for n in (2, 3))
    disturbed["timing"]["resolution"] = {"low": 0.2, "median": 1.0, "high": 9.9}
    found = answer_of([*CURVE, calm, disturbed])
    text = " ".join(found.caveats)
    assert "−0.8 to +0.9 % in the median cell. In the worst cell it differs by −80.0 to +890.0 %." in text
    assert "is not claimed: DDIM-50 + FORA (interval=3)." in text


def test_best_at_a_speed_counts_measured_latency_only():
    cheap = factory.cell(cache="fora", interval=5, ms=399.0, fd=3.5)  # a fifth of the work, hardly faster
    found = answer_of([factory.cell(ms=400.0, fd=4.0), factory.cell(steps=10, ms=100.0, fd=8.0), cheap])
    assert [(line.speed, line.best) for line in found.best][:3] == [
        ("1×", "DDIM-50 + FORA (interval=5)"), ("1.5×", "DDIM-10"), ("2×", "DDIM-10"),
    ]  # fmt: skip


def test_the_fastest_at_a_quality_counts_from_the_reference_and_ends_where_all_are_good_enough(tmp_path):
    cells = [
        factory.cell(ms=400.0, fd=4.0),
        factory.cell(steps=20, ms=200.0, fd=4.3),
        factory.cell(steps=10, ms=100.0, fd=5.5),
    ]
    lines = answer_of(cells).fastest
    assert [(line.floor, line.bound, line.best) for line in lines] == [
        ("the reference’s", "4.00", "DDIM-50"), ("+5 %", "4.20", "DDIM-50"), ("+10 %", "4.40", "DDIM-20"),
        ("+25 %", "5.00", "DDIM-20"), ("+50 %", "6.00", "DDIM-10"),
    ]  # fmt: skip
    assert lines[-1].speedup.startswith("4.00× [")
    assert "Fastest setting at a given quality" in write_report(factory.write(tmp_path, cells)).read_text()


@pytest.mark.parametrize(
    ("method", "cache", "family"),
    [
        ("DDIM-50", None, "DDIM"),
        ("DPM-Solver++-50 (variant=uvit-singlestep)", None, "DPM-Solver++ (variant=uvit-singlestep)"),
        ("odd name", None, "ddim"),
        ("DDIM-50 + FORA (interval=3)", "fora", "FORA"),
        ("odd name", "fora", "fora"),
    ],
)
def test_a_family_is_a_sampler_without_its_steps_or_a_cache_without_its_parameters(method, cache, family):
    assert factory.typed([factory.cell(cache=cache) | {"method": method}])[0].family == family


def test_families_have_their_own_colours_and_shapes():
    names = ["DDIM", "DPM-Solver++", "FORA", "DeepCache", "L2C", "MyCache", "Other"]
    looks = styles(names)
    assert len({(s.color, s.shape) for s in looks.values()}) == len(names)
    assert len({s.shape for s in looks.values()}) == len(names)
    assert styles(["MyCache"])["MyCache"].shape in SHAPES
    assert all(marker(shape, 0, 0, 5).endswith("Z") for shape in SHAPES)
    many = styles([*names, *(f"m{i}" for i in range(60))])
    assert len(set(many.values())) == len(many), "as many as a leaderboard has"
    assert len(styles([f"m{i}" for i in range(100)])) == 100


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.2345, "1.23"), (0.012345, "0.0123"), (123.4, "123"), (-0.5, "−0.500"), (1e-7, "1.00e−07"),
     (None, "–"), (float("nan"), "–"), (123456, "123,456"), (9.999, "10.0")],
)  # fmt: skip
def test_numbers_are_shown_to_three_digits(value, text):
    assert figure(value) == text


def test_an_error_decides_how_many_digits_its_value_has():
    assert plus_minus(3.21234, 0.0312) == "3.212 ± 0.031"
    assert plus_minus(123.4, 12.3) == "123 ± 12"
    assert plus_minus(3.2, None) == "3.20"
    assert plus_minus(None, 1.0) == "–"


def test_a_missing_metric_has_its_reason_on_the_page(tmp_path):
    """Also where there is no verdict, because the distance itself is missing."""
    cells = [factory.cell(steps=s) for s in (20, 10)]
    for cell in cells:
        cell["quality"] |= {
            "fd": None,
            "omitted": {"fd": "no <reference> is stated", "sfd": "no <reference> is stated"},
        }
    assert answer_of(cells).caveats == ["Not given: FD and SFD, because no <reference> is stated."]
    page = write_report(factory.write(tmp_path, cells)).read_text()
    assert "Not given: FD and SFD, because no &lt;reference&gt; is stated." in shown(page)
