"""What a long run needs of a machine, and whether it is there: one finding a check, none of which starts or fetches."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import models
from bench import engines, plugins
from bench.cost.dry_run import macs_of, without_plan
from bench.cost.suite_cost import cost_of, scaled
from bench.engines import OURS
from bench.host.environment import cores, load, version
from bench.host.files import OutputError, expect_writable_folder
from bench.measure.samples.instruments import check_instruments
from bench.measure.timing.telemetry import find
from bench.suite import file as suite
from bench.suite.cells import Cell, Settings
from bench.suite.weights import find_weights, has_quality
from models.errors import InputError
from models.fetch import cache_directory

OK, WARNING, TODO = "ok", "warning", "todo"
OLDEST_TORCH, TESTED_TORCH = (2, 6), (2, 14)
BUSY = 0.25  # of the cores: above, others are at work and times say so
SPARE = 2.0  # times the disk that samples need: results, logs and the images come on top


@dataclass(frozen=True)
class Finding:
    """`state` is ok, warning, or todo: what must be done before the run."""

    state: str
    what: str
    said: str


def of_machine(device: str) -> list[Finding]:
    """Versions, device, other work."""
    findings = [versions(), other_work()]
    return findings + ([gpu(device)] if device != "cpu" else [Finding(OK, "device", f"cpu, {cores()} cores")])


def versions() -> Finding:
    """Versions that the tests are run with are known to be good."""
    said = f"Python {platform.python_version()}, torch {version('torch')}, numpy {version('numpy')}"
    release = tuple(int(word) for word in torch.__version__.split("+")[0].split(".")[:2])
    if release < OLDEST_TORCH:
        return Finding(TODO, "versions", f"{said}: install torch 2.6 or later")
    if release > TESTED_TORCH:
        return Finding(WARNING, "versions", f"{said}: torch is newer than the tests' 2.14")
    return Finding(OK, "versions", said)


def other_work() -> Finding:
    """Whether somebody else computes here, by the load of the last minute."""
    now, limit = load(), BUSY * cores()
    if now is None:
        return Finding(WARNING, "other work", "the system does not say its load")
    if now > limit:
        return Finding(
            WARNING, "other work", f"load {now:g} on {cores()} cores: times will be wide; wait for an idle machine"
        )
    return Finding(OK, "other work", f"load {now:g} on {cores()} cores")


def gpu(device: str) -> Finding:
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    said = f"{properties.name}, {scaled(free)}B of {scaled(total)}B free"
    card = find(device)
    if card is None:
        return Finding(WARNING, "device", f"{said}; clocks and others unknown: pip install 'ditbench[gpu]'")
    others = card.others()
    if others:
        return Finding(WARNING, "device", f"{said}; {others} other processes on it: their work is in the times")
    now = card.read()
    return Finding(OK, "device", f"{said}; nobody else; {now.sm_mhz} MHz, {now.temperature_c} °C")


def of_suite(
    name: str, out: str | None, device: str, weights: str | None, plugin_files: list[str] | None
) -> list[Finding]:
    """What a suite needs. Raises InputError where there is no such suite."""
    broken = plugins.load(plugins.files(plugin_files))
    chosen = suite.load(name, broken)
    settings = Settings(device=device, weights=weights)
    directory = Path(out if out is not None else Path("runs") / chosen.name)
    findings = [Finding(TODO, "plugin", reason) for reason in broken.values()]
    cells = [cell for cell in chosen.cells if cell.broken is None]
    findings += [weights_of(model, cells, settings) for model in dict.fromkeys(cell.model for cell in cells)]
    for name in sorted({cell.engine for cell in cells} - {OURS}):
        findings += engine_of(name, [cell for cell in cells if cell.engine == name])
    if any(finding.state == TODO for finding in findings):
        return [*findings, disk(directory, cells)]  # without weights nothing more can be said of models
    return [*findings, *references(cells, settings), memory(cells), disk(directory, cells)]


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


def memory(cells: Sequence[Cell]) -> Finding:
    """Main memory beside the largest network's weights, for one worker; a worker needs several times that."""
    bytes_of = {cell.model: parameters(cell.model) * 4 for cell in cells}
    largest = max(bytes_of, key=lambda model: bytes_of[model])
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    said = f"{scaled(free)}B free; a worker needs at least {scaled(bytes_of[largest])}B for {largest}"
    return Finding(OK if free > 3 * bytes_of[largest] else WARNING, "memory", said)


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
