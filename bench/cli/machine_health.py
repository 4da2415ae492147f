"""What a long run needs of the machine itself: versions, processors or GPU, clocks, and that nobody else computes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from packaging.requirements import InvalidRequirement, Requirement

from bench.cli.control_groups import core_quotas
from bench.cost.suite_cost import scaled
from bench.host.environment import cores, environment, load, version
from bench.measure.timing.telemetry import REASONS, THERMAL, find

OK, WARNING, TODO = "ok", "warning", "todo"
OLDEST_TORCH, TESTED_TORCH = (2, 6), (2, 14)
BUSY = 0.25  # of the cores: above, others are at work and times say so
LOOK = 0.3  # seconds in which processes are watched
PROC, SYS = Path("/proc"), Path("/sys")


@dataclass(frozen=True)
class Finding:
    """`state` is ok, warning, or todo: what must be done before the run."""

    state: str
    what: str
    said: str


def of_machine(device: str) -> list[Finding]:
    """Versions, other work, device, clocks."""
    here = [cpu()] if device == "cpu" else [gpu(device)]
    known = device == "cpu" or here[0].state != TODO
    return [versions(), packages(), other_work(), *here, *([clocks(device)] if known else [])]


def versions() -> Finding:
    """Versions that the tests are run with are known to be good."""
    said = f"Python {platform.python_version()}, torch {version('torch')}, numpy {version('numpy')}"
    release = tuple(int(word) for word in torch.__version__.split("+")[0].split(".")[:2])
    if release < OLDEST_TORCH:
        return Finding(TODO, "versions", f"{said}: install torch 2.6 or later")
    if release > TESTED_TORCH:
        return Finding(WARNING, "versions", f"{said}: torch is newer than the tests' 2.14")
    return Finding(OK, "versions", said)


def packages() -> Finding:
    """Whether what we depend on is there in a version that we take, and torchvision one that fits torch."""
    wrong = [f"{need} (found {version(need.name) or 'none'})" for need in needs() if not is_met(need)]
    if wrong:
        return Finding(TODO, "packages", f"pip install {', '.join(wrong)}")
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # a build for another torch fails in ways of its own
        fault = f"torchvision {version('torchvision')} does not fit torch {version('torch')} ({type(error).__name__})"
        return Finding(TODO, "packages", f"{fault}: install both from one index")
    return Finding(OK, "packages", "all that is needed is here, in versions that are taken")


def needs() -> Iterator[Requirement]:
    """The requirements of the installed distribution, without extras; none where it is not installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for line in importlib.metadata.requires("ditbench") or ():
            with contextlib.suppress(InvalidRequirement):
                need = Requirement(line)
                if need.marker is None or need.marker.evaluate({"extra": ""}):
                    yield need


def is_met(need: Requirement) -> bool:
    found = version(need.name)
    return found is not None and need.specifier.contains(found, prereleases=True)


def other_work() -> Finding:
    """Whether somebody else computes here, by the load of the last minute and by a look at the processes."""
    now, limit, busy = load(), BUSY * cores(), processes_at_work()
    names = ", ".join(f"{name} ({share:.0%} of a core)" for name, share in busy[:3])
    if now is None:
        return Finding(WARNING, "other work", "the system does not say its load")
    if now > limit or sum(share for _, share in busy) > limit:
        who = f", at work now: {names}" if names else ""
        said = f"load {now:g} on {cores()} cores{who}: times will be wide; wait for an idle machine"
        return Finding(WARNING, "other work", said)
    return Finding(OK, "other work", f"load {now:g} on {cores()} cores" + (f"; at work now: {names}" if names else ""))


def processes_at_work(seconds: float = LOOK, least: float = 0.1) -> list[tuple[str, float]]:
    """(name and number, share of a core) of other processes at work, the busiest first; Linux alone tells."""
    before = ticks_of_processes()
    if not before:
        return []
    time.sleep(seconds)
    after, tick = ticks_of_processes(), os.sysconf("SC_CLK_TCK")
    shares = [
        (f"{name} {pid}", (spent - before[pid][1]) / tick / seconds)
        for pid, (name, spent) in after.items()
        if pid in before
    ]
    return sorted(((name, share) for name, share in shares if share >= least), key=lambda one: -one[1])


