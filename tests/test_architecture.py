"""The rooms: arrows point down only, every room is on a floor, and nothing is imported in a circle."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.benchmarks import structure

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, check=False)


def test_arrows_point_down_only():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_no_arrow_is_excused():
    assert SETTINGS.keys() == {"root_packages", "contracts"}
    assert all(contract.keys() <= {"name", "type", "layers", "ancestors"} for contract in SETTINGS["contracts"])


def test_every_room_is_on_a_floor():
    layers = SETTINGS["contracts"][0]["layers"]
    floors = {room.strip() for floor in layers for room in floor.split("|")}
    rooms = {path.stem for path in (ROOT / "bench").iterdir() if not path.name.startswith("_")}
    assert {f"bench.{room}" for room in rooms} | {"methods", "models"} == floors


def test_the_drawing_shows_the_code_as_it_is():
    drawn = structure.drawn_in((ROOT / "docs" / "architecture.md").read_text("utf-8"))
    assert drawn == structure.drawing(ROOT), "python -m bench.benchmarks.structure --draw mends it"
    rooms = [line.split(maxsplit=1)[0] for line in drawn.splitlines()[1:-1] if not line.startswith(" ")]
    assert sorted(rooms) == sorted(structure.rooms(ROOT))
    drawn_arrows = [line.partition("→")[2].split(", ") for line in drawn.splitlines() if "→" in line]
    assert sum(map(len, drawn_arrows)) == len(structure.arrows(structure.imports(ROOT), structure.rooms(ROOT)))


def test_what_lies_on_a_circle_or_points_upward_is_counted():
    found = {("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")}
    assert structure.on_circles(found) == {("b", "c"), ("c", "b")}
    assert structure.upward(found, [["a"], ["b"], ["c", "d"]]) == {("c", "b"), ("c", "d")}


@pytest.mark.parametrize("guard", ["", "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    "])
def test_an_upward_arrow_would_be_seen(guard: str, tmp_path: Path):
    for room in ("high", "low"):
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "__init__.py").touch()
    (tmp_path / "house" / "__init__.py").touch()
    (tmp_path / "house" / "low" / "worker.py").write_text(f"{guard}import house.high\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_packages = ["house"]\n[[tool.importlinter.contracts]]\n'
        'name = "floors"\ntype = "layers"\nlayers = ["house.high", "house.low"]\n'
    )
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "house.low.worker -> house.high" in done.stdout
