"""`ditbench run SUITE --dry-run`: the papers' suites as they would run, without weights or a device."""

import json
from functools import cache
from unittest.mock import patch

import cell_factory as factory
import golden_vectors
import pytest
import torch
from fake_engine import by_engine, write_engine
from tiny_suite import write_plugin, write_suite

from bench.cli import main
from bench.cost import device_rates, dry_run
from bench.cost.suite_cost import cost_of, measured_rate, scaled
from bench.measure.timing.expected import MIN_WARM_UP, session_seconds, timing_hours
from bench.measure.timing.session import MIN_ROUNDS
from bench.store.sessions import PROCESSES
from bench.store.stored_cell import stored
from bench.suite import file as suite
from bench.suite.cells import Cell
from bench.suite.part import Part
from bench.suite.protocol import Protocol, Timing
from models.errors import InputError

PAPERS = ["imagenet256-dit-l-2", "imagenet256-dit-xl-2", "imagenet256-uvit-h-2", "imagenet512-dit-xl-2"]


def unreachable(url, **rest):
    raise InputError(f"{url}: no connection")


@cache
def planned(name):
    """The lines of a suite by method; nothing can be fetched."""
    return lines_of(suite.load(name).cells, unreachable)


def lines_of(cells, fetch):
    where = "methods.routing.official"
    with patch(f"{where}.fetch", fetch), patch.dict(f"{where}._unreachable", clear=True):  # nothing asked for before
        lines = dry_run.plan_suite(list(cells), device_rates.read("h200", "bfloat16"))
    return {line.method: line for line in lines}


@pytest.mark.parametrize("name", PAPERS)
def test_every_cell_of_a_papers_suite_has_a_plan_or_a_reason(name):
    for line in planned(name).values():
        if line.reason is None:
            assert line.branches_computed <= line.branches
            assert line.conventions["l2c"] < line.conventions["ditbench"] == line.macs
        else:
            assert line.reason.startswith("l2c: no router is shipped for") or "no connection" in line.reason
            assert line.macs is None


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_suite_asks_for_fifty_thousand_samples_and_both_batches(name):
    rules = suite.load(name).protocol
    assert rules.samples == 50_000
    assert (rules.timing.batch, *rules.timing.more_batches) == (8, 64)
    assert (rules.quality.features, rules.quality.reference) == ("adm", name.partition("-")[0])


SHOWN = [
    ("imagenet256-dit-xl-2", "DDIM-50", "5.72", "23.74"),
    ("imagenet256-dit-xl-2", "DDPM-250", "28.61", "118.68"),
    ("imagenet256-dit-xl-2", "DDIM-20", "2.29", "9.49"),
    ("imagenet256-dit-xl-2", "DDIM-50 + FORA (interval=3)", "2.07", "8.56"),
    ("imagenet256-dit-l-2", "DDIM-50", "3.88", "16.15"),
    ("imagenet512-dit-xl-2", "DDIM-50", "22.85", None),
]


@pytest.mark.parametrize(("name", "method", "l2c", "toca"), SHOWN)
def test_mac_columns_match_the_published_figures(name, method, l2c, toca):
    rows = dry_run.table(list(planned(name).values()))
    row = dict(zip(rows[0], next(r for r in rows if r[0] == method), strict=True))
    assert row["l2c T"] == l2c
    assert toca in (None, row["toca T"])


PUBLISHED = [
    ("imagenet256-dit-xl-2", "DDIM-50", 1400 + 736, "4.36"),
    ("imagenet256-dit-xl-2", "DDIM-20", 560 + 312, "1.78"),
    ("imagenet256-uvit-h-2", "DPM-Solver++-50 (variant=uvit-singlestep)", 26 * 58 + 88, "3.76"),
    ("imagenet256-uvit-h-2", "DPM-Solver++-20 (variant=uvit-singlestep)", 11 * 58 + 189, "1.88"),
]


@pytest.mark.parametrize(("name", "sampler", "computed", "macs"), PUBLISHED)
def test_a_router_at_hand_fills_its_row(name, sampler, computed, macs, tmp_path):
    tensors, _ = golden_vectors.load("official_routers/official_routers")

    def fetch(url, **rest):
        stem = url.rsplit("/", 1)[-1].partition(".")[0]
        torch.save({f"{i}.prob": row.clone() for i, row in enumerate(tensors[f"{stem}.logits"])}, tmp_path / "router")
        return tmp_path / "router"

    method = f"{sampler} + L2C (router=official)"
    line = lines_of([cell for cell in suite.load(name).cells if cell.title == method], fetch)[method]
    assert line.branches_computed == computed
    assert f"{line.conventions['l2c'] / 1e12:.2f}" == macs


