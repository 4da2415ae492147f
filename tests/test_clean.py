"""`ditbench clean`: what may go goes and is counted; a running run's files, and what somebody else put there, stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from cell_factory import cell, not_ok, write
from tiny_suite import environment

from bench.cli import main
from bench.cli.commands.clean import size
from bench.measure.samples.shards import Shards
from bench.quality.features import kept
from bench.store.directory import Store
from models.errors import InputError

LEFT = ".abcd_123.tmp"
OF_FINISHED = {
    f"samples/dit-mnist/ddim-{steps}/{kind}/00000000.safetensors"
    for steps in (50, 20)
    for kind in ("latents", "features")
}
USER = """
import sys
from models.fetch import fetch
fetch("http://x/w.pt")
print("has it", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(kept.VARIABLE, raising=False)
    (tmp_path / "cache" / "features").mkdir(parents=True)
    return tmp_path / "cache"


def clean(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str]]:
    """(exit code, what was said)."""
    code = main(["clean", *map(str, words)])
    said = capsys.readouterr()
    return code, (said.out + said.err).splitlines()


def filled(path: Path, count: int = 1000, days: float = 0) -> Path:
    """A file of some bytes, last written some days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * count)
    then = time.time() - 86_400 * days
    os.utime(path, (then, then))
    return path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two finished cells, one that is still to be timed, and one that is missing; each with samples."""
    cells = [cell(), not_ok("failed", "why", steps=20), cell(steps=10) | {"timing": None}, cell(steps=5)]
    directory = write(tmp_path / "run", cells)
    (directory / "cells/dit-mnist/ddim-5.json").unlink()
    for made in cells:
        for kind in ("latents", "features"):
            shards = Shards(directory / "samples" / "dit-mnist" / made["slug"] / kind, "key")
            shards.write(range(4), {kind: torch.ones(4, 8)})
    Shards(directory / "exact/dit-mnist/dpm-solver++-999/latents", "key").write(range(4), {"latents": torch.ones(4, 8)})
    filled(directory / "samples/dit-mnist/ddim-50.safetensors")
    filled(directory / "images/dit-mnist/ddim-50/000000.png")
    return directory


@pytest.mark.parametrize("place", ["", "logs/dit-mnist", "cells/dit-mnist", "samples/dit-mnist/ddim-50/latents"])
def test_temporary_files_go_by_hand_and_by_the_next_run(run, capsys, place):
    before = files(run)
    filled(run / place / LEFT)
    assert clean(capsys, run) == (0, [f"{run}: 1 temporary files, 1.0 kB", "freed 1.0 kB"])
    assert files(run) == before
    filled(run / place / LEFT)
    with Store(run).exclusive():
        assert files(run) - {".run.lock"} == before


def test_what_a_killed_driver_and_its_workers_said_goes(run, capsys):
    before = files(run)
    filled(run / "workers" / "abc" / "0" / "1.order.json")
    assert clean(capsys, run) == (0, [f"{run}: 1 temporary files, 1.0 kB", "freed 1.0 kB"])
    assert files(run) == before
    assert not (run / "workers").exists()


def test_what_somebody_else_put_there_stays(run, capsys):
    filled(run / ".notes.tmp")
    filled(run / "samples/dit-mnist/ddim-50/latents/mine.safetensors")
    filled(run / "samples/dit-mnist/ddim-50/latents/notes.txt")
    outside = filled(run.parent / "outside" / LEFT)
    (run / "samples/dit-mnist/linked").symlink_to(outside.parent)
    before = files(run)
    assert clean(capsys, run, "--samples")[0] == 0
    assert before - files(run) == OF_FINISHED
    assert outside.exists()


def test_samples_of_finished_cells_go_and_results_stay(run, capsys):
    before = files(run)
    code, said = clean(capsys, run, "--samples", "--dry-run")
    assert (code, said[-1].split(" ", 1)[0], files(run)) == (0, "would", before)
    again = clean(capsys, run, "--samples")[1]
    assert again[-1] == said[-1].replace("would free", "freed").removesuffix("; nothing was removed")
    assert again[0].startswith(f"{run}: 4 shards of samples, ")
    assert not (run / "samples/dit-mnist/ddim-20").exists()
    assert before - files(run) == OF_FINISHED
    for steps in (10, 5):
        path = run / "cells/dit-mnist" / f"ddim-{steps}.json"
        path.write_text(json.dumps(cell(steps=steps)))
    assert clean(capsys, run, "--samples")[1][0].startswith(f"{run}: 5 shards of samples, "), "the exact solution too"
    assert {name.partition("/")[0] for name in files(run)} == {"cells", "samples", "images", "suite.json"}


def test_a_run_at_work_is_left_alone(run, capsys):
    left = filled(run / LEFT)
    with Store(run).shared():
        code, said = clean(capsys, run)
        assert (code, len(said)) == (2, 1)
        assert "another run is writing here" in said[0]
        assert left.exists()


def test_nothing_goes_where_one_of_several_is_none_or_at_work(run, tmp_path, capsys):
    other = write(tmp_path / "other", [cell()])
    left = filled(run / LEFT)
    with Store(other).shared():
        assert clean(capsys, run, other)[0] == 2
    assert clean(capsys, run, tmp_path / "nowhere")[0] == 2
    assert left.exists()
    assert clean(capsys, run, other, run)[1] == [f"{run}: 1 temporary files, 1.0 kB", "freed 1.0 kB"]


def features(cache: Path, number: int, days: float, count: int = 1000) -> Path:
    return filled(cache / "features" / f"{number:032x}.safetensors", count, days)


