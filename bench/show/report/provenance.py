"""Where the numbers come from: protocol, settings, machine, and the command that makes them again."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bench.show.report.format import duration, percent
from bench.store.parts import Table, entries
from bench.store.results import Results
from bench.store.stored_cell import Name, StoredCell
from bench.suite import SHIPPED

Facts = list[tuple[str, str]]
UNRECORDED = "not recorded"


def protocol_facts(results: Results) -> Facts:
    """Protocol version, suite, counts, and how the timing went."""
    cells = results.cells
    counts = Counter(cell.status for cell in cells)
    facts = [
        ("Suite", results.suite.name or _values([c.suite for c in cells])),
        ("Suite file, SHA-256 from", (results.suite.sha256 or UNRECORDED)[:16]),
        ("Protocol version", _values([cell.protocol for cell in cells])),
        ("Cells", ", ".join(f"{count} {status}" for status, count in counts.items()) or "none"),
        ("Time spent in cells", duration(sum(cell.seconds or 0 for cell in cells))),
        ("Finished", _period([cell.finished for cell in cells if cell.finished])),
    ]  # fmt: skip
    for name in ("features", "fingerprint", "reference", "reference_samples", "samples", "seed"):
        facts.append((_title(f"quality {name}"), _values([getattr(cell.quality, name) for cell in cells])))
    rules = {k: v for k, v in results.suite.protocol.items() if k != "version"}  # the cells say it
    facts += [(_title(f"protocol {key}"), value) for key, value in flat(rules) if value != "None"]
    return [*facts, *_round_facts(cells)]


def logs(results: Results) -> dict[Name, str]:
    """The logs of cells that did not finish, by the path in the directory; a run's directory holds them."""
    paths = {cell.name: f"logs/{cell.model}/{cell.slug}.log" for cell in results.cells if not cell.is_ok}
    return {name: path for name, path in paths.items() if (results.directory / path).is_file()}


def measured(cells: Sequence[StoredCell]) -> str:
    """How cells that share columns were measured, in one sentence: samples, seeds, settings, machine, commits."""
    cell = next((cell for cell in cells if cell.is_ok), cells[0])
    samples, seed = cell.quality.samples, cell.quality.seed
    guidance, batch = cell.settings.guidance_scale, cell.timing.batch
    facts = [
        samples is not None and f"{samples:,} samples a cell (seeds from {seed})",
        guidance is not None and f"guidance {guidance:g}",
        batch is not None and f"timed in batches of {batch} in {cell.settings.dtype} on {machine_words(cell)}",
        cell.environment.torch and f"torch {cell.environment.torch}",
        f"protocol {cell.protocol}",
        f"commit {', '.join(dict.fromkeys(str(c.environment.commit or '?')[:7] for c in cells))}",
        samples is not None and _images_by(cells),
    ]
    return ", ".join(str(fact) for fact in facts if fact) + "."


def _images_by(cells: Sequence[StoredCell]) -> str | None:
    """Which commits made the images, where they are not the ones that measured: samples are reused."""
    commits = [cell.quality.sampled_by or ["?"] for cell in cells if cell.quality]
    made = dict.fromkeys(commit[:7] for several in commits for commit in several)
    if set(made) <= {str(cell.environment.commit)[:7] for cell in cells}:
        return None
    unknown = sum(several == ["?"] for several in commits)
    known = ", ".join(commit for commit in made if commit != "?")
    said = [known and f"by commit {known}", unknown and f"of {unknown} cells by an earlier one that was not recorded"]
    return f"images {' and '.join(part for part in said if part)}"


def machine_words(cell: StoredCell) -> str:
    """`2 thread(s) of AMD EPYC with onednn products`; of a cell that ran on a GPU, the GPU."""
    machine, settings = cell.environment, cell.settings
    if machine.gpu and not str(settings.device).startswith("cpu"):
        return str(machine.gpu)
    threads = f"{settings.threads} thread(s) of " if settings.threads else ""
    products = "" if settings.kernels == "blas" else f" with {settings.kernels} products"
    return f"{threads}{machine.cpu or 'an unrecorded machine'}{products}"


def _period(times: list[str]) -> str:
    """The first and the last of ISO 8601 times in UTC, to the minute."""
    if not times:
        return "not recorded"
    ends = dict.fromkeys(time[:16].replace("T", " ") for time in (min(times), max(times)))
    return " to ".join(ends) + " UTC"


