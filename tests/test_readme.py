"""The README is true: its example runs, CI runs its test command, its tables are the committed results."""

import re
import runpy
from pathlib import Path

import pandas as pd
import pytest
import tiny_suite
import torch

from bench.show import readme
from models.spec import build_random

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")


def block(after: str) -> str:
    """The code block that follows a comment."""
    return re.search(re.escape(after) + r".*?```\w+\n(.*?)```", TEXT, re.DOTALL).group(1)


def ditbench(*words) -> str:
    """Standard output of a command line that must succeed."""
    done = tiny_suite.ditbench(*words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_method_is_listed_run_and_reported_as_one_file(tmp_path):
    plugin, suite = tmp_path / "reuse_mlp.py", tmp_path / "my-suite.toml"
    plugin.write_text(block("<!-- example:"))
    # fewer samples than an exact solution takes, which is many times the work of all cells
    quick = "samples = 40\n\n[protocol.timing]\nrounds = 2\nseconds = 0.1"
    suite.write_text(block("<!-- suite:").replace("samples = 256", quick))
    assert "reuse-mlp" in ditbench("list", "methods", "--plugin", plugin)
    only = ["--only", "steps=20,cache=reuse-mlp|none"]
    ditbench("run", suite, *only, "--plugin", plugin, "--out", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    own = table[table["cache"] == "reuse-mlp"]
    assert list(own["status"]) == ["ok", "ok"]
    assert (own["branches_computed"] < 1).all()
    assert "interval=2" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_the_example_model_is_listed_and_run_as_one_file(tmp_path):
    plugin, suite = tmp_path / "my_dit.py", tmp_path / "my-dit.toml"
    plugin.write_text(block("<!-- model:"))
    quick = "samples = 32\nsampling_batch = 32\n\n[protocol.timing]\nbatch = 2\nrounds = 2\nseconds = 0.01"
    as_above = "[[cells]]".join(block("<!-- suite:").split("[[cells]]")[:2]).replace('"dit-mnist"', '"my-dit"')
    suite.write_text(as_above.replace("samples = 256", quick).replace("[20, 15, 10]", "[20]"))
    assert "weights absent" in ditbench("list", "models", "--plugin", plugin)
    own = runpy.run_path(str(plugin))["spec"]
    torch.save(build_random(own).state_dict(), tmp_path / "my-dit.pt")
    assert "weights own" in ditbench("list", "models", "--plugin", plugin)
    ditbench("run", suite, "--plugin", plugin, "--out", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(table["status"]) == ["ok"]


def test_ci_runs_the_test_command_of_the_readme():
    commands = re.findall(r"^python3 -m venv .*$", TEXT, re.MULTILINE)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_every_link_leads_to_a_file(link):
    assert link.startswith("https://") or (ROOT / link).exists()


def test_the_results_are_those_that_are_committed():
    sections = readme.sections(ROOT / readme.RESULTS)
    assert set(sections) == {readme.README, readme.TABLES}
    for document, text in sections.items():
        shown = (ROOT / document).read_text("utf-8").split(readme.BEGIN)[1].split(readme.END)[0].strip()
        assert shown == text.strip(), f"{document}: run `python -m bench.show.readme`"


def test_the_readme_fits_its_length():
    assert len(TEXT.splitlines()) <= 150