def test_the_shifted_and_the_unshifted_pattern_stand_side_by_side():
    lines = planned("imagenet256-uvit-h-2")
    shifted = lines["DPM-Solver++-20 (variant=uvit-singlestep) + FORA (interval=2)"]
    unshifted = lines["DPM-Solver++-20 (variant=uvit-singlestep) + FORA (interval=2, pattern=unshifted)"]
    assert (shifted.branches_computed, unshifted.branches_computed) == (11 * 58, 10 * 58)


def test_a_roofline_speedup_is_below_the_mac_ideal_one_at_every_batch():
    cached = [line for line in planned("imagenet256-dit-xl-2").values() if line.speedup_ideal]
    assert cached
    for line in cached:
        assert set(line.speedup_roofline) == {"8", "64"}
        assert all(1 < value < line.speedup_ideal for value in line.speedup_roofline.values())


def test_the_command_prints_json_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "small", "--dry-run", "--json", "--only", "ddim-20*", "--rates", "1e12,1e11"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rates"] == {"device": "given", "macs_per_s": 1e12, "bytes_per_s": 1e11, "bytes_per_value": 4}
    assert {cell["sampler"]["params"]["steps"] for cell in printed["cells"]} == {20}
    assert printed["cost"]["macs"] == sum(c["macs"] * 512 for c in printed["cells"])
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_a_table_for_people(capsys):
    assert main(["run", "smoke", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert all(part in out for part in ("MAC-ideal", "roofline b", "Cost of ", "NVIDIA H100", "\nTiming: at least "))


BAD = [
    (["--rates", "5"], "unknown device in --rates '5'"),
    (["--rates", "1e12,0"], "--rates: expected MACS_PER_S,BYTES_PER_S above 0, or one of a5000"),
    (["--rates", "fast,slow"], "got 'fast,slow'"),
    (["--rates", "nan,1"], "--rates: expected"),
]


BAD_PLACES = [
    (["--on", "locl:2"], "did you mean 'local'?"),
    (["--on", "local:a"], "got 'a'"),
    (["--on", "ray:2,foo=1"], "unknown --on ray: option 'foo'"),
    (["--on", "slurm:2,time=soon"], "time must be minutes"),
    (["--on", "local:2,device=0"], "device must be one number and stand alone"),
    (["--on", "local:2", "--jobs", "2"], "--jobs goes without --on"),
]


@pytest.mark.parametrize(("words", "message"), [*BAD, *BAD_PLACES])
def test_bad_options_are_one_line(words, message, capsys):
    assert main(["run", "smoke", "--dry-run", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--json"], ["--rates", "h100"]])
def test_options_of_the_dry_run_are_refused_without_it(words, capsys):
    assert main(["run", "smoke", *words]) == 2
    assert "goes with --dry-run" in capsys.readouterr().err


def test_a_plan_that_raises_keeps_its_place_and_says_why(tmp_path, capsys):
    plugin, file = tmp_path / "moody.py", tmp_path / "suite.toml"
    plugin.write_text(
        "from methods.method import CacheMethod\n\n\nclass Moody(CacheMethod):\n    name = 'moody'\n\n"
        "    def plan(self, model, sampler):\n        raise RuntimeError('not\\ntoday')\n"
    )
    file.write_text(
        'name = "s"\n[[cells]]\nmodels = "dit-mnist"\nsampler = { name = "ddim", steps = 4 }\n'
        'cache = { name = "moody" }\n'
    )
    assert main(["run", str(file), "--dry-run", "--plugin", str(plugin)]) == 0
    out = capsys.readouterr().out
    assert "DDIM-4 + moody: RuntimeError: not today" in out
    assert "1 more not counted" in out


def test_an_engine_that_cannot_run_a_cell_says_so_before_the_run(tmp_path, capsys):
    plugins = ["--plugin", str(write_plugin(tmp_path)), "--plugin", str(write_engine(tmp_path))]
    unfit = by_engine("echo").replace('"tiny"', '"uvit-mnist"')
    cached = by_engine("echo", '{ name = "hold", fault = "unfit" }')
    file = write_suite(tmp_path, "".join(map(by_engine, ("echo", "absent", "untested"))) + unfit + cached)
    file.write_text(file.read_text().replace('reference = { name = "ddim", steps = 4 }', ""))
    assert main(["run", str(file), "--dry-run", *plugins]) == 0
    out = capsys.readouterr().out
    assert "DDIM-4 [absent]: unsupported: engine 'absent': no-such-package is not installed" in out
    assert "DDIM-4 [untested]: unsupported: engine 'untested': numpy " in out
    assert "DDIM-4 [echo]: unsupported: echo: only a DiT" in out
    assert "DDIM-4 + Hold (fault=unfit) [echo]: unsupported: hold: not with 4 blocks" in out
    assert out.count("unsupported") == 4, "what an engine takes is planned"


def test_work_that_a_policy_decides_is_stated_as_the_most_there_can_be(capsys):
    assert main(["run", "small-field", "--dry-run"]) == 0
    out = capsys.readouterr().out
    rows = {line[: line.index("  ", 3)].strip(): line.split() for line in out.splitlines() if line.startswith("  DDIM")}
    policy, tokens = rows["DDIM-50 + EasyCache"], rows["DDIM-50 + ToCa (interval=3)"]
    assert "≤1300/1300" in policy
    assert policy[-2:] == ["-", "-"], "no ideal speed-up before it has decided"
    assert float(tokens[-2]) > 1, "which tokens is decided during sampling, how many is known"
    assert "≤: decided during sampling" in out


def test_the_cost_is_the_sum_over_cells_with_a_plan():
    first, second, *_ = suite.load("smoke").cells
    cost = cost_of([(first, 10), (second, None), (second, 5)])
    samples = first.protocol.samples
    assert (cost.cells, cost.unplanned, cost.images, cost.macs) == (2, 1, 2 * samples, 15 * samples)
    assert cost.hours(15 * samples / 3600) == pytest.approx(1)


def test_the_rate_is_that_of_finished_cells():
    done = factory.cell() | {"work": {"macs": 100}, "quality": {"samples": 5}, "seconds": 10.0}
    failed = factory.not_ok("failed", "no") | {"seconds": 99.0}
    assert measured_rate([stored(done), stored(failed)]) == 50
    assert measured_rate([]) is None


def test_without_a_rate_the_time_is_unknown():
    (cell, *_) = suite.load("smoke").cells
    assert "time unknown until the first cell is done" in cost_of([(cell, 10)]).sentence()


def test_speed_alone_has_no_images_to_pay_for():
    (cell, *_) = suite.load("gpu-latency").cells
    sentence = cost_of([(cell, 10), (cell, None)]).sentence(1e9)
    assert sentence.startswith("Cost of 1 cell: speed alone, no images")
    assert "; 1 more not counted" in sentence


@pytest.mark.parametrize(
    ("seconds", "round_s", "expected"),
    [
        (1.0, 100.0, 100.0 * PROCESSES * (MIN_WARM_UP + MIN_ROUNDS)),  # slow: the fewest rounds
        (10.0, 2.0, 10.0 * 3),  # the time of three settings
        (10.0, 0.1, 0.1 * (PROCESSES * MIN_WARM_UP + 20)),  # fast: the most rounds
    ],
)
def test_a_session_takes_its_settings_time_within_fewest_and_most_rounds(seconds, round_s, expected):
    assert session_seconds(Timing(rounds=20, seconds=seconds), round_s, 3) == pytest.approx(expected)


def test_timing_costs_a_session_a_model_and_batch():
    cells = [cell for cell in suite.load("gpu-core").cells if cell.cache is None]
    one = [cell for cell in cells if cell.model == "dit-xl-2"]
    hour = 3600 / (PROCESSES * (MIN_WARM_UP + MIN_ROUNDS))  # MACs a second at which the fewest rounds of one take that
    alone = timing_hours([(one[0], 1)], 1 / hour)
    assert alone == pytest.approx(8 + 1 + 64)  # batches
    assert timing_hours([(cell, 1) for cell in cells], 1 / hour) == pytest.approx(len(cells) * alone)
    assert timing_hours([(cell, None) for cell in cells], 1 / hour) == 0


def test_a_device_has_a_rate_of_each_dtype():
    half, single = (device_rates.read("a100", dtype) for dtype in ("float16", "float32"))
    assert half.rates.macs_per_s == 2 * single.rates.macs_per_s
    with pytest.raises(InputError, match="did you mean 'a100'"):
        device_rates.read("a1000", "float32")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 "), (999.4, "999 "), (999.6, "1 k"), (786432, "786 k"), (1.19e18, "1.19 E")]
)
def test_costs_are_written_in_units_that_suit_them(value, text):
    assert scaled(value) == text


@pytest.mark.parametrize(
    ("sampler", "params", "taken"),
    [("flow-euler", {}, "velocity"), ("flow-heun", {}, "velocity"), ("ddim", {"prediction": "v"}, "v")],
)
def test_a_sampler_that_takes_the_output_for_something_else_is_unsupported(sampler, params, taken, monkeypatch):
    cell = Cell("dit-mnist", Part(sampler, {"steps": 4, **params}), None, Protocol(samples=64))
    said = f"unsupported: {sampler} takes the network's output for {taken}, dit-mnist puts out noise"
    assert dry_run.without_plan(cell) == said
    monkeypatch.setattr(dry_run.meta_model("dit-mnist"), "output", taken, raising=False)
    assert dry_run.without_plan(cell) is None
