"""The gate: what moved is named, what could not be told keeps it closed, a baseline is what a person can review."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import cell_factory
import pytest
import torch

import methods
import models
from bench.cli import main
from bench.judge.change import from_logs
from bench.judge.gate import baseline
from bench.judge.gate.checks import LEFT_OUT, Finding
from bench.judge.gate.decision import FAIL, PASS, UNRESOLVED, Unable, gate
from bench.judge.gate.fight import duels
from bench.measure.samples.probe import probe
from bench.measure.timing.contenders import Contender
from bench.show import gate_text
from bench.store.results import read_results
from bench.suite import protocol
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from methods.plan import Plan, Span


def cells() -> list[dict]:
    """A small run with probes."""
    made = [cell_factory.cell(steps=s) for s in (20, 10)]
    made += [cell_factory.cell(steps=20, cache="fora", interval=3)]
    made[2]["plan"]["branches_computed"] = 64 / 195  # more digits than a baseline keeps
    for cell, share in zip(made, (1.0, 2.0, None), strict=True):
        # the first is the reference, which only the machine's ceiling can judge
        cell["timing"]["gemm_fraction"] = 0.6
        if share not in (1.0, None):
            cell["timing"]["speedup_reference"] = {"median": share, "low": 0.99 * share, "high": 1.01 * share}
        steps = len(cell["plan"]["rows"])
        cell["fingerprint"] = {
            "samples": 2,
            "latents": [[0.5] * 8] * 2,
            "tokens": [[1.0 + 0.1 * k] * 24 for k in range(steps)],
        }
    return made


def judged(tmp_path: Path, base: list[dict], new: list[dict], measured=None) -> list:
    runs = [read_results(cell_factory.write(tmp_path / n, c)) for n, c in (("base", base), ("new", new))]
    return gate(*runs, measured)


def closed_by(findings: list) -> list[tuple[str, str, str]]:
    return [(f.slug, f.check, f.verdict) for f in findings if f.verdict != PASS]


def moved(slug: str, change) -> list[dict]:
    """The cells, one of them changed by `change(cell)`."""
    made = copy.deepcopy(cells())
    change(next(c for c in made if c["slug"] == slug))
    return made


def test_nothing_moved_opens(tmp_path):
    findings = judged(tmp_path, cells(), cells())
    assert closed_by(findings) == []
    assert {f.check for f in findings} == {"plan", "work", "tokens", "latents", "metrics", "speed"}
    assert gate_text.is_open(findings, allow_unresolved=False)


def test_a_branch_reused_one_evaluation_too_long_is_named(tmp_path):
    def change(cell: dict) -> None:
        row = cell["plan"]["rows"][6]
        cell["plan"]["rows"][6] = row[:11] + "." + row[12:]

    findings = judged(tmp_path, cells(), moved("ddim-20+fora-interval-3", change))
    (finding,) = [f for f in findings if f.verdict == FAIL]
    assert (finding.slug, finding.check) == ("ddim-20+fora-interval-3", "plan")
    assert finding.detail.startswith("evaluation 6, block 5 mlp was computed, is reused; 1 of 480")


def test_tokens_that_move_are_named_by_evaluation_and_branch(tmp_path):
    def change(cell: dict) -> None:
        for k in range(4, 10):
            cell["fingerprint"]["tokens"][k] = [1.5] * 7 + [1.52] * 17

    base = moved("ddim-10", lambda c: c["fingerprint"].update(tokens=[[1.5] * 24 for _ in range(10)]))
    new = copy.deepcopy(base)
    change(next(c for c in new if c["slug"] == "ddim-10"))
    (finding,) = [f for f in judged(tmp_path, base, new) if f.verdict != PASS]
    assert (finding.check, finding.verdict) == ("tokens", FAIL)
    assert "evaluation 4, block 3 mlp" in finding.detail


def latents_off(cell: dict, by: float) -> None:
    cell["fingerprint"]["latents"] = [[0.5 * (1 + by)] * 8] * 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: latents_off(c, 2e-4), []),
        (lambda c: latents_off(c, 5e-3), [("latents", FAIL)]),
        (lambda c: c["work"].update(macs=c["work"]["macs"] + 1), [("work", FAIL)]),
        (lambda c: c["quality"].update(fd=c["quality"]["fd"] * 1.02), [("metrics", FAIL)]),
        (lambda c: c["quality"].update(samples=1000), [("metrics", FAIL)]),
        (lambda c: c["quality"].update(kid=None), []),
        (lambda c: c.update(fingerprint=None), [("tokens", UNRESOLVED), ("latents", UNRESOLVED)]),
        (lambda c: c.update(protocol="0"), [("protocol", UNRESOLVED)]),
    ],
)
def test_what_is_deterministic_holds_tightly(tmp_path, change, expected):
    findings = judged(tmp_path, cells(), moved("ddim-10", change))
    assert closed_by(findings) == [("ddim-10", *e) for e in expected]


def slower(cell: dict, factor: float) -> None:
    for end in ("median", "low", "high"):
        cell["timing"]["latency_ms"][end] *= factor
        for ratio in ("speedup", "speedup_reference"):
            if cell["timing"].get(ratio):
                cell["timing"][ratio][end] /= factor
    cell["timing"]["gemm_fraction"] /= factor


@pytest.mark.parametrize(
    ("slug", "verdict"), [("ddim-20", UNRESOLVED), ("ddim-10", FAIL), ("ddim-20+fora-interval-3", FAIL)]
)
def test_a_slow_down_closes_the_gate_and_a_small_one_does_not(tmp_path, slug, verdict):
    """What only the machine's ceiling can judge is no failure: another load would look the same."""
    assert closed_by(judged(tmp_path, cells(), moved(slug, lambda c: slower(c, 1.15)))) == [(slug, "speed", verdict)]
    assert closed_by(judged(tmp_path / "small", cells(), moved(slug, lambda c: slower(c, 1.02)))) == []
    assert closed_by(judged(tmp_path / "faster", cells(), moved(slug, lambda c: slower(c, 0.9)))) == []