def _round_facts(cells: list[StoredCell]) -> Facts:
    rounds = [cell.timing.rounds for cell in cells if cell.timing.rounds]
    if not rounds:
        return []
    counts = sorted({len(r) for r in rounds})
    disturbed = sum(sum(r.interfered) for r in rounds)
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    share = percent(disturbed / sum(map(len, rounds)))
    return [("Timed rounds a cell", span), ("Rounds in which another process interfered", share)]


def settings_facts(results: Results) -> Facts:
    """Settings, one line each; several values where cells differ."""
    return _facts([cell.settings.stated for cell in results.cells])


def has_random_weights(results: Results) -> bool:
    """Whether any cell ran with random weights, so that its samples mean nothing and it has no quality."""
    return any(cell.settings.weights == "random" for cell in results.cells)


def environment_facts(results: Results) -> Facts:
    """Machine and software, one line each; several values where cells differ."""
    return _facts([cell.environment.stated for cell in results.cells])


def _facts(tables: Iterable[Table]) -> Facts:
    flattened = [dict(entries(table)) for table in tables]
    names = dict.fromkeys(name for table in flattened for name in table)
    facts = {name: _values([table.get(name) for table in flattened]) for name in names}
    if facts.get("guidance_channels") == UNRECORDED:
        facts["guidance_channels"] = "all"
    return [(_title(name), text) for name, text in facts.items()]


_ACRONYMS = {"cpu": "CPU", "gpu": "GPU", "os": "OS", "gb": "GB", "mb": "MB", "nfe": "NFE", "cuda": "CUDA"}


def _title(name: str) -> str:
    words = " ".join(_ACRONYMS.get(word, word) for word in name.replace("_", " ").replace(".", " ").split())
    return words[:1].upper() + words[1:]


def _values(values: Iterable[Any]) -> str:
    """The distinct values of a field; numbers that vary a lot (load) as a range."""
    known = [value for value in values if value is not None]
    distinct = list(dict.fromkeys(str(value) for value in known))
    if len(distinct) > 4 and all(isinstance(value, int | float) for value in known):
        return f"{min(known):g} to {max(known):g}"
    shown = ", ".join(distinct[:4]) + (f" and {len(distinct) - 4} more" if len(distinct) > 4 else "")
    return shown or UNRECORDED


def flat(table: Table) -> Facts:
    """Names with dots, and the texts of their values."""
    return [(name, str(value)) for name, value in entries(table)]


def commands(results: Results) -> Facts:
    """(what it does, command line). The directory stands as it was given, so the lines work from the same place."""
    name = results.suite.name
    shipped = name in {path.stem for path in SHIPPED.glob("*.toml")}
    suite = name if shipped else "SUITE.toml"
    source = "" if shipped else f", SUITE.toml is the file of the suite {name}".rstrip()
    directory = shlex.quote(str(results.directory))
    return [
        (f"Go on with this run: finished cells are kept{source}",
         f"ditbench run {shlex.quote(suite)} --out {directory}{_options(results)}{_plugins(results)}"),
        ("Measure one cell alone, elsewhere; --only takes any MODEL/SLUG, the name of its file in cells/",
         f"ditbench run {shlex.quote(suite)} --out elsewhere{_options(results)}{_plugins(results)}{_one(results)}"),
        ("Write this page again from the stored results", f"ditbench report {directory}"),
    ]  # fmt: skip


def _plugins(results: Results) -> str:
    """The files of third parties, by name: where they lie is the reader's."""
    return "".join(f" --plugin {shlex.quote(name)}" for name in results.suite.plugins)


def _one(results: Results) -> str:
    """--only for the first cell."""
    model, slug = results.suite.cells[0] if results.suite.cells else ("MODEL", "SLUG")
    return f" --only {shlex.quote(f'{model}/{slug}')}"


def _options(results: Results) -> str:
    """The options without which the run would be another one."""
    settings = results.suite.settings
    chosen = {**(settings.get("execution") or {}), **settings}
    usual = {"device": "cpu", "dtype": "float32", "threads": 1, "weights": None, "kernels": "blas"}
    given = {name: chosen[name] for name, value in usual.items() if chosen.get(name, value) != value}
    return "".join(f" --{name} {shlex.quote(str(value))}" for name, value in given.items())
