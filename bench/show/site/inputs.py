"""What a site is made from: result directories, some of runs and some of studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.show.site.runs import Run, read_runs
from bench.show.site.studies import Study, grouped
from bench.store.studies import holds_studies, read_studies


@dataclass(frozen=True)
class Inputs:
    runs: list[Run]
    studies: list[Study]
    directories: list[Path]


def read_inputs(directories: Sequence[Path | str]) -> Inputs:
    """Runs in the order given, studies by name. Raises InputError as `read_runs` and `grouped` do."""
    paths = [Path(d) for d in directories]
    of_studies = [path for path in paths if holds_studies(path)]
    of_runs = [path for path in paths if path not in of_studies]
    studies = grouped([stored for directory in of_studies for stored in read_studies(directory)])
    return Inputs(read_runs(of_runs) if of_runs or not studies else [], studies, paths)
