"""How often guided samples of a small denoiser are classified as their label."""

from __future__ import annotations

import torch

from models.denoiser import Denoiser
from models.spec import ModelSpec


@torch.inference_mode()
def label_accuracy(spec: ModelSpec, model: Denoiser, samples: int = 1000, batch: int = 100) -> dict[str, float]:
    """Fraction of `samples` DDIM-50 samples, at the model's guidance scale and unguided, that match their label."""
    return {
        "samples": samples,
        f"accuracy_guided_{spec.guidance_scale:g}": _accuracy(spec, model, spec.guidance_scale, samples, batch),
        "accuracy_unguided": _accuracy(spec, model, 1.0, samples, batch),
    }


def _accuracy(spec: ModelSpec, model: Denoiser, scale: float, samples: int, batch: int) -> float:
    from bench.quality import extractors
    from bench.sampling import balanced_labels, sample, seeded_noise
    from methods import build

    right, device = 0, next(model.parameters()).device
    classifier = extractors.build(spec.features or "")
    for start in range(0, samples, batch):
        index = range(start, min(start + batch, samples))
        labels = balanced_labels(index, spec.num_classes)
        noise = seeded_noise(index, spec.latent_shape).to(device)
        latents = sample(model, build("ddim", steps=50), noise=noise, labels=labels.to(device), guidance_scale=scale)
        right += int((classifier.extract(spec.decode(latents.cpu()))["logits"].argmax(1) == labels).sum())
    return right / samples
