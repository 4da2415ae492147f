"""Where the numbers come from: protocol, settings, machine, and the command that makes them again."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bench.schema.cell import Cell, look_up
from bench.show.report.format import duration, percent
from bench.store.results import Results
from bench.suite import SHIPPED

Facts = list[tuple[str, str]]


def protocol_facts(results: Results) -> Facts:
    """Protocol version, suite, counts, and how the timing went."""
    cells = results.cells
    counts = Counter(cell["status"] for cell in cells)
    facts = [
        ("Suite", str(results.suite.get("suite") or _values(cells, "suite") or "unknown")),
        ("Suite file, SHA-256 from", str(results.suite.get("sha256") or "not recorded")[:16]),
        ("Protocol version", _values(cells, "protocol")),
        ("Cells", ", ".join(f"{count} {status}" for status, count in counts.items()) or "none"),
        ("Time spent in cells", duration(sum(cell.get("seconds") or 0 for cell in cells))),
        ("Finished", _period([cell["finished"] for cell in cells if cell.get("finished")])),
    ]  # fmt: skip
    for name in ("features", "fingerprint", "reference", "reference_samples", "samples", "seed"):
        facts.append((_title(f"quality {name}"), _values(cells, f"quality.{name}")))
    rules = {k: v for k, v in (results.suite.get("protocol") or {}).items() if k != "version"}  # the cells say it
    facts += [(_title(f"protocol {key}"), str(value)) for key, value in flat(rules) if value != "None"]
    return [*facts, *_round_facts(cells)]


def measured(cells: Sequence[Cell]) -> str:
    """How cells that share columns were measured, in one sentence: samples, seeds, settings, machine, commits."""
    cell = next((cell for cell in cells if cell["status"] == "ok"), cells[0])
    samples, seed = look_up(cell, "quality.samples"), look_up(cell, "quality.seed")
    guidance, batch = look_up(cell, "settings.guidance_scale"), look_up(cell, "timing.batch")
    facts = [
        samples is not None and f"{samples:,} samples a cell (seeds from {seed})",
        guidance is not None and f"guidance {guidance:g}",
        batch is not None and f"timed in batches of {batch} in {look_up(cell, 'settings.dtype')} on {_machine(cell)}",
        (torch := look_up(cell, "environment.torch")) and f"torch {torch}",
        f"protocol {cell['protocol']}",
        f"commit {', '.join(dict.fromkeys(str(look_up(c, 'environment.commit') or '?')[:7] for c in cells))}",
        samples is not None and _images_by(cells),
    ]
    return ", ".join(str(fact) for fact in facts if fact) + "."


def _images_by(cells: Sequence[Cell]) -> str | None:
    """Which commits made the images, where they are not the ones that measured: samples are reused."""
    commits = [look_up(cell, "quality.sampled_by") or ["?"] for cell in cells if cell.get("quality")]
    made = dict.fromkeys(commit[:7] for several in commits for commit in several)
    if set(made) <= {str(look_up(cell, "environment.commit"))[:7] for cell in cells}:
        return None
    unknown = sum(several == ["?"] for several in commits)
    known = ", ".join(commit for commit in made if commit != "?")
    said = [known and f"by commit {known}", unknown and f"of {unknown} cells by an earlier one that was not recorded"]
    return f"images {' and '.join(part for part in said if part)}"


def _machine(cell: Cell) -> str:
    gpu = look_up(cell, "environment.gpu")
    if gpu and not str(look_up(cell, "settings.device")).startswith("cpu"):
        return str(gpu)
    return f"{look_up(cell, 'settings.threads')} thread(s) of {look_up(cell, 'environment.cpu')}"


def _period(times: list[str]) -> str:
    """The first and the last of ISO 8601 times in UTC, to the minute."""
    if not times:
        return "not recorded"
    ends = dict.fromkeys(time[:16].replace("T", " ") for time in (min(times), max(times)))
    return " to ".join(ends) + " UTC"


def _round_facts(cells: list[Cell]) -> Facts:
    rounds = [rounds for cell in cells if (rounds := look_up(cell, "timing.rounds"))]
    if not rounds:
        return []
    counts = sorted({len(r) for r in rounds})
    every = [r for cell_rounds in rounds for r in cell_rounds if isinstance(r, dict)]
    disturbed = sum(bool(r.get("interfered")) for r in every)
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    share = percent(disturbed / len(every)) if every else "unknown"
    return [("Timed rounds a cell", span), ("Rounds in which another process interfered", share)]


def settings_facts(results: Results) -> Facts:
    """Settings, one line each; several values where cells differ."""
    return _facts(results.cells, "settings")


def has_random_weights(results: Results) -> bool:
    """Whether any cell ran with random weights, so that its samples mean nothing and it has no quality."""
    return any(look_up(cell, "settings.weights") == "random" for cell in results.cells)


def environment_facts(results: Results) -> Facts:
    """Machine and software, one line each; several values where cells differ."""
    return _facts(results.cells, "environment")


def _facts(cells: Iterable[Cell], part: str) -> Facts:
    cells = list(cells)
    names = list(dict.fromkeys(key for cell in cells for key, _ in flat(cell.get(part) or {})))
    return [(_title(name), _values(cells, f"{part}.{name}")) for name in names]


_ACRONYMS = {"cpu": "CPU", "gpu": "GPU", "os": "OS", "gb": "GB", "mb": "MB", "nfe": "NFE", "cuda": "CUDA"}


def _title(name: str) -> str:
    words = " ".join(_ACRONYMS.get(word, word) for word in name.replace("_", " ").replace(".", " ").split())
    return words[:1].upper() + words[1:]


def _values(cells: Iterable[Cell], dotted: str) -> str:
    """The distinct values of a field; numbers that vary a lot (load) as a range."""
    found = [value for cell in cells if (value := look_up(cell, dotted)) is not None]
    distinct = list(dict.fromkeys(str(value) for value in found))
    if dotted == "settings.guidance_channels" and not found:
        return "all"
    if len(distinct) > 4 and all(isinstance(value, int | float) for value in found):
        return f"{min(found):g} to {max(found):g}"
    shown = ", ".join(distinct[:4]) + (f" and {len(distinct) - 4} more" if len(distinct) > 4 else "")
    return shown or "not recorded"


def flat(table: dict[str, Any], prefix: str = "") -> Facts:
    """Names with dots, and the texts of their values."""
    found: Facts = []
    for key, value in table.items():
        found += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", str(value))]
    return found


def commands(results: Results) -> Facts:
    """(what it does, command line). The directory stands as it was given, so the lines work from the same place."""
    name = str(results.suite.get("suite") or "")
    shipped = name in {path.stem for path in SHIPPED.glob("*.toml")}
    suite = name if shipped else "SUITE.toml"
    source = "" if shipped else f", SUITE.toml being the file of the suite {name}".rstrip()
    directory = shlex.quote(str(results.directory))
    return [
        (f"Go on with this run and write this page (finished cells are kept, a missing directory is begun{source})",
         f"ditbench run {shlex.quote(suite)} --out {directory}{_options(results)}{_plugins(results)}"),
        ("Measure one cell alone, elsewhere; --only takes any MODEL/SLUG, the name of its file in cells/",
         f"ditbench run {shlex.quote(suite)} --out elsewhere{_options(results)}{_plugins(results)}{_one(results)}"),
        ("Write this page again from the stored results", f"ditbench report {directory}"),
    ]  # fmt: skip


def _plugins(results: Results) -> str:
    """The files of third parties, by name: where they lie is the reader's."""
    stated = results.suite.get("plugins")
    named = [entry.get("file") for entry in stated if isinstance(entry, dict)] if isinstance(stated, list) else []
    return "".join(f" --plugin {shlex.quote(str(name))}" for name in named)


def _one(results: Results) -> str:
    """--only for the first cell."""
    cells = results.suite.get("cells")
    model, slug = cells[0] if isinstance(cells, list) and cells else ("MODEL", "SLUG")
    return f" --only {shlex.quote(f'{model}/{slug}')}"


def _options(results: Results) -> str:
    """The options without which the run would be another one."""
    settings = results.suite.get("settings")
    chosen = settings if isinstance(settings, dict) else {}
    usual = {"device": "cpu", "dtype": "float32", "threads": 1, "weights": None}
    given = {name: chosen[name] for name, value in usual.items() if chosen.get(name, value) != value}
    return "".join(f" --{name} {shlex.quote(str(value))}" for name, value in given.items())
