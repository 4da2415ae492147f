"""The four routers that L2C's authors published (arXiv 2406.01733), fetched from their repository by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from methods.method import Sampler
from methods.routing.file import Router, read_router
from models.errors import InputError
from models.fetch import cache_directory, fetch

NAME = "official"  # what `router` is then
_unreachable: dict[Path, str] = {}  # where a router would lie -> why this process could not fetch it
BASE = "https://raw.githubusercontent.com/horseee/learning-to-cache/d6cc7817842e1353b8d902af263bab030b8478da"


@dataclass(frozen=True)
class OfficialRouter:
    """What a published router was trained for, and the threshold that its repository runs it with."""

    model: str
    sampler: str
    params: dict[str, Any]
    path: str  # in the repository
    threshold: float

    def describe(self) -> str:
        settings = " ".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.model} with {self.sampler} {settings}"

    def file(self) -> Path:
        """The router's file, fetched if need be. Raises InputError with one line.

        Keys, plans and cells of a suite all ask for it; a process asks the network once, and again once it is there.
        """
        target = cache_directory() / f"l2c-{self.path.rsplit('/', 1)[-1]}"
        if target in _unreachable and not target.exists():
            raise InputError(_unreachable[target])
        try:
            return fetch(f"{BASE}/{self.path}", name=target.name)
        except InputError as error:
            _unreachable[target] = str(error)
            raise

    def read(self) -> Router:
        router = read_router(self.file())
        return replace(router, card={**router.card, "threshold": self.threshold})


DPM = {"variant": "uvit-singlestep"}
PUBLISHED = (
    OfficialRouter("dit-xl-2", "ddim", {"steps": 50}, "DiT/ckpt/DDIM50_router.pt", 0.1),
    OfficialRouter("dit-xl-2", "ddim", {"steps": 20}, "DiT/ckpt/DDIM20_router.pt", 0.1),
    OfficialRouter("uvit-h-2", "dpm-solver++", {"steps": 50, **DPM}, "U-ViT/ckpt/dpm50_router.pth", 0.9),
    OfficialRouter("uvit-h-2", "dpm-solver++", {"steps": 20, **DPM}, "U-ViT/ckpt/dpm20_router.pth", 0.9),
)


def find_official(model: str, sampler: Sampler) -> OfficialRouter:
    """The published router for a model and sampler. Raises InputError that lists those there are."""
    for router in PUBLISHED:
        if router.model == model and router.sampler == sampler.name:
            trained = type(sampler)(**router.params)
            if trained.params == sampler.params:
                return router
    declared = sampler.parameters
    stated = {key: value for key, value in sampler.params.items() if value != declared[key].default}
    settings = " ".join(f"{key}={value}" for key, value in stated.items())
    raise InputError(
        f"l2c: no official router for {model or 'an unnamed model'} with {sampler.name} {settings}; "
        f"there are: {'; '.join(router.describe() for router in PUBLISHED)}"
    )