def ticks_of_processes() -> dict[str, tuple[str, int]]:
    """Of every process but this one by its number: its name, and the processor time that it has had, in ticks."""
    found = {}
    for place in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
            name, _, rest = (place / "stat").read_text().partition("(")[2].rpartition(")")
            user, system = rest.split()[11:13]
            found[place.name] = (name, int(user) + int(system))
    found.pop(str(os.getpid()), None)
    return found


def cpu() -> Finding:
    """The cores, and whether the system lets us use all of them."""
    said = f"cpu, {cores()} cores"
    allowed = core_quota()
    if allowed is not None and allowed < cores():
        return Finding(
            WARNING, "device", f"{said}, of which a quota allows {allowed:g}: give --jobs, or times will jump"
        )
    count = torch.cuda.device_count()
    return Finding(OK, "device", said + (f"; {count} GPUs are here too: --device cuda" if count else ""))


def core_quota() -> float | None:
    """Cores that the least quota of a container or job amounts to; None where there is none."""
    return min(core_quotas(PROC, SYS), default=None)


def gpu(device: str) -> Finding:
    """The GPU with its driver and memory, and who else uses it; what to do where there is none."""
    count = torch.cuda.device_count()
    if (torch.device(device).index or 0) >= count:
        return Finding(TODO, "device", f"{device}: torch finds {count} CUDA devices here{absent_because(count)}")
    properties, known = torch.cuda.get_device_properties(device), environment(device)
    free, total = torch.cuda.mem_get_info(device)
    said = f"{properties.name}, driver {known.get('driver') or 'unknown'}, CUDA {known.get('cuda')}"
    said += f", {scaled(free)}B of {scaled(total)}B free"
    card = find(device)
    if card is None:
        return Finding(WARNING, "device", f"{said}; clocks and others unknown: pip install 'ditbench[gpu]'")
    others = card.others()
    if others:
        return Finding(WARNING, "device", f"{said}; {others} other processes on it: their work is in the times")
    return Finding(OK, "device", f"{said}; nobody else")


def absent_because(count: int) -> str:
    """Why torch finds no GPU, as far as it can be told."""
    if count:
        return ""
    if torch.version.cuda is None:
        return ": this torch is built without CUDA; install a build with it"
    if not [*Path("/dev").glob("nvidia[0-9]*")]:
        return ": the system has no NVIDIA GPU, or its driver is not loaded"
    return f": the driver is there; does it know CUDA {torch.version.cuda}, and is CUDA_VISIBLE_DEVICES right?"


def clocks(device: str) -> Finding:
    """Whether clocks are held down, now or by a setting."""
    return cpu_clocks() if device == "cpu" else gpu_clocks(device)


def cpu_clocks() -> Finding:
    """Governor and throttling of the processor's cores, where the system tells."""
    places = SYS / "devices/system/cpu"
    governors = set(read_all(places, "cpu[0-9]*/cpufreq/scaling_governor"))
    throttled = sum(int(word) for word in read_all(places, "cpu[0-9]*/thermal_throttle/core_throttle_count"))
    if throttled:
        return Finding(
            WARNING, "clocks", f"the cores were throttled {throttled} times since the machine started: cool it"
        )
    if governors & {"powersave", "ondemand", "conservative"}:
        said = (
            f"governor {', '.join(sorted(governors))}: clocks change; 'cpupower frequency-set -g performance' as root"
        )
        return Finding(WARNING, "clocks", said)
    return Finding(
        OK, "clocks", f"governor {', '.join(sorted(governors))}" if governors else "the system does not tell"
    )


def read_all(place: Path, pattern: str) -> list[str]:
    """The first words of those files that can be read."""
    words = []
    for file in place.glob(pattern):
        with contextlib.suppress(OSError):
            words += file.read_text().split()[:1]
    return words


def gpu_clocks(device: str) -> Finding:
    """What NVML says of clocks, temperature and of why they are held down."""
    card = find(device)
    if card is None:
        return Finding(WARNING, "clocks", "unknown: pip install 'ditbench[gpu]'")
    now = card.read()
    held = [name for bit, name in REASONS.items() if now.reasons & bit and name != "idle"]
    said = f"{now.sm_mhz} MHz, {now.temperature_c} °C" + (f", held by: {', '.join(held)}" if held else "")
    if now.reasons & THERMAL:
        return Finding(WARNING, "clocks", f"{said}; it is throttled: cool it, or times will drift")
    return Finding(OK, "clocks", said)
