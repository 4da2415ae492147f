"""What is measured once, before sampling, for methods that need it; and the file that it is kept in.

A calibrated method names a `Calibration`, which measures what it likes on trajectories that it is given. Most are a
`Calibrator`: a policy that looks on while uncached ones run and then says what it has found. The file is JSON: the
method, what it was made for (model, sampler and its parameters, number of evaluations, guidance), what it cost, and the
method's own `data`. Those of the small models come with the package, under names such as `dit-mnist-ddim-50`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import models
from methods.method import Sampler
from methods.plan import Plan
from methods.policy import Policy
from models.errors import InputError, expect_one_of
from models.json_object import read_object

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser

    See = Callable[[int, float, Tensor, Tensor], None]

SHIPPED = Path(__file__).parent / "calibrations"


class Trajectories(Protocol):
    """The images of one calibration, sampled as often as is asked for; `sampler` is what it is made for."""

    @property
    def model(self) -> Denoiser: ...

    @property
    def sampler(self) -> Sampler: ...

    def __call__(self, plan: Plan | None = None, sampler: Sampler | None = None, see: See | None = None) -> Tensor:
        """Final latents [images,C,H,W], uncached and by `sampler` unless another plan or sampler is given.

        `see(k, timestep, x, out)` is called after every evaluation of every batch, `out` being guided.
        """


class Calibration(ABC):
    """What measures."""

    @abstractmethod
    def measure(self, trajectories: Trajectories) -> dict[str, Any]:
        """What was found, as JSON."""


@dataclass(frozen=True)
class Calibrator(Policy, Calibration):
    """Looks on; decides nothing. One object serves all batches of one calibration."""

    def measure(self, trajectories: Trajectories) -> dict[str, Any]:
        """What was found while uncached trajectories ran."""
        model, sampler = trajectories.model, trajectories.sampler
        rows = ((),) * len(sampler.evaluations(model.noise_schedule))
        trajectories(Plan(model.num_branches, rows, policy=self))
        return self.result()

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """What was found, as JSON, the mean over the trajectories so far."""


def calibration_file(method: str, value: str | Path) -> Path:
    """The file that a path or the name of a shipped calibration stands for. Raises InputError for an unknown name."""
    path = Path(value)
    if path.suffix == ".json" or path.name != str(value):
        return path
    expect_one_of(f"calibration of {method}", value, [file.stem for file in (SHIPPED / method).glob("*.json")])
    return SHIPPED / method / f"{value}.json"


def read_calibration(method: str, value: Any) -> dict[str, Any]:
    """A calibration: a file, a shipped one's name, or as it stands. Raises InputError unless it is the method's."""
    source = f"{method}: 'calibration'"
    if isinstance(value, (str, Path)):
        path, source = calibration_file(method, value), str(value)
        if not path.is_file():
            raise InputError(f"{value}: no such calibration file")
        value = read_object(path, "a calibration")
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
        raise InputError(f"{source}: expected a calibration, as `ditbench calibrate {method}` writes it")
    if value.get("method") != method:
        raise InputError(f"{source}: is a calibration of '{value.get('method')}', expected '{method}'")
    if not isinstance(value.get("params", {}), Mapping):
        raise InputError(f"{source}: 'params' must be an object of the sampler's parameters, got {value['params']!r}")
    for key in ("seconds", "images"):
        if not is_number(value.get(key, 0)) or value.get(key, 0) < 0:
            raise InputError(f"{source}: '{key}' must be a number from 0 on, got {value[key]!r}")
    return dict(value) | {"source": source}


def expect_fits(calibration: Mapping[str, Any], model: Denoiser, sampler: Sampler) -> None:
    """Raise InputError unless a calibration was made for this model, sampler with its parameters, and guidance.

    Only what it states is compared; a parameter that it does not know had its default.
    """
    evaluations = len(sampler.evaluations(model.noise_schedule))
    wanted = {"model": model.name, "sampler": sampler.name, "evaluations": evaluations}
    stated = dict(calibration)
    if calibration.get("sampler", sampler.name) == sampler.name and "params" in calibration:
        stated |= {key: declared.default for key, declared in sampler.parameters.items()} | calibration["params"]
        wanted |= sampler.params
    if model.name in models.names():
        wanted["guidance_scale"] = models.spec(model.name).guidance_scale
    for key, here in wanted.items():
        made = stated.get(key, here)
        if here != "" and made not in ("", here):
            raise InputError(f"{calibration['source']}: made for {key} '{made}', expected '{here}'")


def cost(calibration: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a calibration cost, as a method's `training`: seconds and images."""
    if not {"seconds", "images"} <= calibration.keys():
        return None
    return {"seconds": calibration["seconds"], "images": calibration["images"]}


def numbers(calibration: Mapping[str, Any], key: str, length: int) -> list[float]:
    """A list of `length` finite numbers of the data. Raises InputError where it is something else."""
    values = calibration["data"].get(key)
    if not isinstance(values, list) or len(values) != length or not all(map(is_number, values)):
        raise InputError(f"{calibration['source']}: '{key}' must be a list of {length} numbers")
    return [float(v) for v in values]


def is_number(value: Any) -> bool:
    """Whether JSON's value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e30
