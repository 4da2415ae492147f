"""What an engine is: a library's network with our weights, and the library's own caching, as the library ships it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

from methods.declared import check
from methods.method import Method
from models.errors import InputError, expect_one_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.method import Sampler
    from models.denoiser import Denoiser

Reset = Callable[[], None]


class EngineCache(Method, ABC):
    """One way in which a library caches, with the library's own parameters."""

    kind = "engine cache"  # known to its engine alone
    off: ClassVar[dict[str, Any] | None] = None  # setting that reuses nothing: must equal the uncached run

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None, or one line that says why this caching cannot run on that pair."""
        return None

    @abstractmethod
    def apply(self, network: Any, evaluations: int) -> Reset:
        """Switch the library's caching on in `network`, which is one run's alone.

        Returns what the library wants to be called before every trajectory of `evaluations` calls, so that none sees
        what another one kept.
        """


class Engine(ABC):
    """A library that runs a denoiser of ours by its own code. It has no state: all of that is in its networks."""

    name: ClassVar[str] = ""  # empty: abstract, not registered
    packages: ClassVar[dict[str, str]] = {}  # distribution -> the version that this engine is tested with
    caches: ClassVar[tuple[type[EngineCache], ...]] = ()

    @classmethod
    def expect_complete(cls) -> None:
        """Raise InputError unless all that an engine must define is there, and of the right kind."""
        lacking = sorted(cls.__abstractmethods__)
        if lacking:
            raise InputError(f"engine '{cls.name}' does not define {', '.join(lacking)}")
        if not isinstance(cls.packages, dict) or not all(isinstance(v, str) for kv in cls.packages.items() for v in kv):
            raise InputError(f"engine '{cls.name}': 'packages' must map a package's name to the tested version")
        caches = cls.caches if isinstance(cls.caches, tuple) else (None,)
        if not all(isinstance(cache, type) and issubclass(cache, EngineCache) for cache in caches):
            raise InputError(f"engine '{cls.name}': 'caches' must be a tuple of subclasses of EngineCache")
        for cache in caches:
            check(cache)

    @classmethod
    def versions(cls) -> dict[str, str | None]:
        """Installed versions of its packages; None where one is missing."""
        return {package: _version(package) for package in cls.packages}

    @classmethod
    def cache(cls, name: str) -> type[EngineCache]:
        """The class of one of its cache methods. Raises InputError with the nearest name."""
        known = {cache.name: cache for cache in cls.caches}
        if not known:
            raise InputError(f"engine '{cls.name}' has no cache method, got '{name}'")
        expect_one_of(f"cache method of {cls.name}", name, known)
        return known[name]

    @classmethod
    def lacks(cls) -> str | None:
        """None, or one line that names a package that is missing or of another version than the tested one."""
        for package, installed in cls.versions().items():
            tested = cls.packages[package]
            if installed is None:
                return f"{package} is not installed (tested: {package}=={tested})"
            if installed != tested:
                return f"{package} {installed} is not tested, {package}=={tested} is"
        return None

    def refuses(self, model: Denoiser) -> str | None:
        """None, or one line that says why this engine cannot run here or on that model."""
        lacking = self.lacks()
        return f"engine '{self.name}': {lacking}" if lacking else self.takes_not(model)

    def takes_not(self, model: Denoiser) -> str | None:
        """None, or one line that says why this engine cannot run that model."""
        return None

    @abstractmethod
    def network(self, model: Denoiser) -> nn.Module:
        """The library's network with a denoiser's own tensors as weights; nothing of the denoiser is changed."""

    @abstractmethod
    def evaluate(self, network: Any, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Model output [N,C or 2C,H,W] of x [N,C,H,W] at network timesteps t [N], labels y [N]."""

    @abstractmethod
    def branches(self, network: Any) -> list[nn.Module]:
        """For every branch, in execution order, a module inside it that runs just where the branch is computed.

        The innermost ones: a library may wrap or replace the modules around them.
        """


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
