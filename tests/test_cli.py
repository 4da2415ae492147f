"""The command line: every wrong word is one line on stderr and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from tiny_suite import command, ditbench, environment, write_plugin

from bench import cli

MISTAKES = {
    "": "expected a command",
    "lst": "did you mean 'list'?",
    "list modls": "did you mean 'models'?",
    "list --jsn": "did you mean '--json'?",
    "run": "required: SUITE",
    "run smol": "did you mean 'smoke'?",
    "run small --jobs x": "invalid int value",
    "run small --jobs 0": "--jobs must lie in",
    "run small --threads -1": "--threads must lie in",
    "run small --retry faild": "did you mean 'failed'?",
    "run small --device toaster": "--device must be cpu or cuda",
    "run small --device cuda:99": "CUDA devices",
    "run small --plugin nowhere.py": "nowhere.py: no such plugin file",
    "run small --only steps=51": "no cell of suite 'small' matches",
    "run small --out": "expected one argument",
    "plan for": "did you mean 'fora'?",
    "plan fora": "'interval' is required",
    "plan fora interval=zwei": "'interval' must be int",
    "plan fora interval": "expected key=value",
    "plan fora interval=2 interval=3": "interval is given twice, as '2' and '3'",
    "plan fora interval=2 steps=5 steps=5": "steps is given twice",
    "run small --only steps=50,steps=25": "steps is given twice; alternatives are steps=A|B",
    "run small --on local:device=0,device=1": "device is given twice",
    "plan fora interval=2 stps=3": "unknown parameter of fora 'stps'",
    "plan fora interval=2 sampler=deepcache": "is a cache method",
    "plan fora interval=2 --model dit-mnits": "did you mean 'dit-mnist'?",
    "plan FORA interval=2": "did you mean 'fora'?",
    "plan middle": "one of a plugin needs --plugin FILE",
    "plan fora interval=2 --model DiT-XL/2": "did you mean 'dit-xl-2'?",
    "plan fora interval=2 steps=5 sampler.steps=6": "steps=5 and sampler.steps=6 say the same",
    "plan fora interval=2 --png a.gif": "--png must end in .png",
    "plan teacache --smoothcache a.json": "only plans that reuse branch outputs as they were",
    "plan toca --smoothcache a.json": "only plans that reuse branch outputs as they were",
    "calibrate smoothcache threshold=1 --out a.json": "unknown word 'threshold', expected sampler=NAME",
    "choose dit-mnist --error 0.1 --samples 99": "--samples goes with --fd",
    "gate a b --seconds 3": "--seconds needs --base-ref",
    "report nowhere-at-all": "nowhere-at-all",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_bad_usage_is_one_line_and_code_2(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.split()) == 2
    shown = capsys.readouterr()
    assert MISTAKES[line] in shown.err
    assert shown.err.strip().splitlines()[-1].startswith("ditbench: ")
    assert "Traceback" not in shown.err
    assert not list(tmp_path.iterdir())


def test_words_of_a_method_may_follow_an_option(capsys):
    assert cli.main(["plan", "fora", "interval=3", "steps=6", "--model", "uvit-mnist"]) == 0
    first = capsys.readouterr().out
    assert cli.main(["plan", "fora", "--model", "uvit-mnist", "interval=3", "steps=6"]) == 0
    assert capsys.readouterr().out == first


def test_what_a_policy_decides_is_said_to_be_the_most_there_can_be(capsys):
    assert cli.main(["plan", "teacache", "steps=6"]) == 0
    said = capsys.readouterr().out
    assert "branches computed  ≤ 144 of 144" in said
    assert said.endswith("≤: decided during sampling; the work is the most there can be\n")
    assert cli.main(["plan", "fora", "interval=2", "steps=6"]) == 0
    assert "≤" not in capsys.readouterr().out


def test_a_plan_is_written_although_nobody_reads_what_is_printed(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    words = ["plan", "fora", "interval=2", "--smoothcache", str(tmp_path / "s.json")]
    with open(writer, "wb") as stdout:
        subprocess.run(command(*words), check=False, stdout=stdout, stderr=subprocess.DEVNULL, env=environment())
    assert len(json.loads((tmp_path / "s.json").read_text())["attn-0"]) == 50


def test_a_message_is_of_bounded_length_and_keeps_both_ends(capsys):
    assert cli.main(["report", "begins" + "x" * 100_000 + "ends"]) == 2
    said = capsys.readouterr().err
    assert len(said) <= 2011 + len("ditbench: ")
    assert "begins" in said
    assert "ends" in said
    assert "98,0" in said, "how much was cut"


def test_help_and_version(capsys):
    assert cli.main(["--version"]) == 0
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in cli.verbs())
    assert cli.main(["run", "--help"]) == 0


def test_hostile_text_cannot_control_the_terminal(capsys):
    assert cli.main(["\x1b[31mlist\n\n\x07"]) == 2
    error = capsys.readouterr().err
    assert "\x1b" not in error
    assert "\x07" not in error
    assert error.count("\n") == 1


def test_list_shows_everything(capsys):
    assert cli.main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"ddim", "ddpm", "dpm-solver", "dpm-solver++", "fora", "deepcache", "l2c"} <= names(listed["methods"])
    assert {"dit-mnist", "uvit-mnist", "dit-xl-2"} <= names(listed["models"])
    assert {"smoke", "small", "small-full"} <= names(listed["suites"])


def test_list_of_one_kind(capsys):
    assert cli.main(["list", "models", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["models"]


def test_models_are_listed_with_size_work_and_weights(capsys):
    assert cli.main(["list", "models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert "675.1 M parameters,    118.6 G MACs,  256 px, guidance 1.5 (3 ch.), linear betas" in lines["dit-xl-2"]
    assert "500.8 M parameters,    133.2 G MACs,  256 px, guidance 1.4, sqrt-linear betas" in lines["uvit-h-2"]
    weights = {name: line.rsplit(" ", 1)[-1] for name, line in lines.items()}
    assert (weights["dit-mnist"], weights["dit-xl-2"], weights["dit-l-2"]) == ("shipped", "public", "none")
    assert cli.main(["list", "models", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert listed["dit-xl-2-512"]["parameters"] == 676014368
    assert listed["dit-xl-2-512"]["macs"] == 524538298368
    assert "drive.google.com" in listed["uvit-h-2"]["weights_note"]
    assert listed["dit-l-2-512"]["resolution"] == 512


def names(rows: list[dict[str, str]]) -> set[str]:
    return {row["name"] for row in rows}


def test_plan_prints_rows_and_counts(capsys):
    assert cli.main(["plan", "fora", "interval=2", "steps=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("#" * 24) for line in lines) == 3, "evaluation 0, and every second counted from the end"
    assert any("72 of 96 (75.0%)" in line for line in lines)


def test_plan_of_other_sampler_and_model(capsys):
    words = ["fora", "interval=3", "sampler=dpm-solver++", "steps=6", "sampler.order=2", "--model", "uvit-mnist"]
    assert cli.main(["plan", *words]) == 0
    assert cli.main(["plan", "ddim", "steps=3"]) == 0
    assert "100.0%" in capsys.readouterr().out


def test_plan_of_a_model_without_weights_needs_no_memory_for_them(capsys):
    assert cli.main(["plan", "fora", "interval=2", "steps=3", "--model", "dit-xl-2"]) == 0
    assert "uncached 711.7 G" in capsys.readouterr().out  # 3 evaluations, both halves, 118.6 G each


def test_plan_is_drawn(tmp_path, capsys):
    path = tmp_path / "plan.png"
    assert cli.main(["plan", "deepcache", "interval=3", "steps=9", "--png", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert cli.main(["plan", "ddim", "steps=2", "--png", str(tmp_path / "plan.png" / "x.png")]) == 2
    assert "cannot" in capsys.readouterr().err


def test_plugin_appears_in_list(tmp_path):
    done = ditbench("list", "--json", "--plugin", write_plugin(tmp_path))
    listed = json.loads(done.stdout)
    assert {"half", "misbehave"} <= names(listed["methods"])
    assert "tiny" in names(listed["models"])


def test_plugins_from_the_environment(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DITBENCH_PLUGINS", f"{tmp_path / 'nowhere.py'}:")
    assert cli.main(["list"]) == 2
    assert "nowhere.py: no such plugin file" in capsys.readouterr().err
    plugin = write_plugin(tmp_path)
    done = subprocess.run(
        command("list", "methods"),
        capture_output=True,
        text=True,
        check=False,
        env=environment() | {"DITBENCH_PLUGINS": str(plugin)},
    )
    assert "misbehave" in done.stdout


def test_broken_plugin_is_reported_and_the_rest_is_listed(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_this_name\n")
    done = ditbench("list", "methods", "--plugin", path)
    assert done.returncode == 0
    assert "broken.py could not be loaded: ModuleNotFoundError" in done.stderr
    assert "fora" in done.stdout


def test_closed_stdout_is_no_error():
    process = subprocess.Popen(
        command("list", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_every_command_ends_by_a_signal_as_by_ctrl_c(monkeypatch, capsys, number):
    """Wherever it is: a run that loads its suite or writes its report, too. What ends is not broken off by a second."""
    ended = []

    def work(_):
        try:
            signal.raise_signal(number)
        finally:
            for again in (signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(again)
            ended.append(number)

    monkeypatch.setattr(cli, "dispatch", work)
    before = {sent: signal.signal(sent, signal.SIG_DFL) for sent in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert cli.main(["report", "out"]) == 130
        assert {signal.getsignal(sent) for sent in before} == {signal.SIG_DFL}
    finally:
        for sent, handler in before.items():
            signal.signal(sent, handler)
    assert ended == [number]
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed):
    """As by a service's manager: no traceback, the exit code says how it went, and no file gets what is printed."""
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", *command("list", "methods")]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refused = subprocess.run([*words[:4], *command("lst")], env=environment(), check=False, capture_output=True)
    assert refused.returncode == 2
