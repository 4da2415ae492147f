"""The machine and the software that a result came from."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.host.places import REPOSITORY
from models.errors import InputError

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # x86's two, ARM's
ALLOCATORS = ("LD_PRELOAD", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


def environment(device: str = "cpu") -> dict[str, Any]:
    """Versions, processor, cores, commit and the present load, for a result's `environment`."""
    return {**_fixed(), **_numerics(), **_accelerator(device), "allocator": allocator(), "load": load()}


def load() -> float | None:
    """Runnable processes, averaged over a minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def whole_number(variable: str, default: int | None = None) -> int:
    """An environment variable that a launcher such as torchrun or srun sets. Raises InputError where it is no count."""
    text = os.environ.get(variable, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"{variable} must be a whole number, as torchrun and srun set it, got {text!r}")
    return int(text)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _fixed() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "cpu": _cpu(),
        "cpu_model": _cpu_model(),
        "cores": cores(),
        "memory_gb": _memory_gb(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "ditbench": version("ditbench"),
        "commit": commit(),
    }


def allocator() -> str:
    """The variables that change how memory is handed out, which can be worth 20 % of a CPU's time; or "default"."""
    given = sorted(name for name in os.environ if name.startswith("MALLOC_") or name in ALLOCATORS)
    return " ".join(f"{name}={os.environ[name]}" for name in given) or "default"


def _numerics() -> dict[str, Any]:
    """How torch multiplies and attends: the kernels that it may choose from."""
    import torch

    cuda = torch.backends.cuda
    known = bfloat16_instructions()
    kernels = {
        "flash": cuda.flash_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "cudnn": cuda.cudnn_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
    }
    return {
        "attention": ", ".join(name for name, allowed in kernels.items() if allowed),
        "float32_matmul": torch.get_float32_matmul_precision(),
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_instructions": None if known is None else ", ".join(known) or "none",
    }


def _accelerator(device: str) -> dict[str, Any]:
    if not device.startswith("cuda"):
        return {}
    import torch

    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "gpu_memory_gb": round(properties.total_memory / 1e9, 1),
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except Exception:  # not installed, or no driver
        return None


def version(package: str) -> str | None:
    """An installed distribution's version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _cpu_model() -> str | None:
    """Family, model and stepping, which a virtual machine's processor name hides; last digits follow them."""
    known = _cpuinfo()
    said = [f"{key.removeprefix('cpu ')} {known[key]}" for key in ("cpu family", "model", "stepping") if key in known]
    said += ["virtual machine"] if "hypervisor" in known.get("flags", "").split() else []
    return ", ".join(said) or None


def bfloat16_instructions() -> list[str] | None:
    """The processor's instructions for products in bfloat16; None where it does not say what it has."""
    known = _cpuinfo()
    flags = known.get("flags", known.get("Features", "")).split()
    return [name for name in BFLOAT16 if name in flags] if flags else None


def _cpuinfo() -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor; nothing where there is no such file."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError):
        return None


@cache
def commit() -> str | None:
    """The checkout's commit, with "+" where files other than results differ; None for an installed package."""
    root = REPOSITORY
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    return None if commit is None else commit[:12] + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
