"""An architecture by the place of its class, imported when a network is built: torch takes a second to load."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.denoiser import Denoiser
    from models.structure import Structure


@dataclass(frozen=True)
class Architecture:
    """Called with a configuration it builds the network, as the class itself does; `structure` needs no torch."""

    module: str
    name: str
    structure: Callable[..., Structure]

    @property
    def network(self) -> type[Denoiser]:
        """The class."""
        return getattr(importlib.import_module(self.module), self.name)

    def __call__(self, **config: Any) -> Denoiser:
        return self.network(**config)
