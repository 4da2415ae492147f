"""The static site: pages about runs, models, methods and machines, made from stored results. Measures nothing.

It works from file:// without a network: scripts and data lie in the pages or in assets/, and no page asks for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.host.files import expect_writable_folder, write_bytes
from bench.show.pages import TEMPLATES, templates
from bench.show.report.exports import FORMATS, exports
from bench.show.report.figures import FULL, pareto
from bench.show.report.plots import measures_of
from bench.show.site.comparisons import pairs
from bench.show.site.digest import digest
from bench.show.site.feed import entries
from bench.show.site.inputs import Inputs, read_inputs
from bench.show.site.pages import Site
from bench.show.site.runs import Run, machines_of
from bench.show.site.studies import data_files
from models.errors import InputError

SCRIPTS = ("address.js", "table.js", "plot.js", "versus.js")  # in the order in which a page runs them
STYLES = ("report.css", "study.css", "site/site.css")
MARK = ".ditbench-site"  # says that a folder is a site, which may be replaced, and lists its files


Files = dict[str, bytes]  # by their paths below the site's folder
Chosen = Sequence[tuple[Path | str, Path | str]]


def write_site(directories: Sequence[Path | str], out: Path | str, chosen: Chosen = (), figures: bool = False) -> Path:
    """Write the site of some result directories below `out`; returns its index.html. The same input, the same bytes.

    `chosen` are pairs of directories to compare, instead of consecutive runs of one suite; `figures`: every plot for a
    paper as well, which takes longer than all else. Raises InputError where
    there are no results, where two directories claim one cell, where `out` holds something else, or where a file
    cannot be written; nothing is written before everything has been read.
    """
    out = Path(out)
    expect_writable_folder(out)
    inputs = read_inputs(directories)
    _check_target(out, inputs)
    files = build(inputs, chosen, figures)
    _remove_others(out, set(files))
    for name, content in files.items():
        write_bytes(out / name, content)
    return out / "index.html"


def stale(directories: Sequence[Path | str], out: Path | str, chosen: Chosen = (), figures: bool = False) -> str | None:
    """Why the site in `out` is not the one that these directories and this version make, in one line; None if it is.

    Raises InputError where `out` is no site. Writes nothing.
    """
    out = Path(out)
    if not (out / MARK).is_file():
        raise InputError(f"{out}: expected a site to check, as `ditbench site` writes it")
    files = build(read_inputs(directories), chosen, figures)
    was, now = ((text.split(b"\n", 1)[0]) for text in ((out / MARK).read_bytes(), files[MARK]))
    if was != now:
        return f"{out}: stale: built from other results"
    for name, content in files.items():
        if not (out / name).is_file() or (out / name).read_bytes() != content:
            return f"{out}: stale: {name} is not what this version makes of the same results"
    return None


def build(inputs: Inputs, chosen: Chosen = (), figures: bool = False) -> Files:
    """Every file of the site. The first line of the mark says what it was built from."""
    runs, studies, built_from = inputs.runs, inputs.studies, digest(inputs)
    site = Site(runs, pairs(runs, chosen), studies, figures)
    drawn = _figures(site) if figures else ()
    files = dict([*_assets(), *_tables(runs), *data_files(studies), *drawn, *_texts(site, built_from)])
    return {MARK: "\n".join([f"inputs {built_from}", *sorted(files)]).encode()} | files


def _remove_others(out: Path, wanted: set[str]) -> None:
    """Take away what an older site wrote and this one does not; only files below `out` that its mark names."""
    mark = out / MARK
    for name in mark.read_text("utf-8").split("\n") if mark.is_file() else []:
        path = out / name
        if name not in wanted and path.is_file() and out.resolve() in path.resolve().parents:
            path.unlink()


def _check_target(out: Path, inputs: Inputs) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a directory for the site")
    for directory in inputs.directories:
        if out.resolve() == directory.resolve():
            raise InputError(f"{out}: holds the results; choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).exists():
        raise InputError(f"{out}: holds something that is not a site; choose an empty or new directory")


def _texts(site: Site, inputs: str) -> Any:
    """(path, content) of every page and the feed."""
    environment = templates("site")
    common = {"site": site, "runs": site.runs, "machines_of": machines_of, "inputs": inputs}
    for page in site.pages():
        root = "../" * page.path.count("/")
        yield page.path, environment.get_template(page.template).render(common | page.context, root=root).encode()
    yield "feed.xml", environment.get_template("feed.xml").render(entries=entries(site.runs)).encode()


def _assets() -> Any:
    """(path, content) of what all pages share."""
    from plotly.offline import get_plotlyjs

    yield "assets/plotly.js", get_plotlyjs().encode()
    yield "assets/site.css", b"".join((TEMPLATES / name).read_bytes() for name in STYLES)
    yield "assets/site.js", b"".join((TEMPLATES / "site" / name).read_bytes() for name in SCRIPTS)


def _tables(runs: Sequence[Run]) -> Any:
    """(path, content) of every run's table in four formats."""
    for run in runs:
        for form, text in exports(run.results.cells, run.groups, run.table):
            yield f"data/{run.page}.{FORMATS[form]}", text.encode()


def _figures(site: Site) -> Any:
    """(path, content) of every group's plot for a paper, in three formats."""
    for part in site.parts:
        measures = measures_of(part.group)
        if measures:
            files = pareto(part.group, measures[0], FULL)
            yield from ((path, files[form]) for form, path in part.figures.items())
