"""What a suite needs of a machine, and whether it is there: one finding a check. Only references may be fetched."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import torch

import models
from bench import engines, plugins
from bench.cli.control_groups import memory_left, text_of
from bench.cli.machine_health import OK, PROC, SYS, TODO, WARNING, Finding
from bench.cost.dry_run import macs_of, without_plan
from bench.cost.suite_cost import FLOAT32, cost_of, scaled
from bench.engines import OURS
from bench.host.environment import cores
from bench.host.files import OutputError, expect_writable_folder
from bench.measure.samples.instruments import check_instruments
from bench.suite import file as suite
from bench.suite.cells import Cell, Settings
from bench.suite.weights import find_weights, has_quality
from models.errors import InputError
from models.fetch import cache_directory

SPARE = 2.0  # times the disk that samples need: results, logs and the images come on top
COPIES = 3  # of a network's weights that a worker may hold: the file's, its own, and what it keeps on the way
PROCESS = 0.6e9  # bytes of a worker before it has a network: Python, torch and what quality is judged with


def of_suite(
    name: str, out: str | None, device: str, weights: str | None, plugin_files: list[str] | None
) -> list[Finding]:
    """What a suite needs. Raises InputError where there is no such suite."""
    broken = plugins.load(plugins.files(plugin_files))
    chosen = suite.load(name, broken)
    settings = Settings(device=device, weights=weights)
    directory = Path(out if out is not None else Path("runs") / chosen.name)
    findings = [Finding(TODO, "plugin", reason) for reason in broken.values()]
    findings += broken_cells(chosen, set(broken.values()) | {"; ".join(broken.values())})
    cells = [cell for cell in chosen.cells if cell.broken is None]
    findings += [weights_of(model, cells, settings) for model in dict.fromkeys(cell.model for cell in cells)]
    for name in sorted({cell.engine for cell in cells} - {OURS}):
        findings += engine_of(name, [cell for cell in cells if cell.engine == name])
    if any(finding.state == TODO for finding in findings):  # references may be gigabytes: not before all else is there
        findings.append(Finding(WARNING, "references", "looked for once the above is there"))
    else:
        findings += references(cells, settings)
    return [*findings, *([memory(cells, device)] if cells else []), disk(directory, cells)]


def broken_cells(chosen: suite.Suite, said: Collection[str]) -> list[Finding]:
    """What cannot be built, one finding a reason that was not said yet."""
    reasons = Counter(cell.broken for cell in chosen.cells if cell.broken not in (None, *said))
    return [Finding(TODO, "cells", f"{why}; cells: {count}") for why, count in reasons.items()]


def weights_of(model: str, cells: Sequence[Cell], settings: Settings) -> Finding:
    """Whether a model's weights are here, or will be fetched."""
    spec, what = models.spec(model), f"weights of {model}"
    if str(settings.weights).split(":")[0] == "official" and spec.weights is None:
        known = [download.name for download in spec.official.downloads.values()] if spec.official else []
        here = [name for name in known if name and (cache_directory() / name).is_file()]
        said = f"{here[0]} in {cache_directory()}" if here else f"will be fetched into {cache_directory()} first"
        return Finding(OK if here else WARNING, what, said)
    try:
        find_weights([cell for cell in cells if cell.model == model], settings)
    except InputError as error:
        return Finding(TODO, what, str(error))
    return Finding(OK, what, settings.weights or "shipped")


def engine_of(name: str, cells: Sequence[Cell]) -> list[Finding]:
    """Whether an engine's packages are here, of the tested versions, and whether it takes its cells, one a reason."""
    reason = engines.find(name).lacks()
    if reason is not None:
        return [Finding(WARNING, f"engine {name}", f"{reason}; its cells will be unsupported")]
    refused = Counter(filter(None, map(without_plan, cells)))
    return [
        Finding(OK, f"engine {name}", "its packages are here, of the tested versions"),
        *(Finding(WARNING, f"engine {name}", f"{why}; cells: {count}") for why, count in refused.items()),
    ]


def references(cells: Sequence[Cell], settings: Settings) -> list[Finding]:
    """Whether distribution metrics can be had: extractor and reference set."""
    sampled = [cell for cell in cells if cell.protocol.samples]
    if not has_quality(settings) or not sampled:
        return [Finding(OK, "references", "none is needed: speed alone")]
    try:
        missing = check_instruments(sampled, settings)
    except InputError as error:
        return [Finding(TODO, "references", str(error))]
    if not missing:
        return [Finding(OK, "references", "extractor and reference set are here")]
    return [Finding(WARNING, f"references of {model}", reason) for model, reason in missing.items()]


def memory(cells: Sequence[Cell], device: str = "cpu") -> Finding:
    """Memory for as many workers as `run` starts by itself, of the largest network; on a GPU, the GPU's for one."""
    bytes_of = {cell.model: parameters(cell.model) * FLOAT32 for cell in cells}
    largest = max(bytes_of, key=lambda model: bytes_of[model])
    each, workers = COPIES * bytes_of[largest] + PROCESS, cores() if device == "cpu" else 1
    free = available_memory()
    said = f"{scaled(free)}B free; a worker needs about {scaled(each)}B for {largest}"
    if device != "cpu" and (room := torch.cuda.mem_get_info(device)[0]) < 2 * bytes_of[largest]:
        return Finding(
            TODO, "memory", f"{scaled(room)}B free on {device}, {largest} needs {scaled(2 * bytes_of[largest])}B"
        )
    if free < each:
        return Finding(TODO, "memory", f"{said}: free some, or choose a smaller model with --only")
    if free < workers * each:
        return Finding(WARNING, "memory", f"{said}: give --jobs {int(free // each)} instead of {workers} side by side")
    return Finding(OK, "memory", said)


def available_memory() -> float:
    """Bytes that new processes can have: what the system has left, or a container's limit."""
    known = [line.split() for line in text_of(PROC / "meminfo").splitlines() if line.startswith("MemAvailable")]
    left = [*(float(words[1]) * 1024 for words in known), *memory_left(PROC, SYS)]
    return min(left) if left else float("inf")


def parameters(model: str) -> int:
    """How many numbers a network has; nothing is allocated."""
    spec = models.spec(model)
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in spec.architecture(**spec.config).parameters())


def disk(directory: Path, cells: Sequence[Cell]) -> Finding:
    """Room for latents and features, where the results go."""
    needed = cost_of([(cell, macs_of(cell)) for cell in cells]).disk_bytes
    place = next(path for path in (directory.resolve(), *directory.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    said = f"{scaled(free)}B free at {place}, samples need {scaled(needed)}B"
    try:
        expect_writable_folder(directory)
    except OutputError as error:
        return Finding(TODO, "disk", f"{error}; choose another --out")
    return Finding(
        OK if free > SPARE * needed else TODO, "disk", said if free > SPARE * needed else f"{said}: make room"
    )
