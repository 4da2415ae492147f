"""Methods, models, extractors and engines of others, one file each: --plugin FILE, DITBENCH_PLUGINS, entry points."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import bench
import methods
import models
from bench import engines
from bench.quality import extractors
from models import plugin_sources
from models.errors import InputError, in_words

VARIABLE = "DITBENCH_PLUGINS"  # paths separated as in PATH
MAX_BYTES = 2**24  # of a plugin's file
GROUPS = ("ditbench.methods", "ditbench.models", "ditbench.extractors", "ditbench.engines")
PREFIX = "ditbench_plugin_"  # of the modules that plugin files become


def files(named: list[str] | None) -> list[str]:
    """Plugin files from the command line and the environment, absolute. Raises InputError for one that is not there."""
    listed = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
    paths = []
    for path in [*(named or []), *listed]:
        if not Path(path).is_file():
            raise InputError(f"{path}: no such plugin file")
        if Path(path).stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: holds more than {MAX_BYTES:,} bytes, expected a Python file")
        paths.append(str(Path(path).resolve()))
    return list(dict.fromkeys(paths))


def load(paths: list[str]) -> dict[str, str]:
    """Load the plugin files and the installed entry points; returns the broken ones with one-line reasons."""
    broken: dict[str, str] = {}
    for path in paths:
        _attempt(broken, path, lambda path=path: register(load_file(path)))
    for group in GROUPS:
        for entry in entry_points(group=group):
            _attempt(broken, f"{entry.name} ({entry.value})", lambda entry=entry: register(_module(entry)))
    return broken


def require(named: list[str] | None) -> None:
    """Load the plugins of the command line and the environment. Raises InputError where one is broken."""
    for reason in load(files(named)).values():
        raise InputError(reason)


def loaded() -> list[str]:
    """The plugin files that this process has loaded: what a process of its own has to load again."""
    modules = [module for name, module in sys.modules.items() if name.startswith(PREFIX)]
    return [str(module.__file__) for module in modules]


def load_file(path: str) -> ModuleType:
    """Import a Python file under a name of its own, once a process."""
    digest = hashlib.sha256(str(Path(path).resolve()).encode()).hexdigest()[:12]
    name = f"{PREFIX}{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    try:
        with plugin_sources.reading(Path(path)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def register(module: ModuleType) -> None:
    """Make a module's methods, models, extractors and engines known. Raises InputError where it defines none."""
    if not [name for room in (methods, models, extractors, engines) for name in room.register(module)]:
        raise InputError(f"defines no method, no model, no extractor and no engine{_hint(module)}")


@contextmanager
def repository(folder: str | Path) -> Iterator[None]:
    """Within it modules are imported from a repository's folder first, also those that are called as ours.

    Our `bench`, `methods` and `models`, and loaded modules with a name that the folder has too, are out of sight until
    it ends; then they are back, and what was loaded from the folder is left in no list of modules, on no path and in no
    cache. What was imported keeps working; an import that its functions make later finds ours again. Raises InputError
    where there is no such folder.
    """
    place = Path(folder).resolve()
    if not place.is_dir():
        raise InputError(f"{folder}: no such folder of a repository")
    theirs = {path.stem for path in place.iterdir() if path.suffix == ".py" or path.is_dir()} - sys.stdlib_module_names
    names = {"bench", *bench.PACKAGES, *theirs}

    def hidden(module: str) -> bool:
        return module.partition(".")[0] in names

    before, path, finders, bytecode = dict(sys.modules), sys.path[:], sys.meta_path[:], sys.dont_write_bytecode
    try:
        for name in filter(hidden, before):
            del sys.modules[name]
        sys.path.insert(0, str(place))
        sys.meta_path.remove(bench.Beside)
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        yield
    finally:
        plugin_sources.brought([module for module in sys.modules.values() if within(module, place)])
        for name in [name for name, module in sys.modules.items() if hidden(name) or within(module, place)]:
            del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if hidden(name)})
        sys.path[:], sys.meta_path[:], sys.dont_write_bytecode = path, finders, bytecode
        sys.path_importer_cache.pop(str(place), None)


def within(module: ModuleType, place: Path) -> bool:
    """Whether a module's file lies in a folder."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(place)


def _hint(module: ModuleType) -> str:
    """Classes of the module that have a name, as methods do, but no base that would make them one."""
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    class_names = [c.__name__ for c in own if isinstance(getattr(c, "name", None), str)]
    base = "methods.method.CacheMethod, methods.method.Sampler, bench.quality.extractors.extractor.Extractor"
    base += " or bench.engines.Engine"
    return f": {', '.join(class_names)} would have to be a {base}" if class_names else ""


def _module(entry: EntryPoint) -> ModuleType:
    loaded = entry.load()
    return loaded if isinstance(loaded, ModuleType) else sys.modules[loaded.__module__]


def _attempt(broken: dict[str, str], what: str, action) -> None:
    try:
        action()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # somebody else's code: any failure is theirs, and is reported
        broken[what] = f"plugin {what} could not be loaded: {in_words(error)}"
