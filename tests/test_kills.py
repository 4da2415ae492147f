"""What the benchmark of kills calls a fault: a checker that finds nothing would find nothing, whatever happened."""

from __future__ import annotations

import json
import random
from pathlib import Path

from bench.benchmarks.killed_chain import Chain, Kill
from bench.benchmarks.same_results import deterministic, differences
from bench.schema.checksum import sealed


def write_cell(out: Path, name: str, **fields: object) -> None:
    path = out / "cells" / "tiny" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sealed({"status": "ok", "finished": "1", "quality": {"psnr": 3.0}, **fields})))


def write_shard(out: Path, content: bytes) -> Path:
    path = out / "samples" / "tiny" / "00000000.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def test_results_differ_by_numbers_and_bytes_and_not_by_times(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for out in (first, second):
        write_cell(out, "x", seconds=len(out.name), timing={"wall": str(out)})
        write_shard(out, b"same")
    write_cell(second, "x", seconds=9, timing=None)
    assert differences(deterministic(first), deterministic(second)) == []
    write_cell(second, "x", quality={"psnr": 3.0000001})
    write_cell(second, "y")
    write_shard(second, b"other")
    found = differences(deterministic(first), deterministic(second))
    assert found[0] == "samples/tiny/00000000.safetensors"
    assert {"tiny/x: quality", "tiny/y: status"} <= {*found}


def test_what_is_made_twice_is_a_fault_but_not_a_cell_whose_own_process_was_killed(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "out", ["run", "tiny.toml"], "local:2")
    for name in ("x", "y"):
        write_cell(chain.out, name)
    write_shard(chain.out, b"samples")
    chain.remember()
    write_cell(chain.out, "x", status="oom")
    chain.remember()
    write_cell(chain.out, "x", finished="2")
    chain.remember()
    assert (chain.faults, chain.killed) == ([], {"tiny/x"})
    write_cell(chain.out, "y", finished="2")
    chain.remember()
    path = write_shard(chain.out, b"samples")
    path.touch()
    chain.remember()
    assert len(chain.faults) == 2
    assert "made twice or gone: ['tiny/y']" in chain.faults[0]
    assert str(path) in chain.faults[1]


def test_rounds_that_are_timed_again_are_a_fault(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "out", ["run", "tiny.toml"], "local:2")
    session = chain.out / "sessions" / "tiny.json"
    session.parent.mkdir(parents=True)
    for rounds in ([1], [1, 2], [3, 2]):
        session.write_text(json.dumps({"rounds": rounds}))
        chain.remember()
    assert len(chain.faults) == 1


def test_kills_are_drawn_anew_and_the_same_for_one_seed() -> None:
    draws = [[Kill.drawn(draw, 10.0) for _ in range(50)] for draw in (random.Random(1), random.Random(1))]
    assert draws[0] == draws[1]
    assert {kill.victim for kill in draws[0]} == {"driver", "worker", "group", "both"}
    assert all(0 <= kill.after <= 10 for kill in draws[0])
