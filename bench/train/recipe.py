"""What a training run is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from models.errors import InputError

INFINITE = math.inf


@dataclass
class Recipe:
    """Everything that a run's outcome depends on; kept in its checkpoints and its card."""

    steps: int  # of the optimiser
    batch: int = 128  # images a step, of all processes together
    parts: int = 1  # that a batch is drawn in: processes × accumulated gradients
    dtype: str = "float32"  # of the products; weights, their averages and losses are float32
    learning_rate: float = 1e-3
    decay: str = "cosine"  # of the learning rate, to 1 % of it; or "constant"
    warmup: int = 200
    betas: tuple[float, float] = (0.9, 0.999)  # AdamW's
    weight_decay: float = 0.0
    ema_decay: float = 0.9995
    clip_norm: float = 1.0
    label_dropout: float = 0.1
    discretised: bool = False  # the variational term's likelihood at the last step is that of 8-bit values
    seed: int = 0
    data: str = ""

    def rate(self, step: int) -> float:
        """The learning rate at a step, counted from 0."""
        ramp = min(1.0, (step + 1) / max(1, self.warmup))
        if self.decay == "constant":
            return self.learning_rate * ramp
        return self.learning_rate * ramp * max(0.5 * (1 + math.cos(math.pi * step / self.steps)), 0.01)

    def divide(self, world_size: int, accumulate: int) -> None:
        """Draw the batch in a part for every process and accumulated gradient. Raises InputError where it is uneven."""
        self.parts = world_size * accumulate
        if self.batch % self.parts:
            given = f"{world_size} processes × {accumulate} accumulated gradients"
            raise InputError(f"a batch of {self.batch} cannot be divided evenly into {given}")

    def described(self) -> dict[str, Any]:
        """For a card: JSON has no infinity, so a norm that is not clipped is left out."""
        return {key: value for key, value in vars(self).items() if value != INFINITE}
