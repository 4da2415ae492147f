"""What a method is: a sampler, or a cache method that yields a plan. One file per method."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.errors import InputError, expect_one_of

if TYPE_CHECKING:
    import torch

    from methods.plan import Plan
    from models.denoiser import Denoiser
    from models.noise_schedule import NoiseSchedule

    Denoise = Callable[[int, torch.Tensor], torch.Tensor]
    StepNoise = Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class Evaluation:
    """One denoiser call that a sampler will make."""

    timestep: float  # what the network receives; DiT 0..999, U-ViT 1..1000, may be fractional
    step: int  # solver step in execution order, 0-based
    stage: int = 0  # evaluation within the solver step; 0 is at the step's start


@dataclass(frozen=True)
class Parameter:
    """One declared parameter of a method: its type, range or choices, and default."""

    type: type
    default: Any = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    required: bool = False
    help: str = ""

    def check(self, owner: str, key: str, value: Any) -> Any:
        """Return `value` in the declared type, or raise InputError naming owner, key and value."""
        if self.type is object:  # checked by the method itself
            return value
        if value is None and self.default is None and not self.required:  # stated, but absent: as stored in results
            return None
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type:
            raise InputError(f"{owner}: '{key}' must be {self.type.__name__}, got {value!r}")
        if self.choices:
            expect_one_of(f"value of '{key}' in {owner}", value, self.choices)
        elif isinstance(value, (int, float)) and not self.low <= value <= self.high:
            raise InputError(f"{owner}: '{key}' must lie in [{self.low:.15g}, {self.high:.15g}], got {value!r}")
        return value


class Method:
    """Base of samplers and cache methods. Declared parameters become attributes, validated.

    A class may state `sweep`, what `ditbench choose` screens, as a suite file would: {"interval": [2, 3]}, lists being
    crossed. Its values are strings, numbers and booleans. Without one the sweep follows from the declared `steps` of a
    sampler, else `interval`, else `threshold` (bench/run/choice/sweeps.py).
    """

    name: ClassVar[str] = ""  # empty: abstract, not registered
    title: ClassVar[str] = ""  # as papers write it; empty: the name
    kind: ClassVar[str] = ""  # "sampler" or "cache"
    parameters: ClassVar[dict[str, Parameter]] = {}
    tiny: ClassVar[dict[str, Any]] = {}  # the setting that conformance tests run

    def __init__(self, **params: Any) -> None:
        for key in params:
            expect_one_of(f"parameter of {self.name}", key, self.parameters)
        self.params: dict[str, Any] = {}
        for key, declared in self.parameters.items():
            if key in params:
                value = declared.check(self.name, key, params[key])
            elif declared.required:
                raise InputError(f"{self.name}: parameter '{key}' is required")
            else:
                value = declared.default
            self.params[key] = value
            setattr(self, key, value)
        self.validate()

    def validate(self) -> None:
        """Check what one parameter alone cannot say; raise InputError."""


class Sampler(Method, ABC):
    """Turns noise into samples with a known sequence of evaluations."""

    kind = "sampler"
    prediction: str | None = "noise"  # what the sampler takes the network's output for; None: noise

    @property
    def label(self) -> str:
        """The sampler with its number of steps, as tables and titles name it."""
        return f"{self.title or self.name}-{self.params.get('steps', '')}".removesuffix("-")

    @abstractmethod
    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """The evaluations in execution order, known before sampling starts."""

    @abstractmethod
    def sample(self, denoise: Denoise, x: torch.Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> torch.Tensor:
        """Run the trajectory from noise `x` [B,C,H,W] and return samples of the same shape.

        `denoise(k, x)` is evaluation `k` at its own timestep: [B,C,H,W] noise prediction, or
        [B,2C,H,W] with DiT's variance channels. `step_noise(k)` is the noise [B,C,H,W] that a
        stochastic sampler adds after evaluation `k`; deterministic samplers never call it.
        """


class CacheMethod(Method, ABC):
    """A function from (denoiser structure, the sampler's evaluations) to a plan.

    A method may have, and has none of them unless it says so:

    * `files(model, sampler)` -> list[Path]: what a result depends on besides the code, for a model's name; their
      contents are part of a cell's key. Raises nothing: a file that is not there is left out.
    * `training`: what it cost before sampling, or None: a dict with `seconds` and `images`, charged to the method's
      results. Set by `plan` at the latest.
    * `calibrator(model, evaluations)` -> methods.calibration.Calibrator, a static method: what `ditbench calibrate`
      runs over uncached trajectories.
    """

    kind = "cache"
    exact: ClassVar[dict[str, Any] | None] = None  # setting that must equal the uncached sampler bit for bit

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None, or one line that says why this method cannot run on that pair."""
        return None

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any] | None:
        """`exact` for a pair; overridden where the setting depends on the model and the sampler (L2C's router)."""
        return cls.exact

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """`tiny` for a pair, overridden likewise. Conformance tests build every cache method with these two."""
        return cls.tiny

    @abstractmethod
    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """The plan for every evaluation of `sampler` on `model`."""
