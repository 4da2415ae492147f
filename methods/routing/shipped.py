"""The routers that come with the package: one file for a model, a sampler and λ.

`model` is everywhere the folder of a model's routers: for L2C, which was there first, its name; for another method
`shelf` says it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import models
from methods.method import Sampler
from methods.routing.file import Router, read_card
from models.errors import InputError

ROUTERS = Path(__file__).parent.parent / "routers"


def sampler_settings(sampler: Sampler) -> dict[str, Any]:
    """What identifies a sampler in a router's card."""
    return {"name": sampler.name, "params": dict(sampler.params)}


def made_for(card: dict[str, Any], model: str, sampler: Sampler) -> str | None:
    """What a router was made for, in words, where that is another model, sampler or guidance; None where it fits.

    Only what its card states is compared, and only a model that has a name.
    """
    recorded = card.get("sampler")
    theirs = recorded if isinstance(recorded, dict) else {"name": recorded}
    stated = theirs.get("params")
    trained = {"model": card.get("model"), "sampler": theirs.get("name"), "guidance_scale": card.get("guidance_scale")}
    trained |= stated if isinstance(stated, dict) else {}
    if theirs.get("name") == sampler.name and isinstance(stated, dict):  # an older card does not know newer parameters
        trained = {key: declared.default for key, declared in sampler.parameters.items()} | trained
    wanted = {"sampler": sampler.name, **sampler.params}
    if model:
        wanted["model"] = model
    if model in models.names():
        wanted["guidance_scale"] = models.spec(model).guidance_scale
    other = [key for key in trained.keys() & wanted.keys() if trained[key] not in (None, wanted[key])]
    return ", ".join(f"{key} {trained[key]} (here {wanted[key]})" for key in sorted(other)) or None


def refusal(router: Router, model: str, sampler: Sampler, transfer: bool) -> str | None:
    """Why a router may not decide here: it was made for something else, and nobody asked for a transfer."""
    other = made_for(router.card, model, sampler)
    if other is None or transfer:
        return None
    return f"{router.source}: was made for another setting: {other}; transfer = true takes it all the same"


def fits(card: dict[str, Any], sampler: Sampler) -> bool:
    """Whether the card names this sampler; parameters that it does not know must have their default values."""
    trained = card.get("sampler", {})
    defaults = {key: declared.default for key, declared in sampler.parameters.items()}
    expected = defaults | trained.get("params", {})
    return trained.get("name") == sampler.name and all(expected[k] == v for k, v in sampler.params.items())


def file_name(sampler: Sampler, l1: float) -> str:
    """`ddim-50-l1-1e-05.safetensors`, `dpm-solver++-20-uvit-singlestep-l1-0.1.safetensors`."""
    settings = [str(v) for k, v in sampler.params.items() if isinstance(v, str) and v != sampler.parameters[k].default]
    return "-".join([sampler.name, str(sampler.params["steps"]), *settings, "l1", f"{l1:g}"]) + ".safetensors"


def shelf(model: str, method: str = "l2c", interval: int = 2) -> str:
    """`dit-mnist` for L2C, `harmonica/dit-mnist` for HarmoniCa; routers of another interval lie below in a folder."""
    place = model if method == "l2c" else f"{method}/{model}"
    return place if interval == 2 else f"{place}/interval-{interval}"


@cache
def shipped(model: str) -> dict[Path, dict[str, Any]]:
    """The cards of the routers shipped for a model, by file."""
    return {path: read_card(path) for path in sorted((ROUTERS / model).glob("*.safetensors"))}


def strengths(model: str, sampler: Sampler) -> dict[float, Path]:
    """λ -> file, ascending, of the routers shipped for a model and sampler."""
    by_l1 = {float(card["l1"]): path for path, card in shipped(model).items() if fits(card, sampler)}
    return dict(sorted(by_l1.items()))


def find(model: str, sampler: Sampler, l1: float) -> Path:
    """The shipped router's file. Raises InputError that lists the available λ."""
    known = strengths(model, sampler)
    for strength, path in known.items():
        if abs(strength - l1) <= 1e-6 * abs(strength):
            return path
    available = ", ".join(f"{strength:g}" for strength in known) or "none"
    where = ROUTERS / (model or "unnamed model")
    name = f"{sampler.name} with steps = {sampler.params.get('steps')}"
    raise InputError(f"no shipped router with l1 = {l1:g} for {name} in {where}; available l1: {available}")


def by_weight(method: str, model: str, sampler: Sampler, l1: float | None) -> Path:
    """The file that is shipped for a method with that λ, or with the least. Raises InputError with what there is."""
    place = shelf(model, method)
    known = strengths(place, sampler)
    if l1 is None and not known:
        raise InputError(f"{method}: no router is shipped for {model or 'an unnamed model'} with {sampler.label}")
    return find(place, sampler, min(known) if l1 is None else l1)
