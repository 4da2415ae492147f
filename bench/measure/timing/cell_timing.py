"""The `timing` of a cell: its contenders in one process, between two measurements of what the machine can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

import models
from bench.measure.memory import available_bytes, is_guided, is_out_of_memory, value_bytes
from bench.measure.timing import ceilings, speed, telemetry
from bench.measure.timing.affinity import pinned
from bench.measure.timing.batch_search import TooLarge, largest_batch, release
from bench.measure.timing.contenders import Contender, inputs, trajectory
from bench.measure.timing.rounds import BASELINE, METHOD, REFERENCE, Budget, measure_pair
from bench.measure.timing.stopwatch import stopwatch
from bench.sampling.executor import Executor
from bench.statistics.medians import median_interval
from bench.suite.weights import has_quality
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.measure.task import Task

ALL = (METHOD, BASELINE, REFERENCE)
MIN_ROUNDS = 5  # however slow a trajectory is; a suite may ask for fewer
CEILING_SHARE = 0.05  # of the protocol's seconds, for each of the machine's two rates
CEILING_SECONDS = 1.0  # but no more
ENERGY_SECONDS = 10.0  # least window of the energy counter
DECODE_LAPS = 3
MEMORY_SHARE = 0.8  # of what is available on a CPU, for the largest batch
TOKENS_ALIVE = 16  # tensors of tokens that a block needs at once, hidden MLP values and q, k, v included


class CellTimer:
    """Times a cell. `work` are the MACs of one image: `macs`, `macs_baseline`, `macs_ratio`."""

    def __init__(self, task: Task, model: Denoiser, contenders: dict[str, Contender], work: dict[str, Any]) -> None:
        self.task, self.model, self.contenders, self.work = task, model, contenders, work
        self.rules, self.settings = task.cell.protocol.timing, task.settings
        self.watch = stopwatch(self.settings.device)
        self.gpu = telemetry.find(self.settings.device)
        self.guided = is_guided(task)

    def measure(self, phase: Callable[[str], None]) -> dict[str, Any]:
        """The cell's `timing` (docs/results-schema.md). Batches beyond the first may fail; the cell does not."""
        with pinned(self.settings.threads, self.settings.device) as cores:
            before, copy = self.gemm(), self.copy()
            phase(f"timing batch {self.rules.batch}")
            headline = self.at(self.rules.batch)
            apart = {"energy_j": self.energy(), "decode_ms": self.decode()}
            more = [self.tried(batch, phase) for batch in self.rules.more_batches]
            largest = self.largest(phase) if self.rules.largest else None
            after = self.gemm()
        rates = {**before, **copy, "gemm_before": before["gemm_macs_per_s"], "gemm_after": after["gemm_macs_per_s"]}
        rates["gemm_macs_per_s"] = max(rates["gemm_before"], rates["gemm_after"])
        timing = self.complete(headline, rates) | {"cores": cores, "ceilings": rates, **apart}
        timing["batches"] = [self.complete(entry, rates) for entry in more]
        timing["largest"] = None if largest is None else self.complete(largest, rates)
        return timing

    def at(self, batch: int, names: tuple[str, ...] = ALL) -> dict[str, Any]:
        """Raw times of the contenders at one batch."""
        release()  # what the ceilings and earlier batches held
        calls = {
            name: trajectory(self.task, self.model, contender, batch)
            for name, contender in self.contenders.items()
            if name in names
        }
        fewest = min(MIN_ROUNDS, self.rules.rounds)
        with telemetry.recording(self.gpu) as recorder:
            timing = measure_pair(
                calls[METHOD],
                calls.get(BASELINE),
                reference=calls.get(REFERENCE),
                budget=Budget(fewest, self.rules.rounds, self.rules.seconds),
                device=self.settings.device,
                threads=self.settings.threads,
                recorder=recorder,
            )
        return {"batch": batch, **timing, "others": 0 if self.gpu is None else self.gpu.others()}

    def tried(self, batch: int, phase: Callable[[str], None], names: tuple[str, ...] = ALL) -> dict[str, Any]:
        """`at`, or why there is none: a batch that does not fit is a recorded result."""
        phase(f"timing batch {batch}")
        try:
            return self.at(batch, names)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return {"batch": batch, "reason": "out of memory"}

    def largest(self, phase: Callable[[str], None]) -> dict[str, Any]:
        """The method alone at the largest batch whose trajectory fits into memory and into the protocol's seconds."""
        phase("searching the largest batch")
        found = largest_batch(self.run_once)
        if not found.batch:
            return {"batch": 0, "reason": f"not even one image fits: {found.limit}"}
        return self.tried(found.batch, phase, names=(METHOD,)) | {"limit": found.limit}

    def run_once(self, batch: int) -> None:
        """Raises TooLarge, or an out-of-memory error, where a batch does not fit."""
        if self.settings.device == "cpu" and self.predicted_bytes(batch) > MEMORY_SHARE * (available_bytes() or 0):
            raise TooLarge("memory")
        lap = self.watch.time(trajectory(self.task, self.model, self.contenders[METHOD], batch))
        if lap.wall_ns > self.rules.seconds * 1e9:
            raise TooLarge("seconds")

    def predicted_bytes(self, batch: int) -> int:
        """What a trajectory adds to the weights: the plan's cache and one block's activations."""
        tokens, width = self.model.token_shape()
        size = value_bytes(self.model)
        alive = TOKENS_ALIVE * batch * (2 if self.guided else 1) * tokens * width * size
        return alive + Executor(self.model, self.contenders[METHOD].plan).cache_bytes(batch, self.guided, size)

    def gemm(self) -> dict[str, Any]:
        dtype = getattr(torch, self.settings.dtype)
        return ceilings.gemm_rate(self.watch, self.settings.device, dtype, self._ceiling_seconds())

    def copy(self) -> dict[str, Any]:
        return ceilings.copy_rate(self.watch, self.settings.device, self._ceiling_seconds())

    def _ceiling_seconds(self) -> float:
        return min(CEILING_SECONDS, CEILING_SHARE * self.rules.seconds)

    def energy(self) -> float | None:
        """Joules for one image of the headline batch; None where the GPU does not count them."""
        if self.gpu is None:
            return None
        call = trajectory(self.task, self.model, self.contenders[METHOD], self.rules.batch)
        self.watch.time(call)  # compiles and captures
        try:
            joules = telemetry.joules_per_call(self.gpu, lambda: self.watch.time(call), ENERGY_SECONDS)
        except self.gpu.nvml.NVMLError:
            return None
        return joules / self.rules.batch

    def decode(self) -> dict[str, float] | None:
        """Milliseconds in which the headline's latents become images; None where the run makes no images."""
        spec, device = models.spec(self.task.cell.model), self.settings.device
        if spec.autoencoder is None or not (self.task.cell.protocol.samples and has_quality(self.settings)):
            return None
        autoencoder, latents = spec.pixels(device), inputs(self.task, self.model, self.rules.batch)[0].float()
        laps = [self.watch.time(lambda: autoencoder.decode(latents)).wall_ns for _ in range(1 + DECODE_LAPS)]
        return median_interval([ns / 1e6 for ns in laps[1:]])

    def complete(self, timing: dict[str, Any], rates: dict[str, Any]) -> dict[str, Any]:
        """Raw times with what follows from them; a batch without times stays as it is."""
        if "rounds" not in timing:
            return timing
        others = timing.pop("others")
        method = self.contenders[METHOD]
        return {
            **timing,
            **speed.derived(timing, self.work, len(method.plan), rates),
            "speedup_ideal": None if timing["speedup"] is None else 1 / self.work["macs_ratio"],
            "roofline": speed.roofline(self.model, method, timing, self.work, self.guided, rates),
            "telemetry": speed.telemetry(timing["rounds"]),
            "warnings": speed.warnings(timing, rates, others),
        }
