"""What a store of thousands of cells costs: finding what is left, report, compare, gate, check-results and site.

`nice python -m bench.benchmarks.stores [CELLS,…] [OUT] [--old CHECKOUT]` writes results/benchmarks/stores.json. The
cells are synthetic (bench/benchmarks/synthetic_store.py), on one pool a model or, `alone`, on one pool altogether.
Every command runs in a process of its own; its processor seconds and its largest memory are the kernel's. With --old
the report of an older checkout is measured beside ours, on the same files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.benchmarks.synthetic_store import SOURCE, write_store
from bench.host.files import write_bytes, write_json
from bench.store.results import read_results, read_whole

OUT = Path("results/benchmarks/stores.json")
SIZES = (500, 1000, 2000, 10000)
ROOT = Path(__file__).resolve().parents[2]
LEFT = """
name = "left"
[[cells]]
models = "dit-mnist"
sampler = {{ name = "ddim", steps = {steps}, eta = {etas} }}
"""


def measured(words: list[str], checkout: Path = ROOT) -> dict[str, Any]:
    """Processor seconds and largest memory (MB of 10^6 bytes) of a command of ours; what it says is thrown away."""
    command = [sys.executable, "-m", "bench", *words]
    where = {"cwd": checkout, "env": os.environ | {"PYTHONPATH": str(checkout), "DITBENCH_TREE": str(checkout)}}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **where)  # type: ignore[call-overload]
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{' '.join(words)}: exit code {code}: {said[-300:]}")
    found = {"seconds": round(used.ru_utime + used.ru_stime, 2), "memory_mb": round(used.ru_maxrss * 1.024e-3)}
    print(f"{words[0]}: {found}", file=sys.stderr, flush=True)
    return found


def of_size(count: int, folder: Path, old: Path | None) -> dict[str, Any]:
    """Every command on a store of `count` cells; the store is removed."""
    store = write_store(folder / str(count), count)
    pages = folder / "site"
    found: dict[str, Any] = {"cells": count, "left": left(count, folder / f"left-{count}")}
    found["report"] = measured(["report", str(store)])
    found["report_html_mb"] = round((store / "report.html").stat().st_size / 1e6, 2)
    found["compare"] = measured(["compare", str(store), str(store)])
    found["gate"] = measured(["gate", str(store), str(store)])
    found["check_results"] = measured(["check-results", str(store)])
    found["site"] = measured(["site", str(store), "--out", str(pages)])
    shutil.rmtree(pages)
    if old is not None:
        found |= beside_old(store, old)
        found["alone"] = beside_old(write_store(folder / f"{count}-alone", count, one_model(folder)), old)
    shutil.rmtree(store)
    return found


def beside_old(store: Path, old: Path) -> dict[str, Any]:
    """The report by us and by an older checkout, one after the other on the same files."""
    ours, theirs = (measured(["report", str(store)], checkout) for checkout in (ROOT, old))
    return {"report_now": ours, "report_old": theirs, "times_as_fast": round(theirs["seconds"] / ours["seconds"], 1)}


def one_model(folder: Path) -> Path:
    """The source's first model alone."""
    alone = folder / "one-model"
    if not alone.exists():
        model = read_results(SOURCE).models[0]
        shutil.copytree(SOURCE / "cells" / model, alone / "cells" / model)
        shutil.copy(SOURCE / "suite.json", alone)
    return alone


def left(count: int, folder: Path) -> dict[str, Any]:
    """What `ditbench run` takes until it says what is left, in a directory where everything is done."""
    steps, etas = count // 100, [round(0.01 * i, 2) for i in range(100)]
    file = folder / "left.toml"
    write_bytes(file, LEFT.format(steps=list(range(1, steps + 1)), etas=etas).encode())
    subprocess.run([sys.executable, "-m", "bench.benchmarks.stores", "--done", str(file)], check=True, cwd=ROOT)
    words, said = ["run", str(file), "--out", str(folder / "out")], f"{count} done, 0 to run"
    return {"nothing_remembered": until_said(words, said), "as_a_run_leaves_it": until_said(words, said)}


def write_done(file: Path) -> None:
    """A run of this suite beside its file in which every cell is done. In a process of its own: it loads torch."""
    from bench.store.directory import describe
    from bench.suite.cells import Settings
    from bench.suite.file import load

    document = next(dict(cell.document) for cell in read_whole(SOURCE).cells if cell.slug == "ddim-50")
    suite, out = load(str(file)), file.parent / "out"
    for cell in suite.cells:
        done = {**document, **cell.summary(), "key": cell.key(Settings())}
        write_bytes(out / "cells" / cell.model / f"{cell.slug}.json", json.dumps(done, indent=1).encode())
    write_json(out / "suite.json", describe(suite, Settings()))


def until_said(words: list[str], said: str) -> dict[str, Any]:
    """Processor and wall seconds until a command of ours has written a line with `said`; then it is ended."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "bench", *words], stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if said in line:
            ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            wall = time.monotonic() - started
            process.kill()
            process.wait()
            found = {"seconds": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), "wall_seconds": round(wall, 2)}
            print(f"left: {found}", file=sys.stderr, flush=True)
            return found
    raise RuntimeError(f"{' '.join(words)}: it never said {said!r}")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--done"]:
        return write_done(Path(arguments[1]))
    old = Path(arguments.pop(arguments.index("--old") + 1)).resolve() if "--old" in arguments else None
    words = [word for word in arguments if word != "--old"]
    sizes = [int(size) for size in words[0].split(",")] if words else SIZES
    with tempfile.TemporaryDirectory() as folder:
        found = [of_size(count, Path(folder), old if count <= 2000 else None) for count in sizes]
    from bench.host.environment import environment  # loads torch, whose memory every command would seem to have

    result = {"benchmark": "stores", "sizes": found, "old": "9f1dfe3" if old else None, "environment": environment()}
    write_json(Path(words[1]) if words[1:] else OUT, result)


if __name__ == "__main__":
    main(sys.argv[1:])
