"""Which of a checkpoint's weights are taken: the averaged ones before the raw ones, whatever their names and wrappers.

Trainers nest state dicts ({"model": …, "ema": …}), put them under a module's name ("net.blocks.0…") or do both. So a
checkpoint is flattened, and the model's own names are looked for under every prefix; a prefix that has them is a copy
of the weights, and its words say whether it is an average.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models.errors import InputError

WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
AVERAGED = re.compile(
    "(model|net|ph)?ema(s|model|net|weights?|params|parameters|state|statedict)?|ewma|averaged?|avg|swa|shadow|polyak"
)
NOT_AVERAGED = {"online", "collected"}  # what averaging libraries keep beside the average: the raw weights
OPTIMIZER = {"optim", "optims", "optimizer", "optimizers", "opt"}
COUNTERS = {"n_averaged", "num_updates", "decay", "step", "initted"}  # of averages, beside them
RAW = ("", "model.", "state_dict.", "model_state_dict.", "net.")  # taken in this order where nothing is averaged
MAX_DEPTH = 64  # of mappings within mappings; a damaged or hostile one may hold itself


@dataclass(frozen=True)
class Weights:
    """A state dict, and in a few words which of the file's it is; empty where there was nothing to choose."""

    tensors: dict[str, Tensor]
    taken: str = ""


@dataclass
class Flat:
    """A checkpoint's tensors by dotted name, wrappers' words removed; its lists of tensors; keys that are no names."""

    tensors: dict[str, Tensor]
    lists: dict[str, list[Tensor]]
    odd: dict[str, Any]


def choose(content: Any, names: Collection[str], parameters: Mapping[str, Tensor], source: object) -> Weights:
    """The weights in a checkpoint `content` for a model with those `names`, in any of its layouts.

    A list of averages, in the order of `parameters`, gets its names from the raw weights beside it, or from these.
    Raises InputError where it cannot be said which copy is meant; what no copy can be is returned as it is.
    """
    if isinstance(content, Tensor):
        raise InputError(f"{source}: expected a mapping of names to tensors, it is one bare tensor")
    flat = flatten(content, source)
    known = {_bare(name): name for name in names}
    prefixes = copies(flat, known)
    averaged = [p for p in prefixes if is_averaged(p, flat.tensors)]
    raw = [p for p in prefixes if p not in averaged]
    if not averaged and flat.lists:
        order = _group(flat, raw[0], prefixes, known, source) if raw else dict(parameters)
        frozen = [key for key, tensor in parameters.items() if not tensor.requires_grad]
        return from_list(flat.lists, order, frozen, source)
    if not prefixes:
        return fallback(content, flat, source)
    prefix = _single(averaged, "averaged", source) if averaged else _first(raw, source)
    group = _group(flat, prefix, prefixes, known, source)
    if averaged and raw:  # an average may leave out what is not trained
        trained = {name for name, tensor in parameters.items() if tensor.requires_grad}
        beside = _group(flat, raw[0], prefixes, known, source)
        group |= {k: v for k, v in beside.items() if k in names and k not in trained and k not in group}
    chosen = bool(prefix) or len(prefixes) > 1 or bool(averaged)
    taken = f"{'averaged' if averaged else 'raw'} ({shown(prefix)})"
    others = [shown(p) for p in raw if p != prefix and not averaged]
    taken += f", not those under {' and '.join(others)}" if others else ""
    return Weights(group, taken if chosen else "")


def shown(prefix: str) -> str:
    return f"'{prefix.rstrip('.') or 'outermost'}'"


def said_by(path: Path) -> str:
    """What a file's or its folder's name says of its weights: `nnet_ema.pth` and `transformer_ema/` are averages."""
    named = next((name for name in (path.stem, path.parent.name) if says_averaged([name])), None)
    return f"averaged ('{named}')" if named else ""


def flatten(content: Any, source: object) -> Flat:
    """Raises InputError for FSDP's joined parameters and for a name that is there twice once its wrappers are gone."""
    flat = Flat({}, {}, {})
    for path, value in _leaves(content, (), source):
        if words(path) & OPTIMIZER:
            continue
        key = _bare(".".join(str(part) for part in path))
        if isinstance(value, list):
            flat.lists[key] = value
        elif not all(isinstance(part, str) for part in path):
            flat.odd[key] = next(part for part in path if not isinstance(part, str))
        elif re.search(r"(^|\.)_?flat_param(_\d+)?$", key):
            raise InputError(f"{source}: '{key}' joins FSDP's parameters; save with StateDictType.FULL_STATE_DICT")
        elif key in flat.tensors:
            raise InputError(f"{source}: '{key}' is there twice, with wrappers such as 'module.' and without")
        else:
            flat.tensors[key] = value
    return flat


def copies(flat: Flat, known: Mapping[str, str]) -> list[str]:
    """The prefixes under which the model's names are found, most of them at least half as often as under another."""
    unsquash(flat, known)
    counts: Counter[str] = Counter()
    for key in flat.tensors:
        parts = key.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in known:
                counts[".".join(parts[:i]) + ("." if i else "")] += 1
    most = max(counts.values(), default=0)
    return [prefix for prefix, count in counts.items() if 2 * count >= most]


def is_averaged(prefix: str, tensors: Mapping[str, Tensor]) -> bool:
    """By its words, by torch's AveragedModel counter beside it, or by Lightning's record of averaging."""
    said = words([prefix])
    lightning = prefix.startswith("state_dict.") and "averaging_state.n_averaged" in tensors
    return (says_averaged([prefix]) or f"{prefix}n_averaged" in tensors or lightning) and not said & NOT_AVERAGED


