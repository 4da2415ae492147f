"""What a named model is: an architecture, its configuration and everything that its evaluation needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.architecture import Architecture
from models.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from models.autoencoders import Autoencoder
    from models.denoiser import Denoiser
    from models.structure import Structure


@dataclass(frozen=True)
class ModelSpec:
    """A named model. A file in models/ (or a plugin) that defines one as `spec` registers it.

    `autoencoder` is a name that models.autoencoders knows, `features` and `reference` are folders in models/weights;
    None where there is nothing. `official` says where published weights are.
    """

    name: str
    architecture: Callable[..., Denoiser]  # a class, or an Architecture that says where the class is
    config: dict[str, Any]
    num_classes: int
    guidance_scale: float = 1.5
    guidance_channels: int | None = None  # DiT's official code guides three of the four noise channels
    resolution: int | None = None  # of the images, in pixels
    classes: tuple[str, ...] = ()  # the folders of the training images, by label; empty: all there are, by name
    weights: str | Path | None = None  # beside the file that defines the model, or a whole path
    official: Official | None = None
    autoencoder: str | None = None
    features: str | None = None
    reference: str | None = None
    training: dict[str, Any] = field(default_factory=dict)  # fields of bench.train.recipe.Recipe

    @property
    def network(self) -> Callable[..., Denoiser]:
        """What builds the network: the architecture's class, where there is one."""
        return self.architecture.network if isinstance(self.architecture, Architecture) else self.architecture

    @cached_property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, H, W) as the architecture states it; found without allocating any weights."""
        return structure(self).latent_shape

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,C,H,W] -> images uint8 [B,1|3,H',W']. Raises InputError without an autoencoder."""
        return self.pixels(latents.device).decode(latents)

    def pixels(self, device: str | torch.device = "cpu") -> Autoencoder:
        """The autoencoder of the model's latents, built once a device. Raises InputError where there is none."""
        from models import autoencoders

        if self.autoencoder is None:
            raise InputError(f"{self.name}: has no autoencoder, its latents cannot be decoded")
        return autoencoders.ready(self.autoencoder, device)


def structure(spec: ModelSpec) -> Structure:
    """The denoiser's structure; without torch where the architecture is one of ours, else the empty network."""
    architecture = spec.architecture
    return architecture.structure(**spec.config) if isinstance(architecture, Architecture) else build_empty(spec)


def build_random(spec: ModelSpec, seed: int = 0) -> Denoiser:
    """The architecture with random weights that depend on the seed alone; the global generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spec.architecture(**spec.config)


def build_empty(spec: ModelSpec) -> Denoiser:
    """The architecture on the meta device: shapes and structure alone, nothing is allocated or initialised."""
    import torch

    from models.uninitialised import Uninitialised

    with torch.device("meta"), Uninitialised():
        return spec.architecture(**spec.config)


@dataclass(frozen=True)
class Download:
    """One file on the web. `sha256` is None where its publisher states none; what was fetched is then recorded."""

    url: str
    name: str  # in the cache directory
    sha256: str | None = None


@dataclass(frozen=True)
class Official:
    """A model's published weights: one download a layout, the first is what "official" means.

    `note` says, for people, where the file is that cannot be fetched directly, or that there is none.
    """

    downloads: dict[str, Download] = field(default_factory=dict)
    note: str = ""
    published: bool = True  # False: nobody ever published any
