"""What is compared: the sizes of networks and batches, and the parameters of every case, the same for both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import models
from bench.sampling import balanced_labels, seeded_noise
from models.dit import DiT

SCALE, STEPS = 1.5, 20
Inputs = tuple[Tensor, Tensor]  # noise [B,C,H,W] and labels [B]


@dataclass(frozen=True)
class Setting:
    """A network's size, a batch, and how long it is timed."""

    name: str
    width: int = 192
    depth: int = 12
    size: int = 16  # of the latents: (size / 2)^2 tokens
    batch: int = 1
    trained: str = ""  # a shipped model's name, instead of a size
    rounds: int = 15
    heads: int = 0  # 0: of width 64
    steps: int = STEPS
    threshold: float = 0.4  # of the policies: one at which some evaluations reuse and others do not

    def model(self) -> Any:
        """A DiT with trained weights, or with random ones under which the first block's residual changes slowly."""
        if self.trained:
            return models.build(self.trained)
        model = DiT(self.size, 2, 4, self.width, self.depth, self.heads or max(1, self.width // 64))
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():  # DiT starts with zero gates: every branch must count
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.03
        return model.eval().requires_grad_(False)

    def inputs(self, model: DiT) -> Inputs:
        """Noise in the model's dtype, as pipelines draw it, and labels."""
        noise = seeded_noise(range(self.batch), model.latent_shape)
        return noise.to(model.pos_embed.dtype), balanced_labels(range(self.batch), 10)


SETTINGS = (
    Setting("width 192, batch 1"),
    Setting("width 192, batch 4", batch=4),
    Setting("DiT-S/2, batch 1", width=384, size=32, rounds=7, threshold=0.74),
    Setting("DiT-S/2, batch 4", width=384, size=32, batch=4, rounds=5, threshold=0.74),
    Setting("DiT-XL/2, batch 1", width=1152, depth=28, heads=16, size=32, steps=10, rounds=3, threshold=0.99),
    Setting("dit-mnist, batch 8", batch=8, trained="dit-mnist", threshold=0.1),
)


def every_third(steps: int) -> dict[str, list[int]]:
    """A schedule of SmoothCache's: attention at every third evaluation, the MLP at every other, both at the last."""
    rows = {"attn1": [int(k % 3 == 0) for k in range(steps)], "ff": [int(k % 2 == 0) for k in range(steps)]}
    return {kind: [*row[:-1], 1] for kind, row in rows.items()}


def cases(setting: Setting) -> dict[str, dict[str, Any]]:
    """Parameters of every case, the same for both sides."""
    return {
        "official": {},
        "uncached": {},
        "smoothcache": {"schedule": every_third(setting.steps)},
        "taylorseer": {"interval": 4, "order": 2, "warmup": 3},
        "first-block-cache": {"threshold": setting.threshold},
        "dbcache": {"front": 1, "threshold": setting.threshold, "warmup": 4},
        "hicache": {"interval": 4, "order": 1},
    }