def from_list(
    lists: Mapping[str, list[Tensor]], order: Mapping[str, Tensor], frozen: Collection[str], source: object
) -> Weights:
    """An average kept as a list in the order of the parameters (torch_ema, diffusers' EMAModel), named.

    `order` gives names and shapes; those in `frozen` may be left out. Raises InputError where they do not match.
    """
    key = _single(list(lists), "averaged", source)
    values = lists[key]
    trained = {name: tensor for name, tensor in order.items() if name not in frozen}
    for names in (order, trained):
        if [tensor.shape for tensor in names.values()] == [tensor.shape for tensor in values]:
            kept = {name: tensor for name, tensor in order.items() if name not in names}
            return Weights(kept | dict(zip(names, values, strict=True)), f"averaged ('{key}')")
    raise InputError(
        f"{source}: '{key}' is a list of {len(values)} averages without names, which are not this model's "
        f"{len(order)} parameters in order; copy them into the model (copy_to) and save its state_dict"
    )


def fallback(content: Any, flat: Flat, source: object) -> Weights:
    """What holds none of the model's names: the averaged or the usual part of it, for a message about what it holds."""
    if flat.odd:
        odd = next(iter(flat.odd.values()))
        raise InputError(f"{source}: the key {odd!r} is {type(odd).__name__}, expected a name")
    if not flat.tensors and content != {}:
        held = f", it holds {', '.join(map(str, list(content)[:4]))}" if isinstance(content, Mapping) else ""
        raise InputError(f"{source}: expected a mapping of names to tensors{held}")
    parts = {key.split(".")[0] + "." for key in flat.tensors}
    parts &= {f"{_bare(str(key))}." for key, value in content.items() if isinstance(value, Mapping)}
    averaged = sorted(p for p in parts if is_averaged(p, flat.tensors))
    prefix = next((p for p in (*averaged, *RAW[1:]) if p in parts), "")
    return Weights({k.removeprefix(prefix): v for k, v in flat.tensors.items() if k.startswith(prefix)})


def unsquash(flat: Flat, known: Mapping[str, str]) -> None:
    """Give an average's names their dots back: LitEma, of the latent diffusion codes, keeps `net.a.b` as `netab`."""
    squashed = {name.replace(".", ""): name for name in known}
    for key in list(flat.tensors):
        head, _, tail = key.rpartition(".")
        if key in known or not says_averaged([head]):
            continue
        ends = [name for name in squashed if tail.endswith(name)]
        if ends:
            flat.tensors[f"{head}.{squashed[max(ends, key=len)]}"] = flat.tensors.pop(key)


def words(path: Collection[Any]) -> set[str]:
    """The words of a path, in small letters: `state_dict_ema`, `netEMA` and `ema-0.9999` all hold `ema`."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", ".".join(str(part) for part in path))
    return {part.lower() for part in parts}


def says_averaged(path: Collection[Any]) -> bool:
    """Whether a word of the path names an average."""
    return any(AVERAGED.fullmatch(word) for word in words(path))


def _leaves(content: Any, path: tuple[Any, ...], source: object) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every tensor, and every list of tensors that is named as an average, with the keys that lead to it.

    Raises InputError beyond MAX_DEPTH.
    """
    if len(path) > MAX_DEPTH:
        raise InputError(f"{source}: its mappings are nested deeper than {MAX_DEPTH} levels")
    if isinstance(content, Tensor):
        yield path, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _leaves(value, (*path, key), source)
    elif _is_list(content) and path and says_averaged(path[-1:]):
        yield path, list(content)
    elif isinstance(content, list | tuple):  # of state dicts: one average for each decay
        for number, value in enumerate(content):
            yield from _leaves(value, (*path, str(number)), source) if isinstance(value, Mapping) else ()


def _is_list(content: Any) -> bool:
    whole = isinstance(content, list | tuple) and all(isinstance(value, Tensor) for value in content)
    return whole and len(content) > 1


def _group(flat: Flat, prefix: str, prefixes: Collection[str], known: Mapping[str, str], source: object) -> dict:
    """The tensors under a prefix, apart from other copies inside it, under the model's own names."""
    inner = [other for other in prefixes if other != prefix and other.startswith(prefix)]
    group = {}
    for key in sorted(flat.odd):
        if key.startswith(prefix) and "." not in key.removeprefix(prefix):
            raise InputError(f"{source}: the key {flat.odd[key]!r} is {type(flat.odd[key]).__name__}, expected a name")
    for key, tensor in flat.tensors.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or any(key.startswith(other) for other in inner) or name in COUNTERS - set(known):
            continue
        group[known.get(name, name)] = tensor
    return group


def _single(prefixes: list[str], what: str, source: object) -> str:
    if len(prefixes) > 1:
        several = ", ".join(map(shown, prefixes[:4]))
        raise InputError(
            f"{source}: holds several {what} copies of the weights ({several}); save the one that is meant"
        )
    return prefixes[0]


def _first(raw: list[str], source: object) -> str:
    """The usual one of several copies that nothing calls averaged. Raises InputError where none is usual."""
    usual = [prefix for prefix in RAW if prefix in raw]
    return usual[0] if usual else _single(raw, "raw", source)


def _bare(name: str) -> str:
    """A dotted name without the words that compile, FSDP, DDP and activation checkpointing put into it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
