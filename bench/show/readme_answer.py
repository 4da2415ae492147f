"""What the README says of the committed results: what to use on every model, a plot, and what to use at each speed."""

from __future__ import annotations

from collections.abc import Sequence

from bench.show.report.decision_text import sentence, speed_lines
from bench.show.report.group import Group
from bench.show.report.markup import markdown_table, markdown_text
from bench.show.report.timing_notes import warning_sentence
from models.errors import InputError


def answer_section(groups: Sequence[Group], picture: str) -> str:
    """The README's section in Markdown. Raises InputError where the first model has no reference to count from."""
    first = groups[0]
    told = "\n".join(f"- **{markdown_text(group.model)}**: {markdown_text(sentence(group))}" for group in groups)
    return (
        f"{told}\n\n![Quality against latency on {first.model}]({picture})\n\n"
        f"Up is worse, right is slower; the line is the sampler with fewer steps. What to use on {first.model} at\n"
        f"each speed; {counts(first)}:\n\n"
        f"{lines(first)}\n"
        f"{markdown_text(warning_sentence(first.cells))}\n"
    )


def lines(group: Group) -> str:
    """The table of what to use at each speed, slowest first."""
    if group.decision().headline is None or group.reference is None:
        raise InputError(f"{group.model}: no reference with both a {group.distance} and a latency")
    reference = group.reference.method
    headings = [f"Times as fast as {reference}", "Setting", f"{group.distance} against it", "Latency"]
    rows = [[line.speed, line.method, line.gap, line.latency] for line in speed_lines(group)]
    return markdown_table(headings, rows)


def counts(group: Group) -> str:
    """How much of the model is decided."""
    decision = group.decision()
    words = [ruling.word for ruling in decision.rulings.values()]
    return (
        f"of {len(words)} settings {words.count('replaceable')} are replaceable by others and "
        f"{words.count('undecided')} undecided"
    )