def test_features_that_were_not_used_longest_go_beyond_the_limit(cache, capsys, monkeypatch):
    sets = [features(cache, n, days=n) for n in range(4)]
    filled(cache / "features" / "mine.safetensors", 10_000, days=99)
    assert clean(capsys) == (0, ["freed 0 bytes"])
    monkeypatch.setenv(kept.VARIABLE, "0.0000025")
    kept.note_use(sets[3])
    assert clean(capsys, "--dry-run")[1][-1] == "would free 2.0 kB; nothing was removed"
    assert clean(capsys) == (0, [f"{cache}: 2 sets of kept features, 2.0 kB", "freed 2.0 kB"])
    assert [path.exists() for path in sets] == [True, False, False, True]
    assert (cache / "features" / "mine.safetensors").exists()


@pytest.mark.parametrize("stated", ["x", "-1", "nan", "inf", "1e9"])
def test_a_limit_that_is_none_is_one_line(capsys, monkeypatch, stated):
    monkeypatch.setenv(kept.VARIABLE, stated)
    code, said = clean(capsys)
    assert (code, len(said)) == (2, 1)
    assert f"{kept.VARIABLE} must be a number of gigabytes, 0 or more, got '{stated}'" in said[0]


def downloaded(cache: Path, name: str, days: float = 0, **changes: object) -> Path:
    """A file as models.fetch leaves it."""
    path = filled(cache / name, 5000, days)
    state = path.stat()
    record = {"url": f"http://x/{name}", "size": state.st_size, "mtime_ns": state.st_mtime_ns, **changes}
    noted = path.with_name(f"{path.name}.json")
    noted.write_text(json.dumps(record))
    os.utime(noted, (state.st_mtime, state.st_mtime))
    return path


def test_the_whole_cache_goes_but_for_what_was_put_there_by_hand(cache, capsys):
    gone = [downloaded(cache, "w.pt"), downloaded(cache, "sd/config.json"), features(cache, 1, days=0)]
    gone.append(downloaded(cache, "begun.pt.partial", size=None))
    filled(cache / ".w.pt.lock", 0)
    stays = [
        filled(cache / "by-hand.pt"),
        downloaded(cache, "replaced.pt", size=1),
        filled(cache / "notes.json"),
        filled(cache / LEFT),
    ]
    old = filled(cache / "features" / LEFT, days=1)
    assert clean(capsys) == (0, [f"{cache}: 1 temporary files, 1.0 kB", "freed 1.0 kB"])
    assert not old.exists()
    assert clean(capsys, "--cache")[0] == 0
    assert [path.exists() for path in gone] == [False] * 4
    assert [path.exists() for path in stays] == [True] * 4
    assert files(cache) == {"by-hand.pt", "replaced.pt", "replaced.pt.json", "notes.json", LEFT, ".in-use.lock"}


def test_only_what_was_not_used_for_long(cache, run, capsys):
    young, old = downloaded(cache, "young.pt", days=3), downloaded(cache, "old.pt", days=31)
    os.utime(cache / "young.pt.json")  # asked for again
    kept_young, kept_old = features(cache, 1, days=29), features(cache, 2, days=31)
    assert clean(capsys, "--cache", "--older-than", "30d", run, "--samples")[0] == 0
    assert [path.exists() for path in (young, kept_young, old, kept_old)] == [True, True, False, False]
    assert (run / "samples/dit-mnist/ddim-50/latents/00000000.safetensors").exists()


def test_downloads_that_a_process_uses_stay(cache, capsys):
    path = downloaded(cache, "w.pt")
    user = subprocess.Popen(
        [sys.executable, "-c", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment() | {"DITBENCH_CACHE": str(cache)},
    )  # fmt: skip
    assert user.stdout.readline() == "has it\n"
    code, said = clean(capsys, "--cache")
    assert (code, len(said)) == (2, 1)
    assert "a process at work uses downloads there" in said[0]
    assert path.exists()
    user.communicate("")
    assert clean(capsys, "--cache")[0] == 0
    assert not path.exists()


MISTAKES = {
    "nowhere": "nowhere: expected the directory of a run",
    "--samples": "--samples is for the directories of runs",
    "--older-than": "expected one argument",
    "--older-than 30": "must be a whole number with s, m, h, d or w, as 30d, got '30'",
    "--older-than -1d": "expected one argument",
    "--older-than=-1d": "got '-1d'",
    "--older-than ٣d": "got '٣d'",
    "--older-than 9999999d": "got '9999999d'",
    "--cach": "did you mean '--cache'?",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_bad_usage_is_one_line(capsys, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    code, said = clean(capsys, *words.split())
    assert (code, len(said)) == (2, 1)
    assert MISTAKES[words] in said[0]
    assert files(tmp_path) == before


def test_no_cache_directory_is_nothing_to_do(cache, capsys):
    (cache / "features").rmdir()
    cache.rmdir()
    assert clean(capsys, "--cache") == (0, ["freed 0 bytes"])
    assert not cache.exists()


def test_features_that_are_read_count_as_used_and_new_ones_keep_the_limit(cache, monkeypatch):
    monkeypatch.setenv(kept.VARIABLE, "0.000003")
    sets = [features(cache, n, days=n + 1) for n in range(4)]
    kept.trim()
    assert [path.exists() for path in sets] == [True, True, True, False]
    monkeypatch.setenv(kept.VARIABLE, "none")
    with pytest.raises(InputError, match="gigabytes"):
        kept.trim()


def test_sizes_for_people():
    assert [size(n) for n in (0, 999, 1000, 1.5e9, 2e15)] == ["0 bytes", "999 bytes", "1.0 kB", "1.5 GB", "2000.0 TB"]
