"""Classes by name: those that the files of a package define by being there, and those that plugins bring."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cached_property
from types import ModuleType
from typing import Any, Generic, TypeVar

from models.errors import InputError, expect_name, expect_one_of

T = TypeVar("T")


class Registered(Generic[T]):
    """The named subclasses of `base()` in a package's files, and in the plugins that are registered.

    A class without a `name` is abstract. `what` is what messages call one. `accepts` leaves classes out that are
    another registry's, `check` raises InputError for a plugin's class that lacks something, and `reserved` are names
    that no class may have.
    """

    def __init__(
        self,
        package: str,
        what: str,
        base: Callable[[], type[T]],
        *,
        accepts: Callable[[Any], bool] = lambda cls: True,
        check: Callable[[Any], None] = lambda cls: None,
        reserved: tuple[str, ...] = (),
    ) -> None:
        self.package, self.what, self.base = package, what, base
        self.accepts, self.check, self.reserved = accepts, check, reserved
        self.plugins: dict[str, type[T]] = {}

    @cached_property
    def shipped(self) -> dict[str, type[T]]:
        """Those of the package. Raises InputError where two files define the same name."""
        known: dict[str, type[T]] = {}
        for info in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            added = self.defined_in(importlib.import_module(f"{self.package}.{info.name}"))
            for name in added.keys() & known.keys():
                files = [self.file(known[name].__module__), self.file(added[name].__module__)]
                raise InputError(f"{' and '.join(files)} both define the {self.what} '{name}'")
            known |= added
        return known

    @property
    def known(self) -> dict[str, type[T]]:
        return self.shipped | self.plugins

    def names(self) -> list[str]:
        return sorted(self.known)

    def find(self, name: str, called: str = "") -> type[T]:
        """The class of a name. Raises InputError with the nearest name; `called` is what it then says instead."""
        known = self.known
        expect_one_of(called or self.what, name, known, plugins=True)
        return known[name]

    def register(self, module: ModuleType) -> list[str]:
        """Add the classes that a plugin module defines; returns their names.

        Raises InputError for a name that is taken or cannot be a folder's, and as `check` does.
        """
        added = self.defined_in(module)
        for name, cls in added.items():
            expect_name(f"a {self.what}'s name", name)
            self.check(cls)
        for name in added.keys() & {*self.reserved, *self.shipped}:
            raise InputError(f"{module.__name__}: the {self.what} name '{name}' is taken")
        self.plugins.update(added)
        return sorted(added)

    def forget(self, name: str) -> bool:
        """Take a plugin's class out; whether there was one."""
        return self.plugins.pop(name, None) is not None

    def defined_in(self, module: ModuleType) -> dict[str, type[T]]:
        """The named classes that a module itself defines. Raises InputError for a name that is no string."""
        base = self.base()
        classes: list[Any] = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, base)]
        own = [c for c in classes if c.name and c.__module__ == module.__name__ and self.accepts(c)]
        for c in own:
            if not isinstance(c.name, str):
                raise InputError(f"a {self.what}'s name must be a string, got {c.name!r}")
        return {c.name: c for c in own}

    @staticmethod
    def file(module: str) -> str:
        """`methods/ddim.py` of `methods.ddim`."""
        return f"{module.replace('.', '/')}.py"