def unasked() -> list[dict]:
    """A run of a suite that asks neither for probes nor for ceilings, and timed too coarsely for the limit."""
    made = cells()
    for cell in made:
        del cell["fingerprint"], cell["timing"]["gemm_fraction"]
        for ratio in ("speedup", "speedup_reference"):
            if isinstance(cell["timing"].get(ratio), dict):
                ends = {"low": cell["timing"][ratio]["median"] / 2, "high": cell["timing"][ratio]["median"] * 2}
                cell["timing"][ratio] |= ends
    return made


def test_a_run_is_open_against_itself_and_what_neither_asked_for_is_counted_as_left_out(tmp_path, capsys):
    run = str(cell_factory.write(tmp_path / "run", unasked()))
    assert main(["gate", run, run]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last.startswith("gate open: ")
    assert " left out" in last
    assert "unresolved" not in last
    assert [line for line in lines if "latents: in 3 cells: no probe in either run" in line]
    assert main(["gate", run, run, "--json"]) == 0
    verdicts = [f["verdict"] for f in json.loads(capsys.readouterr().out)["findings"]]
    assert set(verdicts) == {PASS, LEFT_OUT}


def test_what_only_one_side_has_is_no_left_out_check(tmp_path):
    findings = judged(tmp_path / "a", cells(), unasked())
    assert {check for _, check, verdict in closed_by(findings) if verdict == UNRESOLVED} >= {"latents", "tokens"}
    assert not gate_text.is_open(findings, allow_unresolved=False)
    coarse = unasked()
    coarse[1]["timing"]["speedup_reference"]["median"] = 2.1  # another measurement, as coarse: nothing is proven by it
    findings = judged(tmp_path / "b", unasked(), coarse)
    assert (UNRESOLVED, "speed") in {(f.verdict, f.check) for f in findings}
    assert not gate_text.is_open(findings, allow_unresolved=False)


def test_a_gate_that_only_left_checks_out_looked_at_nothing():
    findings = [Finding("m", "s", "speed", LEFT_OUT, "neither")]
    assert not gate_text.is_open(findings, allow_unresolved=True)
    assert gate_text.headline(findings, False) == "gate closed: 1 left out"


def test_another_machine_is_unresolved_and_not_green(tmp_path):
    findings = judged(tmp_path, cells(), moved("ddim-10", lambda c: c["environment"].update(cpu="another")))
    assert closed_by(findings) == [("ddim-10", "speed", UNRESOLVED)]
    assert not gate_text.is_open(findings, allow_unresolved=False)
    assert gate_text.is_open(findings, allow_unresolved=True)


def test_gone_new_failed_and_unreadable_cells_close_it(tmp_path):
    new = [cell_factory.not_ok("failed", "ValueError: no", steps=20), *cells()[2:], cell_factory.cell(steps=30)]
    cell_factory.write(tmp_path / "new", new)
    (tmp_path / "new" / "cells" / "dit-mnist" / "broken.json").write_text("{")
    base = read_results(cell_factory.write(tmp_path / "base", cells()))
    findings = gate(base, read_results(tmp_path / "new"))
    assert {(f.slug, f.check, f.verdict) for f in findings if f.verdict != PASS} >= {
        ("ddim-20", "status", FAIL), ("ddim-10", "status", FAIL), ("ddim-30", "status", UNRESOLVED), ("", "file", FAIL),
    }  # fmt: skip


def test_duels_judge_speed_where_there_are_any(tmp_path):
    def measured(cell: dict):
        if cell.cache:
            raise Unable("base cannot run it")
        return from_logs("latency", 0.14 if cell.slug == "ddim-10" else 0.01, 0.01)

    findings = judged(tmp_path, cells(), cells(), measured)
    assert closed_by(findings) == [("ddim-10", "speed", FAIL), ("ddim-20+fora-interval-3", "speed", UNRESOLVED)]


def test_command_line_and_reviewable_baseline(tmp_path, capsys):
    new = cell_factory.write(tmp_path / "new", cells())
    base = tmp_path / "base"
    assert main(["gate", str(base), str(new), "--update"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["gate", str(base), str(new)]) == 0
    assert capsys.readouterr().out == "gate open: 18 pass\n"
    assert main(["gate", str(base), str(new), "--update"]) == 0
    assert capsys.readouterr().out == "nothing changed\n"
    text = (base / "cells" / "dit-mnist" / "ddim-10.json").read_text()
    assert "finished" not in text
    assert text.count("\n") < 140, "one line an evaluation"
    cell_factory.write(new, moved("ddim-10", lambda c: c["work"].update(macs=1)))
    assert main(["gate", str(base), str(new), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["open"] is False
    assert main(["gate", str(base), str(new), "--markdown"]) == 1
    assert "| fail | dit-mnist/ddim-10 | work | work.macs was 2000000000, is 1 |" in capsys.readouterr().out.replace(
        "\\", ""
    )
    assert baseline.layout({"a": [1, 2]}) == '{\n "a": [1, 2]\n}'


@pytest.mark.parametrize(
    "arguments",
    [["absent", "absent"], ["{new}", "{new}", "--seconds", "0"], ["{new}", "{new}", "--base-ref", "no-such"]],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments):
    new = cell_factory.write(tmp_path / "new", cells())
    assert main(["gate", *(a.format(new=new) for a in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ditbench: ")


def tiny_cell(cache: str | None = None, **params) -> Cell:
    part = None if cache is None else Part(cache, params)
    return Cell("dit-mnist", Part("ddim", {"steps": 4}), part, protocol.Protocol(fingerprint=2))


def test_a_probe_is_repeated_exactly_and_sees_one_wrong_reuse():
    cell, settings, model = tiny_cell("fora", interval=2), Settings(), models.build("dit-mnist")
    sampler = cell.sampler.method
    plan = methods.build("fora", interval=2).plan(model, sampler)
    first = probe(cell, settings, model, Contender(sampler, plan))
    assert probe(cell, settings, model, Contender(sampler, plan)) == first
    assert len(first["tokens"]) == 4
    assert torch.tensor(first["latents"]).shape == (2, 8)
    late = Plan(plan.branches, (plan.rows[0], (Span(5, 6),), *plan.rows[2:]))
    changed = probe(cell, settings, model, Contender(sampler, late))
    before, after = (torch.tensor(f["tokens"]) for f in (first, changed))
    moved = ((after - before).abs() / before > 1e-3).nonzero()
    assert moved[0].tolist() == [1, 5], "the first that moved is the branch that was reused"


def shallow(tmp_path: Path, commit: str | None) -> list:
    """Findings about speed where the baseline's commit is as given."""
    made = cells()
    for cell in made:
        cell["environment"]["commit"] = commit
    base, new = (read_results(cell_factory.write(tmp_path / n, made)) for n in ("base", "new"))
    with contextlib.ExitStack() as stack:
        return [f for f in gate(base, new, duels(stack, base, "baseline", 0.01)) if f.check == "speed"]


@pytest.mark.parametrize("commit", ["0123456789ab", "0123456789ab+", None])
def test_a_baseline_whose_commit_is_not_at_hand_leaves_speed_unresolved(tmp_path, commit):
    findings = shallow(tmp_path, commit)
    assert {f.verdict for f in findings} == {UNRESOLVED}
    assert all("--base-ref" in f.detail for f in findings)
