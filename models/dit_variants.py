"""DiTs that differ from the published one in what they predict, their noise schedule or their attention; structures.

The networks are in models/objective_dit.py and models/linear_dit.py. `digits` is what the small ones share.
"""

from __future__ import annotations

from typing import Any

from models import noise_schedule
from models.architecture import Architecture
from models.dit_structure import DIT, DiTStructure
from models.errors import expect_one_of
from models.places import WEIGHTS
from models.prediction import PREDICTIONS
from models.spec import ModelSpec

SCHEDULES = {
    "linear": noise_schedule.linear,
    "sqrt-linear": noise_schedule.sqrt_linear,
    "cosine": noise_schedule.cosine,
    "flow": noise_schedule.rectified_flow,
}


class ObjectiveStructure(DiTStructure):
    """A DiT with the named noise `schedule` whose network predicts `prediction`; the other arguments are DiT's.

    Raises InputError for unknown names.
    """

    def __init__(self, schedule: str = "linear", prediction: str = "noise", **config: Any) -> None:
        expect_one_of("noise schedule", schedule, SCHEDULES)
        expect_one_of("prediction", prediction, PREDICTIONS)
        super().__init__(**config, learn_sigma=False)
        self.noise_schedule = SCHEDULES[schedule]()
        self.prediction = prediction


class LinearStructure(DiTStructure):
    """A DiT with linear attention; the arguments are DiT's."""

    def __init__(self, num_heads: int = 16, **config: Any) -> None:
        super().__init__(num_heads=num_heads, **config)
        self.head_width = self.width // num_heads

    def branch_macs(self, index: int) -> int:
        """As DiT's, with φ(K)ᵀV and φ(Q) times that, T D D/H each, in place of QKᵀ and AV, T² D each."""
        T, D = self.token_shape()
        return super().branch_macs(index) + (0 if index % 2 else 2 * T * D * (self.head_width - T))


OBJECTIVE = Architecture("models.objective_dit", "ObjectiveDiT", ObjectiveStructure)
LINEAR = Architecture("models.linear_dit", "LinearDiT", LinearStructure)


def digits(name: str, architecture: Architecture = DIT, **differs: Any) -> ModelSpec:
    """A 6-block model of MNIST digits that learns no variances: the same size and recipe for all that `differ`.

    Its weights are shipped once `ditbench train NAME --out models/weights/NAME` has made them.
    """
    weights = WEIGHTS / name / "weights.safetensors"
    return ModelSpec(
        name=name,
        architecture=architecture,
        config={
            "input_size": 4,
            "patch_size": 1,
            "in_channels": 8,
            "hidden_size": 64,
            "depth": 6,
            "num_heads": 4,
            "num_classes": 10,
            **differs,
        },
        num_classes=10,
        guidance_scale=1.5,
        resolution=32,
        weights=weights if weights.is_file() else None,
        autoencoder="digit-autoencoder",
        features="digit-classifier",
        reference="mnist-5000",
        training={"steps": 4000, "batch": 128, "learning_rate": 2e-3, "warmup": 200, "ema_decay": 0.998},
    )
