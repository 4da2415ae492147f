"""Long commands refuse a place where their file cannot be written before they begin, in one line, leaving nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import main

ROUTER = ["train-router", "dit-mnist", "--l1", "1e-3", "--steps", "5", "--iterations", "1"]
COMMANDS = {
    "train-router l2c": [*ROUTER, "--out"],
    "train-router harmonica": [*ROUTER, "--method", "harmonica", "--out"],
    "train-router's plot": [*ROUTER, "--out", "router.safetensors", "--plot"],
    "choose": ["choose", "dit-mnist", "--error", "0.05", "--suite"],
    "calibrate": ["calibrate", "teacache", "--model", "dit-mnist", "--out"],
    "reference": ["reference", "images", "--out"],
}
PLACES = {
    "folder.png.safetensors": "it is a folder",
    "file/below.png.safetensors": "file is a file",
    "closed/below.png.safetensors": "cannot be written: no right to write in ",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written(
    command: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = place if "plot" not in command else place.removesuffix(".safetensors")
    (tmp_path / "folder.png.safetensors").mkdir()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "closed").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("bench.host.files.os.access", lambda path, mode: Path(path).name != "closed")  # root may write
    before = sorted(tmp_path.rglob("*"))
    assert main([*COMMANDS[command], place]) == 2
    said = capsys.readouterr().err
    assert any(words in said for start, words in PLACES.items() if start.startswith(place.split(".")[0]))
    assert said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["train-router l2c", "train-router harmonica", "choose", "calibrate"])
def test_an_empty_name_is_the_folder_that_one_is_in(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMANDS[command], ""]) == 2
    verb, option = COMMANDS[command][0], COMMANDS[command][-1]
    told = {
        "--out": f"ditbench: {verb}: --out must name a file or folder, got ''\n",
        "--suite": "ditbench: cannot write '.': it is a folder, expected the name of a file\n",
    }
    assert capsys.readouterr().err == told[option]
