"""Names of a method's family and of its setting."""

from bench.schema.cell import Cell, look_up


def family_name(cell: Cell) -> str:
    """The cache method's title, or the sampler's without its steps: `FORA`, `DDIM`, `DPM-Solver++ (order=3)`."""
    title = cell["method"]
    if cell.get("cache") is not None:
        title = title.partition(" + ")[2].partition(" (")[0]
        return title or cell["cache"]["name"]
    steps = look_up(cell, "sampler.steps")
    name, found, variant = title.partition(f"-{steps}")
    return name + variant if found and name else cell["sampler"]["name"]


def setting_name(cell: Cell) -> str:
    """What tells a setting from others of its family, for a label in a plot: the steps, or the cache's parameters."""
    if cell.get("cache") is None:
        return str(look_up(cell, "sampler.steps") or cell["method"])
    name = cell["method"].partition(" + ")[2] or cell["method"]
    inside = name.partition(" (")[2].removesuffix(")") or name
    return inside if len(inside) <= 24 else inside[:23] + "…"
