"""The GitHub workflows only call tox, with the least permissions and pinned versions."""

import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bench.suite import file as suite

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "tests": ["tox -e lint", "tox -e test"],
    "regression": ['tox -e regression -- --base-ref "$BASE_REF" --markdown --out runs/gate.md'],
    "leaderboard": [
        "tox -e site",
        "tox -e bench -- site results/small-full results/studies --figures --check runs/site",
    ],
}


def workflow(name):
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text("utf-8"))


def steps(name):
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_workflow_runs_these_tox_commands_and_nothing_else_of_ours(name):
    runs = [step["run"] for step in steps(name) if "run" in step]
    assert [run for run in runs if run.startswith("tox")] == COMMANDS[name]
    rest = [run for run in runs if not run.startswith("tox")]
    assert rest[0] == "pip install tox"
    assert all("GITHUB_STEP_SUMMARY" in run for run in rest[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_permissions_are_stated_and_versions_pinned(name):
    found = workflow(name)
    assert found["permissions"]["contents"] == "read"
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps(name) if "uses" in step)
    assert all("timeout-minutes" in job or "needs" in job for job in found["jobs"].values())


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_that_a_stranger_writes_is_pasted_into_a_shell_or_a_script(name):
    for step in steps(name):
        assert "${{" not in step.get("run", "") + step.get("with", {}).get("script", "")


def test_only_the_gate_may_write_to_pull_requests_and_only_the_deployment_to_pages():
    assert workflow("regression")["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert workflow("leaderboard")["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert workflow("tests")["permissions"] == {"contents": "read"}
    assert True in workflow("regression")  # YAML 1.1 reads the key `on` so
    assert list(workflow("regression")[True]) == ["pull_request"]  # never pull_request_target: it runs strangers' code


def test_every_environment_that_a_workflow_calls_is_in_tox_ini():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    called = {command.split()[2] for commands in COMMANDS.values() for command in commands}
    assert {f"testenv:{name}" for name in called} <= set(tox.sections())


def test_the_suite_in_the_docs_loads(tmp_path):
    text = (ROOT / "docs/regression.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
    (tmp_path / "gate.toml").write_text(text.replace("my-method", "fora"))
    cells = suite.load(str(tmp_path / "gate.toml"), {}, {}).cells
    assert [cell.slug for cell in cells] == ["ddim-20", "ddim-20+fora-interval-2"]


def test_the_tests_run_on_the_oldest_and_the_newest_python():
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"].removeprefix(
        ">="
    )
    found = workflow("tests")["jobs"]["tests"]
    versions = found["strategy"]["matrix"]["python"]
    assert found["strategy"]["fail-fast"] is False
    assert (versions[0], versions[-1]) == (oldest, "3.14")
    setup = next(step for step in found["steps"] if step.get("uses", "").startswith("actions/setup-python"))
    assert setup["with"]["python-version"] == "${{ matrix.python }}"


def check(path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_lint_validates_every_workflow_by_githubs_schema():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    (line,) = (line for line in tox["testenv:lint"]["commands"].splitlines() if "check-jsonschema" in line)
    validated = {word.rpartition("{/}")[2] for word in line.split() if word.endswith(".yml")}
    assert validated == {path.name for path in (ROOT / ".github/workflows").iterdir()}


@pytest.mark.parametrize("name", COMMANDS)
def test_githubs_schema_accepts_a_workflow_and_refuses_it_with_a_fault(tmp_path, name):
    pytest.importorskip("check_jsonschema")  # the extra `lint`
    text = (ROOT / f".github/workflows/{name}.yml").read_text("utf-8")
    assert check(ROOT / f".github/workflows/{name}.yml").returncode == 0
    faults = {"steps:": "step:", "runs-on: ubuntu-latest": "runs: ubuntu-latest", "contents: read": "contents: reads"}
    for right, wrong in faults.items():
        assert right in text
        (tmp_path / "w.yml").write_text(text.replace(right, wrong))
        assert check(tmp_path / "w.yml").returncode == 1, wrong
