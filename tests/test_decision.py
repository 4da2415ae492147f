"""What is said of a group of stored cells, against a group whose truth is known."""

import csv
import html
import json
import math
import re

import numpy as np
import pytest
from cell_factory import not_ok, typed
from decided_group import REFERENCE, TRUTH, WORDS, documents, session, stored_group, write_group

from bench.judge.compare import compare
from bench.judge.decided import decisions, judged, told
from bench.judge.decision import Ruling, at_each_speed, decide
from bench.judge.gate.checks import Finding
from bench.judge.latency import error_of
from bench.judge.pareto import pools
from bench.show import gate_text
from bench.show.readme_answer import answer_section
from bench.show.report.decision_text import sentence
from bench.show.report.group import groups_of
from bench.show.report.markup import markdown_text
from bench.show.report.page import write_report
from bench.show.site.versus import errors_of
from bench.statistics.interval import Interval
from bench.store.results import read_results
from bench.suite.judging import Judging


def test_the_true_verdicts_come_out():
    found = decide(stored_group(), REFERENCE)
    assert {slug: ruling.word for slug, ruling in found.rulings.items()} == WORDS
    assert found.rulings["ddim-40"].by == ("ddim-25",)
    assert found.rulings["ddim-50+fora-interval-2"].by == ("ddim-25", "ddim-50+fora-interval-3")
    assert (found.headline.setting, found.headline.faster) == ("ddim-25", ())
    assert found.headline.speedup.low < math.exp(0.7) < found.headline.speedup.high
    assert 0.02 < found.headline.above < 0.1 == pytest.approx(found.margins.allowance, rel=0.5)
    assert found.decided == 6


