"""Pages about studies: the question, and for every model the answer, the plot, the data and the command."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.show.site.names import Names
from bench.show.site.page import Page
from bench.store.studies import StoredStudy
from models.errors import InputError


@dataclass(frozen=True)
class Finding:
    """What a study found about one model; `data` is where its JSON lies below the site's folder."""

    stored: StoredStudy
    anchor: str
    data: str

    @property
    def picture(self) -> str | None:
        """The plot as base64: an image on the page, in which no script runs."""
        return base64.b64encode(self.stored.picture).decode() if self.stored.picture else None


@dataclass(frozen=True)
class Study:
    """One question, and what was found about it by model."""

    name: str
    path: str
    findings: tuple[Finding, ...]

    @property
    def question(self) -> str:
        return self.findings[0].stored.question

    @property
    def how(self) -> str:
        return self.findings[0].stored.how


def grouped(found: Iterable[StoredStudy]) -> list[Study]:
    """Studies by name, each with its models by name."""
    by_name: dict[str, dict[str, StoredStudy]] = {}
    for one in found:
        other = by_name.setdefault(one.study, {}).setdefault(one.model, one)
        if other is not one:
            raise InputError(f"{other.file} and {one.file} both claim the study {one.study} of {one.model}")
    names = Names()
    return [
        Study(name, f"study/{page}.html", findings(page, by_name[name]))
        for name in sorted(by_name)
        for page in [names.of(name)]
    ]


def findings(page: str, by_model: dict[str, StoredStudy]) -> tuple[Finding, ...]:
    names = Names()
    return tuple(
        Finding(by_model[model], anchor, f"data/study/{page}/{anchor}.json")
        for model in sorted(by_model)
        for anchor in [names.of(model)]
    )


def pages(studies: Sequence[Study]) -> Iterator[Page]:
    """One page a study, linked with the others."""
    for study in studies:
        yield Page(study.path, "study.html", {"title": study.question, "study": study})


def data_files(studies: Sequence[Study]) -> Iterator[tuple[str, bytes]]:
    """(path, content): every result as it was stored."""
    for study in studies:
        yield from ((finding.data, finding.stored.content) for finding in study.findings)
