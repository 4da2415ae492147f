"""`ditbench doctor`: one line a check, and exit code 1 where something is to be done first."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_engine import by_engine, write_engine
from tiny_suite import write_plugin, write_suite

from bench.cli import health, machine_health, main


def test_a_machine_is_described_line_by_line(capsys) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[8:].split(":")[0] for line in lines] == ["versions", "packages", "other work", "device", "clocks"]
    assert all(line.split()[0] in ("ok", "warning") for line in lines)


def test_a_suite_that_has_what_it_needs(tmp_path: Path, capsys) -> None:
    words = [str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / "out")]
    assert main(["doctor", *words]) == 0
    said = capsys.readouterr().out
    assert "ok      weights of tiny: shipped" in said
    assert "warning references of tiny: tiny: has no autoencoder" in said
    assert "memory: " in said
    assert "ok      disk: " in said
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_something_to_do(tmp_path: Path, capsys) -> None:
    plugin = write_plugin(tmp_path)
    words = [str(write_suite(tmp_path)), "--plugin", str(plugin), "--weights", str(tmp_path / "none.pt")]
    assert main(["doctor", *words]) == 1
    assert "todo    weights of tiny: " in capsys.readouterr().out


def test_too_little_disk_and_work_of_others_are_named(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda place: health.shutil._ntuple_diskusage(10, 10, 0))
    monkeypatch.setattr(machine_health, "load", lambda: 99.0)
    monkeypatch.setattr(machine_health.torch, "__version__", "2.5.1")
    words = ["doctor", str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path)]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "todo    versions: " in said
    assert "warning other work: load 99" in said
    assert "make room" in said


def test_an_engine_without_its_packages_is_named(tmp_path: Path, capsys) -> None:
    plugins = ["--plugin", str(write_plugin(tmp_path)), "--plugin", str(write_engine(tmp_path))]
    unfit = by_engine("echo", "[{ name = 'hold', interval = [2, 3] }]").replace('"tiny"', '"uvit-mnist"')
    suite = write_suite(tmp_path, by_engine("echo") + unfit + by_engine("absent") + by_engine("untested"))
    suite.write_text(suite.read_text().replace('reference = { name = "ddim", steps = 4 }', ""))
    assert main(["doctor", str(suite), *plugins, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "ok      engine echo: " in said
    assert "warning engine echo: unsupported: echo: only a DiT; cells: 2" in said
    assert "warning engine absent: no-such-package is not installed" in said
    assert "warning engine untested: numpy " in said


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_file_where_results_should_go_is_something_to_do(out: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    words = [str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / out)]
    assert main(["doctor", *words]) == 1
    assert f"todo    disk: {tmp_path / out} cannot be written: " in capsys.readouterr().out


def test_an_unknown_suite_is_one_line(capsys) -> None:
    assert main(["doctor", "smok"]) == 2
    assert capsys.readouterr().err == "ditbench: unknown suite 'smok'; did you mean 'smoke'?\n"
