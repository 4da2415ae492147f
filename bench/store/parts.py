"""The parts of a stored result as typed objects: what the JSON calls them, null and absent alike as None or empty."""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any, TypeVar

from bench.schema.warnings import Warned
from bench.statistics.interval import Z95
from bench.statistics.paired_times import Spread

T = TypeVar("T")
Table = Mapping[str, Any]


def part(kind: type[T], table: Table | None, **read: Any) -> T:
    """`kind` from a JSON object: those of its fields that are there, and those in `read` as they are given."""
    table = table or {}
    names: tuple[str, ...] = names_of(kind)  # type: ignore[arg-type]
    stated = {name: value for name in names if (value := table.get(name)) is not None}
    return kind(**(stated | read))


@cache
def names_of(kind: Hashable) -> tuple[str, ...]:
    """The names of a dataclass's fields."""
    return tuple(f.name for f in fields(kind))  # type: ignore[arg-type]


@dataclass(frozen=True)
class MedianInterval:
    """A median over rounds with the ends of its 95 % interval; all positive."""

    median: float
    low: float
    high: float

    @property
    def log_error(self) -> float:
        """Standard error on the log scale that the interval stands for."""
        return math.log(self.high / self.low) / (2 * Z95)

    @property
    def ends(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high


@dataclass(frozen=True)
class Sampler:
    """`params` are all of them, `steps` among them."""

    name: str
    steps: int | None = None
    params: Table = field(default_factory=dict)

    @cached_property
    def family(self) -> tuple[Any, ...]:
        """The sampler apart from its number of steps: what a fewer-steps curve holds fixed."""
        return (self.name, *sorted((k, str(v)) for k, v in self.params.items() if k != "steps"))


@dataclass(frozen=True, slots=True)
class CacheMethod:
    """`params` are all of them, defaults included."""

    name: str
    params: Table = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Code:
    """Hashes of the code that measured (bench/store/code_hash.py)."""

    method: str | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """`rows`: one string an evaluation, one mark a branch (bench/schema/plan_rows.py)."""

    nfe: int | None = None
    branches: int | None = None
    rows: Sequence[str] = ()
    branches_computed: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """MACs of one image, guidance included; bytes kept at once for one image."""

    macs: float | None = None
    macs_baseline: float | None = None
    macs_ratio: float | None = None
    cache_bytes: float | None = None
    macs_conventions: Table = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """MB of 10^6 bytes at the timed batch."""

    peak_mb: float | None = None
    weights_mb: float | None = None
    cache_mb: float | None = None
    cache_measured_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Rounds:
    """Raw rounds as columns, since a store has hundreds of thousands of them.

    `ns`: nanoseconds [rounds] of each call, by its name (bench/schema/timing.py); 0 where a round has no such time.
    `processes`: which of the session's processes made a round.
    """

    ns: Mapping[str, array[float]] = field(default_factory=dict)
    interfered: Sequence[int] = b""
    processes: Sequence[int] = b""

    def __len__(self) -> int:
        return len(self.processes)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The machine's rate in a large matrix product before and after the cell, MACs a second."""

    gemm_before: float | None = None
    gemm_after: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Times at one batch; the headline's has those of further batches, the largest that fits last."""

    batch: int | None = None
    session: str | None = None  # the id of the session that these times are of
    reason: str | None = None  # why a further batch has no times
    threads: int | None = None
    rounds: Rounds = field(default_factory=Rounds)
    interfered_rounds: int | None = None
    throttled_rounds: int | None = None
    latency_ms: MedianInterval | None = None
    baseline_ms: MedianInterval | None = None
    reference_ms: MedianInterval | None = None
    decode_ms: MedianInterval | None = None
    speedup: MedianInterval | None = None
    speedup_reference: MedianInterval | None = None
    own_ms: MedianInterval | None = None  # of a library's uncached run, where the cell is a library's cached one
    speedup_own: MedianInterval | None = None
    resolution: MedianInterval | None = None
    between_processes: Spread | None = None
    speedup_ideal: float | None = None
    speedup_roofline: float | None = None
    throughput: float | None = None
    gemm_fraction: float | None = None
    prepare_s: float | None = None
    enqueue_us: float | None = None
    energy_j: float | None = None
    ceilings: Ceilings = field(default_factory=Ceilings)
    warnings: Sequence[Warned] = ()
    batches: Sequence[Timing] = ()
    largest: Timing | None = None

    @property
    def further(self) -> list[Timing]:
        """What was timed at batches beyond the headline, the largest last."""
        return [*self.batches, *([self.largest] if self.largest else [])]


@dataclass(frozen=True, slots=True)
class Quality:
    """What the samples are and how they were judged; `numbers` and `replicates` by their names in the JSON."""

    samples: int | None = None
    seed: int | None = None
    features: str | None = None
    fingerprint: str | None = None
    weights_sha256: str | None = None
    reference: str | None = None
    reference_samples: int | None = None
    identical: int | None = None
    jackknife_groups: int | None = None
    omitted: Mapping[str, str] = field(default_factory=dict)  # metric -> why it is not there
    sampled_by: Sequence[str] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    replicates: Mapping[str, Sequence[float]] = field(default_factory=dict)  # metric -> value without each group
    seeds: Mapping[str, Sequence[float]] = field(default_factory=dict)  # metric -> value of each seed

    def __bool__(self) -> bool:
        """Whether anything was judged or sampled at all."""
        return self != Quality()

    def value(self, name: str) -> float | None:
        """A metric's value, or a number stored beside it (`fd_se`); None where there is none."""
        return self.numbers.get(name)

    def error(self, metric: str) -> float | None:
        """The metric's standard error: as stored, else what its 95 % interval stands for; None without either."""
        low, high = self.value(f"{metric}_low"), self.value(f"{metric}_high")
        stored = self.value(f"{metric}_se")
        return (high - low) / (2 * Z95) if stored is None and low is not None and high is not None else stored

    def without_groups(self, metric: str) -> Sequence[float]:
        """The metric without each of the jackknife's groups; empty where that is not stored."""
        return self.replicates.get(metric, ())

    def of_seeds(self, metric: str) -> Sequence[float]:
        """The metric of each seed; empty where that is not stored."""
        return self.seeds.get(metric, ())


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What the command line and the suite chose; `stated` is all of it, by name."""

    device: str | None = None
    dtype: str | None = None
    batch: int | None = None
    threads: int | None = None
    guidance_scale: float | None = None
    guidance_channels: int | None = None
    image_size: int | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    stated: Table = field(default_factory=dict)

    @property
    def kernels(self) -> str:
        """Of products on a CPU: torch's own are not named."""
        return str((self.stated.get("execution") or {}).get("kernels", "blas"))


@dataclass(frozen=True, slots=True)
class Library:
    """What a library's run was found to be (bench/measure/library.py); `difference` of its uncached outputs to ours."""

    versions: Table = field(default_factory=dict)
    difference: float | None = None
    cause: str | None = None  # of a difference beyond rounding


@dataclass(frozen=True, slots=True)
class Environment:
    """Machine and software; `stated` is all of it, by name."""

    cpu: str | None = None
    gpu: str | None = None
    cores: int | None = None
    torch: str | None = None
    allocator: str | None = None
    commit: str | None = None
    stated: Table = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Training:
    """What training or calibrating the method cost."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Kept latents [samples, values] and sizes of tokens [evaluations, branches] that a gate compares."""

    latents: Sequence[Sequence[float | None]] | None = None
    tokens: Sequence[Sequence[float | None]] | None = None


def entries(table: Table, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything in nested tables."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from entries(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