def test_every_difference_to_the_reference_is_stated():
    found = decide(stored_group(), REFERENCE)
    for (log, fd), slug in zip(TRUTH.values(), [cell.slug for cell in stored_group()], strict=True):
        assert found.above[slug].low - 0.01 <= fd - 2.0 <= found.above[slug].high + 0.01
        assert found.speedups[slug].value == pytest.approx(math.exp(-log), rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_cells_changes_nothing(seed):
    cells = stored_group()
    shuffled = [cells[i] for i in np.random.default_rng(seed).permutation(len(cells))]
    assert decide(shuffled, REFERENCE) == decide(cells, REFERENCE)


def test_what_to_use_at_each_speed_is_never_replaceable():
    found = decide(stored_group(), REFERENCE)
    assert found.speeds == ("ddim-50", "ddim-25", "ddim-50+fora-interval-3", "ddim-10")


def test_at_most_six_lines_the_headline_before_a_better_one():
    slugs = [f"s{i}" for i in range(40)]
    rulings = {slug: Ruling("use" if slug == "s7" else "worth") for slug in slugs}
    speedups = {slug: Interval(1.1**i, 1.0, 20.0) for i, slug in enumerate(slugs)}
    lines = at_each_speed(rulings, speedups, {slug: float(i) for i, slug in enumerate(slugs)})
    assert len(lines) == 6
    assert "s7" in lines
    assert list(lines) == sorted(lines, key=slugs.index)


def test_a_cell_without_replicates_is_undecided_and_says_so():
    made = documents()
    del made[2]["quality"]["fd_jackknife"]
    made[3]["quality"]["fd_jackknife"] = made[3]["quality"]["fd_jackknife"][:16]
    found = decide(stored_group(made), REFERENCE)
    assert found.rulings["ddim-40"] == Ruling("undecided", (), "no replicates of fd are stored")
    assert found.rulings["ddim-10"].lacks == "its 16 values of fd do not pair with the reference's 32"
    assert found.rulings["ddim-25"].word == "use"


def test_without_the_reference_nothing_is_decided():
    made = documents()
    del made[0]["quality"]["fd_jackknife"]
    found = decide(stored_group(made), REFERENCE)
    assert (found.headline, found.speeds, found.decided) == (None, (), 0)
    assert found.rulings["ddim-25"].lacks == "the reference cannot be judged"
    assert decide([], None).rulings == {}


def test_results_of_before_there_were_sessions_are_chained():
    made = documents(protocol="3")
    around = lambda x: {"median": x, "low": 0.99 * x, "high": 1.01 * x}  # noqa: E731
    for one, (log, _) in zip(made, TRUTH.values(), strict=True):
        ratio = around(math.exp(-log))
        one["timing"] |= (
            {"speedup": ratio} if one["cache"] else {"speedup_reference": ratio, "reference_ms": around(1e3)}
        )
    made[0]["timing"] |= {"speedup_reference": None, "reference_ms": None}
    found = decide(typed(made), REFERENCE)
    assert {slug: ruling.word for slug, ruling in found.rulings.items()} == WORDS
    assert found.speedups["ddim-10"].value == pytest.approx(math.exp(1.6), rel=1e-6)


def test_two_settings_of_one_session_are_compared_by_their_rounds(tmp_path):
    """The page that compares any two has every part of an error: what two settings share cancels."""
    write_group(tmp_path)
    results = read_results(tmp_path)
    (group,) = groups_of(results, judged(results))
    points = {slug: errors_of(group.by_slug[slug], known) for slug, known in group.latencies.items()}
    for a in points:
        for b in points:
            parts = points[a].keys() | points[b].keys()
            found = math.hypot(*(points[a].get(part, 0.0) - points[b].get(part, 0.0) for part in parts))
            assert found == pytest.approx(error_of(group.latencies[a], [(1.0, group.latencies[b])]), abs=1e-8)
    apart = math.hypot(*(math.hypot(*points[slug].values()) for slug in ("ddim-25", "ddim-40")))
    assert error_of(group.latencies["ddim-25"], [(1.0, group.latencies["ddim-40"])]) < 0.9 * apart


def test_fidelity_is_judged_by_its_own_lists():
    rng, made = np.random.default_rng(3), documents()
    for one, (_, fd) in zip(made, TRUTH.values(), strict=True):
        errors = fd - 1.9 + 0.01 * rng.normal(size=48)
        one["quality"] |= {"ode_error_seeds": errors.tolist(), "ode_error_resolution": 0.001}
        if one["slug"] != REFERENCE:
            own = fd - 2.0 + 0.01 * rng.normal(size=32)
            one["quality"] |= {
                "fd_own_plain": float(own.mean()),
                "fd_own_jackknife": own.mean() + (own.mean() - own) / 31,
            }
            one["quality"]["fd_own_jackknife"] = one["quality"]["fd_own_jackknife"].tolist()
    cells = stored_group(made)
    own, exact = (decide(cells, REFERENCE, Judging(axis)) for axis in ("fd_own", "ode_error"))
    assert own.reference_value == 0
    assert exact.reference_value == pytest.approx(0.1, abs=0.01)
    assert own.headline.setting == exact.headline.setting == "ddim-25"
    del made[1]["quality"]["ode_error_seeds"]
    made[1]["quality"]["omitted"] = {"ode_error": "a stochastic sampler has none"}
    found = decide(stored_group(made), REFERENCE, Judging("ode_error"))
    assert found.rulings["ddim-25"] == Ruling("undecided", (), "a stochastic sampler has none")


def test_at_most_one_report_in_twenty_says_something_false():
    """Settings that hardly differ, 60 reports: a share of false statements far above what is promised would show."""
    truth = {(50, None): (0.0, 2.0), (45, None): (-0.1, 2.0), (40, None): (-0.2, 2.1), (30, None): (-0.25, 2.15),
             (20, None): (-0.5, 2.4)}  # fmt: skip
    false = spoken = 0
    for seed in range(60):
        made = documents(truth, noise=0.5, seed=seed)
        cells = stored_group(made, session(made, truth, seed=1000 + seed))
        true = dict(zip((cell.slug for cell in cells), truth.values(), strict=True))
        found = decide(cells, REFERENCE)
        for slug, ruling in found.rulings.items():
            spoken += ruling.word in ("replaceable", "worth")
            if ruling.word == "replaceable":
                (la, qa), (lb, qb) = true[slug], true[ruling.by[0]]
                margin = found.margins
                false += not ((lb < la and qb - qa <= margin.quality) or (qb < qa and lb - la <= margin.latency))
    assert spoken > 100
    assert false <= 0.05 * spoken


def test_every_table_and_page_reads_the_same_decision(tmp_path):
    made = [*documents(), not_ok("oom", "killed", cache="fora", interval=7)]
    results = read_results(write_group(tmp_path, made))
    (group,) = groups_of(results, judged(results))
    found = decide(results.cells, REFERENCE)
    assert group.decision() == found
    write_report(tmp_path)
    rows = {row["slug"]: row for row in csv.DictReader((tmp_path / "results.csv").open())}
    assert {slug: row["verdict"] for slug, row in rows.items()} == WORDS | {"ddim-50+fora-interval-7": ""}
    assert rows["ddim-40"]["verdict_by"] == "ddim-25"
    assert {row["engine"] for row in rows.values()} == {"ours"}
    said = markdown_text(sentence(group))
    assert group.by_slug[found.headline.setting].method in said
    assert said in answer_section([group], "plot.png")
    page = (tmp_path / "report.html").read_text()
    words = html.unescape(re.sub(r"<[^>]+>", "", page)).replace("\N{NO-BREAK SPACE}", " ")
    assert sentence(group) in words


def test_the_suite_s_margins_judge_its_results(tmp_path):
    write_group(tmp_path)
    suite = json.loads((tmp_path / "suite.json").read_text())
    (tmp_path / "suite.json").write_text(json.dumps(suite | {"verdict": {"quality": 0.0, "bound": 0.0}}))
    ((_, strict),) = decisions(read_results(tmp_path))
    assert strict.headline.setting == REFERENCE  # nothing is certainly as good
    assert strict.rulings["ddim-25"].word == "worth"
    (tmp_path / "suite.json").write_text(json.dumps(suite | {"verdict": {"quality": 7}}))
    results = read_results(tmp_path)
    assert results.unreadable == ["suite.json: verdict: 'quality' must be a share in [0, 1], got 7"]
    assert results.suite.judging == Judging()


def test_a_session_s_file_that_is_damaged_is_named_and_ratios_are_chained(tmp_path):
    write_group(tmp_path)
    (tmp_path / "sessions" / "dit-mnist-0.json").write_text("{")
    results = read_results(tmp_path)
    assert [cell.session for cell in results.cells] == [None] * 6
    assert results.unreadable[0].startswith("sessions/dit-mnist-0.json: not a readable JSON file")
    assert decisions(results)[0][1].headline is not None


def test_undecided_names_its_rivals():
    assert told(Ruling("undecided", ("a", "b"))) == "a; b"
    assert told(Ruling("replaceable", ("a", "b"))) == "a"


@pytest.mark.parametrize("name", ["ode_error_seeds", "fd_own_jackknife"])
def test_lists_that_verdicts_pair_hold_numbers_only(tmp_path, name):
    made = documents()
    made[1]["quality"][name] = [1.0, "2"]
    results = read_results(write_group(tmp_path, made))
    assert results.unreadable == [f"cells/dit-mnist/ddim-25.json: quality.{name} must hold numbers only"]


def test_a_gate_says_what_to_use_and_which_verdicts_changed(tmp_path):
    base = read_results(write_group(tmp_path / "base"))
    new = read_results(write_group(tmp_path / "new", truth={**TRUTH, (40, None): (-0.9, 2.05)}))
    assert gate_text.verdict_lines(base, base) == []
    lines = gate_text.verdict_lines(base, new)
    assert lines == [
        "dit-mnist: use ddim-40, before ddim-25",
        "dit-mnist/ddim-25: use before, worth now",
        "dit-mnist/ddim-40: replaceable before, use now",
    ]
    finding = Finding("dit-mnist", "ddim-25", "plan", "pass", "")
    assert gate_text.as_text([finding], False, lines).splitlines() == [*lines, "gate open: 1 pass"]
    assert gate_text.as_json([finding], False, lines)["verdicts"] == lines


def test_results_of_two_protocols_are_never_mixed(tmp_path):
    """A folder of protocol 3 is read and judged as such; beside protocol 4 nothing is compared with it."""
    older, newer = documents(protocol="3"), documents()
    assert {len(members) for members in pools(typed([*older, *newer[:2]])).values()} == {len(older), 2}
    for name, made in (("older", older), ("newer", newer)):
        write_group(tmp_path / name, made)
    base, new = (read_results(tmp_path / name) for name in ("older", "newer"))
    assert base.unreadable == []
    assert len(decisions(base)) == 1
    rows = compare(base, new)
    assert {row.verdict for row in rows} == {"stale"}
    assert {row.notes for row in rows} == {("protocol 3 and 4: measure the older one again",)}
    assert all(row.changes == () for row in rows)
