"""A command of the warm server is what a fresh process makes of it: words, output, folder, environment, exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import warm_command
from tiny_suite import command, ditbench, environment

TELLS = """
import os, sys
from methods.ddim import DDIM
print(os.getcwd(), sys.argv[1:], sys.path[0], sorted(os.environ.items()), file=sys.stderr)
class Tells(DDIM):
    name = "tells"
"""


@pytest.mark.parametrize("words", [["lst"], ["plan", "fora", "interval=2", "steps=4"]])
def test_it_says_and_ends_as_a_fresh_process(words: list[str], tmp_path: Path) -> None:
    fresh = subprocess.run(
        command(*words), capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False
    )
    for _ in range(2):
        warm = ditbench(*words, cwd=tmp_path)
        assert (warm.returncode, warm.stdout, warm.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_it_has_the_folder_and_the_environment_that_it_was_given(tmp_path: Path) -> None:
    plugin = tmp_path / "tells.py"
    plugin.write_text(TELLS)
    words = ["list", "methods", "--plugin", str(plugin)]
    given = environment() | {"GIVEN": "1"}
    fresh = subprocess.run(command(*words), capture_output=True, text=True, cwd=tmp_path, env=given, check=False)
    warm = warm_command.run(words, tmp_path, 60, given)
    assert "'GIVEN', '1'" in fresh.stderr
    assert (warm.stdout, warm.stderr) == (fresh.stdout, fresh.stderr)
    assert "tells" in warm.stdout
    assert "tells" not in ditbench("list", "methods").stdout, "nothing is left of a command"


def test_one_that_takes_too_long_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    plugin = tmp_path / "hangs.py"
    plugin.write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    with pytest.raises(subprocess.TimeoutExpired) as ended:
        ditbench("list", "--plugin", plugin, timeout=1)
    assert ended.value.stdout == "here\n"
    assert ditbench("list", "models").returncode == 0
