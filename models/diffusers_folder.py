"""A folder of diffusers' save_pretrained: what its settings say of the network and the noise, taken over or refused.

diffusers' DiTTransformer2DModel differs from the official network in two constants that its weights do not show: its
timestep embedding divides the exponents of its frequencies by 127 where the official one has 128
(`downscale_freq_shift` 1 and 0), and the norm before its MLP has epsilon 1e-5 (`norm_eps`) where the official one has
1e-6. And it has an embedder of timestep and label in every block, where the official one has one for all: weights that
were converted from the official ones, as facebook's folders were, hold copies of it, weights that diffusers trained do
not. Converted weights belong to the official network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models.denoiser import Denoiser
from models.dit import NORM_EPS, DiT
from models.errors import InputError
from models.folders import settings_of
from models.json_object import read_object
from models.layouts import differing_embedder
from models.noise_schedule import NoiseSchedule

CLASSES = ("DiTTransformer2DModel", "Transformer2DModel")  # the older name is what the official weights came in
CONVERTED = re.compile(r"facebook(/|--)DiT-")  # where a folder was loaded from that was saved again
TRAINED_EPS = 1e-5  # diffusers' default, with which its network is trained
FIXED = {  # settings that change outputs and that DiT has one value of
    "activation_fn": "gelu-approximate",
    "norm_type": "ada_norm_zero",
    "norm_elementwise_affine": False,
    "attention_bias": True,
    "cross_attention_dim": None,
}
MAX_STEPS = 100_000  # of a noise schedule
UNSEEN = ("timestep_spacing", "clip_sample", "thresholding")  # of a scheduler: the suite's sampler decides


@dataclass
class Adopted:
    """In words, what was taken over, and what was assumed because nothing says it."""

    done: list[str] = field(default_factory=list)
    assumed: str = ""


def adopt(model: Denoiser, file: Path, tensors: Mapping[str, Tensor]) -> Adopted:
    """Make a DiT the network, with the noise, that weights and the settings beside them describe.

    Raises InputError naming file and setting where the network or its sampling here cannot be like that.
    """
    adopted = Adopted()
    if not isinstance(model, DiT):
        return adopted
    settings = {path.name: path for path in settings_of(file)}
    config, own = settings.pop("config.json", None), differing_embedder(tensors)
    if own:
        expect_own_embedders(model, file, own, config)
        model.give_own_embedders()
    if config:
        content = read_object(config)
        adopted.done.append(adopt_network(model, content, config))
        adopted.assumed = assumption(model, content, config)
    for path in settings.values():
        adopted.done.append(adopt_scheduler(model, read_object(path), path))
    adopted.done = [words for words in adopted.done if words]
    return adopted


def expect_own_embedders(model: DiT, file: Path, own: str, config: Path | None) -> None:
    """Raise InputError where a network whose blocks have embedders of their own cannot be had."""
    if config is None:
        raise InputError(
            f"{file}: '{own}' differs from the other blocks': diffusers trained it, and the constants of its network "
            "are in config.json; give the folder that save_pretrained wrote"
        )
    if type(model) is not DiT:
        raise InputError(
            f"{file}: '{own}' differs from the other blocks'; a {type(model).__name__} has one embedder for all blocks"
        )


def adopt_network(model: DiT, config: dict[str, Any], path: Path) -> str:
    """The network's two constants. Raises InputError where the weights' shapes may fit and the network does not."""
    expect_network(model, config, path)
    own = bool(model.own_embedders)
    shift, eps = constants(config, path, own)
    embedders: list[Any] = [model.t_embedder, *(pair.get_submodule("t_embedder") for pair in model.own_embedders)]
    for embedder in embedders:
        embedder.frequency_shift = shift
    for block in model.blocks:
        block.norm2.eps = eps
    words = [f"diffusers' network (frequencies over {128 - shift}, norm_eps {eps:g})"]
    return "" if (shift, eps) == (0, NORM_EPS) and not own else ", ".join(words + ["an embedder a block"] * own)


def assumption(model: DiT, config: dict[str, Any], path: Path) -> str:
    """What was taken for granted of the network: copied embedders, and the settings of one that diffusers trained."""
    if model.t_embedder.frequency_shift == 0 or model.own_embedders or config.get("downscale_freq_shift") is not None:
        return ""
    return (
        f"{path}: assumed trained by diffusers, from its 'norm_eps'; for weights converted from the official code "
        f"add '\"downscale_freq_shift\": 0' and set 'norm_eps' to {NORM_EPS:g}"
    )


def expect_network(model: DiT, config: dict[str, Any], path: Path) -> None:
    """Raise InputError unless a network of these settings is this DiT, apart from its two constants."""
    kind = config.get("_class_name")
    if kind not in CLASSES:
        raise InputError(f"{path}: '_class_name' is {kind!r}, expected {' or '.join(CLASSES)}")
    channels, size, _ = model.latent_shape
    heads = model.blocks[0].attn.num_heads
    expected = FIXED | {
        "num_attention_heads": heads,
        "attention_head_dim": model.width // heads,
        "in_channels": channels,
        "out_channels": model.out_channels,
        "num_layers": model.num_blocks,
        "sample_size": size,
        "patch_size": model.patch_size,
        "num_embeds_ada_norm": model.num_classes,
    }
    for key, value in expected.items():
        if key in config and config[key] != value and not (key == "out_channels" and config[key] is None):
            raise InputError(f"{path}: '{key}' is {config[key]!r}, this DiT has {value!r}")


def constants(config: dict[str, Any], path: Path, own: bool) -> tuple[int, float]:
    """(downscale_freq_shift, norm_eps) of the network that the weights were trained in.

    diffusers does not store the first. A number under `downscale_freq_shift` in config.json decides; else it is 1 for
    weights whose blocks have `own` embedders, which diffusers alone trains, and for a network with diffusers' own
    epsilon, and 0 for one with the official epsilon, with none (facebook's files) or of the class or the folder of the
    official weights. Raises InputError where it cannot be said.
    """
    shift = config.get("downscale_freq_shift")
    eps = config.get("norm_eps", TRAINED_EPS if own or shift else NORM_EPS)
    if shift not in (None, 0, 1) or isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1:
        raise InputError(f"{path}: 'norm_eps' must lie in (0, 1) and 'downscale_freq_shift' be 0 or 1")
    if shift is not None or own:
        return (1 if shift is None else int(shift)), float(eps)
    converted = config["_class_name"] != CLASSES[0] or CONVERTED.search(str(config.get("_name_or_path", "")))
    if eps not in (NORM_EPS, TRAINED_EPS):
        raise InputError(
            f"{path}: 'norm_eps' is {eps:g}, neither the official network's {NORM_EPS:g} nor diffusers' default "
            f"{TRAINED_EPS:g}; state 'downscale_freq_shift' (diffusers trains with 1) beside it"
        )
    return (0, NORM_EPS) if converted or eps == NORM_EPS else (1, TRAINED_EPS)


def adopt_scheduler(model: DiT, config: dict[str, Any], path: Path) -> str:
    """The noise schedule. Raises InputError for a network that predicts something else than the noise."""
    prediction = config.get("prediction_type", "epsilon")
    if prediction != "epsilon":
        raise InputError(f"{path}: 'prediction_type' is {prediction!r}, a DiT here predicts noise ('epsilon')")
    if config.get("rescale_betas_zero_snr"):
        raise InputError(f"{path}: 'rescale_betas_zero_snr' is true, which no sampler here can start from")
    betas = betas_of(config, path)
    unseen = [f"{key} {config[key]}" for key in UNSEEN if config.get(key)]
    words = [f"its scheduler's {', '.join(unseen)} left to the suite's sampler"] if unseen else []
    if len(betas) != len(model.noise_schedule) or not np.allclose(betas, model.noise_schedule.betas, rtol=1e-6, atol=0):
        title = f"{config.get('beta_schedule', 'own')} betas {betas[0]:.4g} to {betas[-1]:.4g}"
        model.noise_schedule = NoiseSchedule(betas, model.noise_schedule.first_timestep, title)
        words.insert(0, title)
    return "; ".join(words)


def betas_of(config: dict[str, Any], path: Path) -> np.ndarray:
    """float64 [N] of a scheduler's settings, diffusers' defaults filled in. Raises InputError for other schedules."""
    kind, count = config.get("beta_schedule", "linear"), config.get("num_train_timesteps", 1000)
    if config.get("trained_betas") is None and kind not in FORMULAS:
        raise InputError(f"{path}: 'beta_schedule' is {kind!r}, expected {', '.join(FORMULAS)}")
    try:
        if not 0 < count <= MAX_STEPS:
            raise ValueError
        if config.get("trained_betas") is not None:
            betas = np.asarray(config["trained_betas"], dtype=np.float64)
        else:
            betas = FORMULAS[kind](config.get("beta_start", 1e-4), config.get("beta_end", 0.02), count)
        if betas.ndim != 1 or not ((betas > 0) & (betas < 1)).all():
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: its betas must be numbers in (0, 1), at most {MAX_STEPS} of them") from error
    return betas


def linear(first: float, last: float, count: int) -> np.ndarray:
    return np.linspace(first, last, count, dtype=np.float64)


def scaled_linear(first: float, last: float, count: int) -> np.ndarray:
    """Linear in the square root, as Stable Diffusion's."""
    return np.linspace(first**0.5, last**0.5, count, dtype=np.float64) ** 2


def cosine(_: float, __: float, count: int) -> np.ndarray:
    """1 - ᾱ(i + 1) / ᾱ(i), at most 0.999, with ᾱ of Nichol & Dhariwal 2021, equation 17."""
    level = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.minimum(1 - level[1:] / level[:-1], 0.999)


FORMULAS = {"linear": linear, "scaled_linear": scaled_linear, "squaredcos_cap_v2": cosine}
