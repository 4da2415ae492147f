"""The shipped routers as pictures: their scores, and the loss that they were learned by. Files are data.

A router stands with a cell only where its scores decide what the cell's stored plan computes: so the picture is of the
router that was measured, not of another one with the same name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from safetensors import SafetensorError
from safetensors.numpy import load_file

from bench.host.places import REPOSITORY
from bench.schema.cell import read_json
from bench.show.report.format import duration, figure, percent
from bench.show.report.svg import element, path
from bench.store.parts import CacheMethod, Sampler
from bench.store.stored_cell import StoredCell
from models.errors import InputError

DIRECTORY = REPOSITORY / "methods" / "routers"
WIDTH, HEIGHT, GAP, MARGIN = 300, 6, 8, 34  # as the heat maps of plans, beside which they stand
CURVE = 60  # height of the loss curve
SHADES = 10  # of a score


@dataclass(frozen=True)
class Router:
    """A router's card, and its scores [rows, branches] in [0, 1] in the order of the trajectory."""

    card: dict[str, Any]
    scores: np.ndarray


@dataclass(frozen=True)
class Picture:
    """A router as a page shows it."""

    name: str
    caption: str
    svg: Markup


def pictures(cells: Iterable[StoredCell]) -> list[Picture]:
    """Of those cells' routers that are at hand."""
    pairs = [(cell, router_of(cell)) for cell in cells]
    return [Picture(cell.method, caption(r.card), draw(r, cell.method)) for cell, r in pairs if r is not None]


def router_of(cell: StoredCell) -> Router | None:
    """The shipped router that made the cell's plan; None where there is none."""
    if cell.cache is None or cell.cache.params.get("router") is not None:
        return None
    plan = [row for row in cell.plan.rows if "." in row]
    given = cell.cache.params.get("threshold")
    for router in shipped(cell.model):
        threshold = router.card["threshold"] if given is None else given
        if is_named(router.card, cell.sampler, cell.cache) and plan and decisions(router.scores, threshold) == plan:
            return router
    return None


def is_named(card: dict[str, Any], sampler: Sampler, cache: CacheMethod) -> bool:
    """Whether a cell with these asks for the card's method and λ, with the card's sampler."""
    params = sampler.params
    asked = all(params.get(key, value) == value for key, value in card["sampler"]["params"].items())
    learned = card.get("method", "l2c") == cache.name and cache.params.get("l1") == card["l1"]
    return learned and card["sampler"]["name"] == sampler.name and asked


def decisions(scores: np.ndarray, threshold: float) -> list[str]:
    """Rows of a plan that reuse something: a branch is computed where its score is greater than the threshold."""
    rows = ("".join("#" if computed else "." for computed in row) for row in scores > threshold)
    return [row for row in rows if "." in row]


@cache
def shipped(model: str, directory: Path = DIRECTORY) -> tuple[Router, ...]:
    """The routers shipped for a model, each in both orders: some layouts count steps up, others down.

    A router that cannot be read is passed over: a page does without its picture.
    """
    routers = []
    for file in sorted(directory.rglob("*.json")):
        try:
            card = read_json(file)
            if card.get("model") == model and {"sampler", "l1", "threshold", "loss"} <= set(card):
                scores = read_scores(file.with_suffix(".safetensors"))
                routers += [Router(card, scores), Router(card, scores[::-1])]
        except (InputError, OSError, SafetensorError, ValueError):
            continue
    return tuple(routers)


def read_scores(file: Path) -> np.ndarray:
    """Scores [rows, branches] of the trained rows, by their numbers: the sigmoid of the stored logits."""
    rows = {int(name.partition(".")[0]): logits for name, logits in load_file(file).items()}
    return 1 / (1 + np.exp(-np.stack([rows[i] for i in sorted(rows)]).astype(np.float64)))


def caption(card: dict[str, Any]) -> str:
    return (
        f"λ = {card['l1']:g}: reuses {percent(card['removed'], 0)} of the branches it decides about; learned in "
        f"{duration(card['seconds'])} from {card['images']:,} images"
    )


def draw(router: Router, name: str) -> Markup:
    """Scores above (attention, MLP; decided evaluations across), the loss over the optimiser's steps below."""
    panel = HEIGHT * router.scores.shape[1] // 2
    parts = []
    for kind, text in enumerate(("attn", "MLP")):
        top = kind * (panel + GAP)
        parts += shades(router.scores[:, kind::2], top)
        parts.append(element("text", text, x=MARGIN - 5, y=top + panel / 2 + 4, class_="tick end"))
        parts.append(element("rect", x=MARGIN, y=top, width=WIDTH, height=panel, class_="frame"))
    top = 2 * (panel + GAP) + GAP
    title = f"Router of {name}: scores of {len(router.scores)} evaluations, and its loss while it learned"
    return element(
        "svg", element("title", title), *parts, *curve(router.card["loss"], top), class_="plan", role="img",
        aria_label=title, viewBox=f"0 -1 {MARGIN + WIDTH + 1} {top + CURVE + 18}",
    )  # fmt: skip


def shades(scores: np.ndarray, top: int) -> list[Markup]:
    """One path for each of the SHADES that occur; scores [evaluations, blocks]. The darker, the nearer to 1."""
    unit, levels = WIDTH / len(scores), np.rint(scores * SHADES).astype(int)
    rows = []
    for level in range(1, SHADES + 1):
        data = "".join(
            f"M{MARGIN + unit * k:.2f} {top + HEIGHT * j}h{unit:.2f}v{HEIGHT}h-{unit:.2f}z"
            for k, j in np.argwhere(levels == level)
        )
        rows += [element("path", d=data, class_="computed", fill_opacity=level / SHADES)] if data else []
    return rows


def curve(losses: list[list[float]], top: int) -> list[Markup]:
    """The loss, logarithmic, over the steps of the optimiser, with its ends written out."""
    points = [(step, math.log(loss)) for step, loss in losses if loss > 0]
    if len(points) < 2:
        return []
    last, logs = points[-1][0], [log for _, log in points]
    high, span = max(logs), (max(logs) - min(logs)) or 1.0
    spots = [(MARGIN + WIDTH * step / last, top + CURVE * (high - log) / span) for step, log in points]
    return [
        element("path", d=path(spots), class_="curve c1"),
        element("rect", x=MARGIN, y=top, width=WIDTH, height=CURVE, class_="frame"),
        element("text", f"loss {figure(losses[0][1])} → {figure(losses[-1][1])}", x=MARGIN + WIDTH - 4, y=top + 13,
                class_="tick end"),
        element("text", "0", x=MARGIN, y=top + CURVE + 13, class_="tick"),
        element("text", f"{last:,} steps", x=MARGIN + WIDTH, y=top + CURVE + 13, class_="tick end"),
    ]  # fmt: skip
