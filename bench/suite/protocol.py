"""The rules that must be equal for two numbers to stand in one column. docs/protocol.md says why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import InputError, expect_one_of

VERSION = "4"  # part of every result; results of different versions are never compared
SAMPLES_VERSION = "2"  # the last one that changed what a sample is: older samples need not be made again


@dataclass(frozen=True)
class Timing:
    """How long and how often a cell is timed."""

    batch: int = 8  # images in one timed trajectory: the headline
    more_batches: tuple[int, ...] = ()  # timed as well, in sessions of their own
    largest: bool = False  # also the largest batch that memory holds
    rounds: int = 20  # most rounds of a session; in each all settings run once, in random order
    seconds: float = 10.0  # a session's, for each of its settings; the fewest rounds are made all the same


@dataclass(frozen=True)
class Quality:
    """What a suite's samples are judged by. None: what the model's own file says."""

    features: str | None = None  # an extractor's name, or "none"
    weights: str | None = None  # a file of the extractor's weights; None: its usual ones
    reference: str | None = None  # a reference's name or file
    images: str | None = None  # keep all images: "png" or "npz"


NO_FEATURES = "none"
KEPT_IMAGES = ("png", "npz")


@dataclass(frozen=True)
class Protocol:
    """What one suite fixes for all of its cells."""

    samples: int = 256  # 0: speed, work and memory alone
    seed: int = 0  # sample i has noise from its own generator seeded seed + i
    sampling_batch: int = 64
    fingerprint: int = 0  # the probe: samples whose latents and token sizes are kept, for `ditbench gate`
    timeout: float = 1800.0  # seconds that one cell may take, waiting for a quiet machine not counted
    timing: Timing = Timing()
    quality: Quality = Quality()

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it: lists for tuples."""
        rules = asdict(self)
        rules["timing"]["more_batches"] = list(self.timing.more_batches)
        return rules


AUTO = "auto"
TIMING_KEYS = ("batch", "rounds", "seconds")  # of [protocol.timing]
LIMITS: dict[str, tuple[float, float]] = {  # lowest and highest value of every key
    "samples": (32, 10_000_000),  # one for each jackknife group
    "seed": (0, 2**53),  # integers that JSON keeps exactly
    "sampling_batch": (1, 100_000),
    "fingerprint": (0, 64),
    "timeout": (0.1, 30 * 86400),
    "batch": (1, 100_000),
    "rounds": (2, 100_000),
    "seconds": (0.0, 86400),
}


def read(table: dict[str, Any], where: str) -> Protocol:
    """The protocol of a suite file's [protocol] table. Raises InputError that starts with `where`."""
    values = dict(table)
    inner = {name: values.pop(name, {}) for name in ("timing", "quality")}
    for name, value in inner.items():
        if not isinstance(value, dict):
            raise InputError(f"{where}: '{name}' must be a table, got {value!r}")
    for key in values:
        expect_one_of(f"key in {where}", key, [f.name for f in fields(Protocol)])
    checked = {key: _number(Protocol, key, value, where) for key, value in values.items()}
    timing, quality = _timing(inner["timing"], f"{where}.timing"), _quality(inner["quality"], f"{where}.quality")
    return Protocol(**checked, timing=timing, quality=quality)


def _quality(table: dict[str, Any], where: str) -> Quality:
    for key, value in table.items():
        expect_one_of(f"key in {where}", key, [f.name for f in fields(Quality)])
        if not isinstance(value, str) or not value:
            raise InputError(f"{where}: '{key}' must be a string, got {value!r}")
    if "images" in table:
        expect_one_of(f"value of 'images' in {where}", table["images"], KEPT_IMAGES)
    return Quality(**table)


def _timing(table: dict[str, Any], where: str) -> Timing:
    for key in table:
        expect_one_of(f"key in {where}", key, TIMING_KEYS)
    values = {key: value for key, value in table.items() if key != "batch"}
    batches = _batches(table["batch"], where) if "batch" in table else {}
    return Timing(**{key: _number(Timing, key, value, where) for key, value in values.items()}, **batches)


def _batches(value: Any, where: str) -> dict[str, Any]:
    """`batch` is a number, "auto" for the largest that memory holds, or a list of these, the headline first."""
    listed = value if isinstance(value, list) else [value]
    numbers = [_number(Timing, "batch", item, where) for item in listed if item != AUTO]
    if not listed or len(set(map(str, listed))) < len(listed):
        raise InputError(f"{where}: 'batch' must be a number, \"{AUTO}\", or a list without repetitions, got {value!r}")
    headline, *more = numbers or [Timing.batch]
    return {"batch": headline, "more_batches": tuple(more), "largest": AUTO in listed}


def _number(owner: type, key: str, value: Any, where: str) -> Any:
    wanted = type(getattr(owner, key))
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise InputError(f"{where}: '{key}' must be {wanted.__name__}, got {value!r}")
    low, high = LIMITS[key]
    if key == "samples" and value == 0:
        return value
    if not low <= value <= high:
        raise InputError(f"{where}: '{key}' must lie in [{low:.15g}, {high:.15g}], got {value!r}")
    return value
