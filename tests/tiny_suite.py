"""A tiny model, methods that misbehave, and suites made of them, as files for the command line's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import warm_command

from bench.benchmarks.tiny_run import MODEL

ROOT = Path(__file__).resolve().parent.parent

METHODS = '''
class Misbehave(Half):
    """Fails in the way that `how` says."""
    name = "misbehave"
    parameters = {"how": Parameter(str, required=True), "seconds": Parameter(float, default=60.0)}
    def supports(self, model, sampler):
        return "misbehave: not on this model" if self.how == "unsupported" else None
    def plan(self, model, sampler):
        if self.how == "raise":
            raise RuntimeError("a deliberate\\nfailure")
        if self.how == "exit":
            raise SystemExit(3)
        if self.how == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.how == "memory":
            raise MemoryError("no more")
        if self.how == "print":
            print("noise on stdout")
        if self.how == "sleep":
            time.sleep(self.seconds)
        return super().plan(model, sampler)
'''
PLUGIN = MODEL + METHODS

SUITE = """
name = "{name}"
title = "Tiny"
reference = {{ name = "ddim", steps = 4 }}
[protocol]
samples = 32
sampling_batch = 16
timeout = {timeout}
[protocol.timing]
batch = 2
rounds = 3
seconds = 0.01
[[cells]]
models = "tiny"
sampler = {{ name = "ddim", steps = [4, 3] }}
{cells}
"""


def write_plugin(folder: Path) -> Path:
    path = folder / "tiny_plugin.py"
    path.write_text(PLUGIN)
    return path


def write_suite(folder: Path, cells: str = "", name: str = "tiny", timeout: float = 60) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(SUITE.format(name=name, cells=cells, timeout=timeout))
    return path


def cached(cache: str, steps: str = "4") -> str:
    """A [[cells]] table of the tiny model with a cache method."""
    return f'[[cells]]\nmodels = "tiny"\nsampler = {{ name = "ddim", steps = {steps} }}\ncache = {cache}\n'


def ditbench(*arguments: object, cwd: Path | None = None, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, without the seconds of its imports."""
    return warm_command.run(list(map(str, arguments)), cwd, timeout, environment())


def freshly(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """The command line as a person starts it, with a fork server of its own."""
    words, settings = command(*arguments), environment()
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, env=settings, check=False)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "bench", *map(str, arguments)]


def environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DITBENCH_")}
    return clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
