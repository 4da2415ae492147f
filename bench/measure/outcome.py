"""What becomes of a cell that cannot be measured: a status and one line that says why."""

from __future__ import annotations

from bench.measure.memory import is_out_of_memory
from models.errors import InputError, text_of

REASON = 300  # most characters of a reason; the log has the rest
Outcome = tuple[str, str]  # status, reason


class Unsupported(Exception):
    """The cache method says that it cannot run on this model with this sampler."""


def outcome_of(error: BaseException) -> Outcome:
    """`unsupported`, `oom` or `failed`, and the reason."""
    if isinstance(error, Unsupported):
        return "unsupported", one_line(error)
    return "oom" if is_out_of_memory(error) else "failed", one_line(error)


def one_line(error: BaseException) -> str:
    """The reason that a result gives: the message alone where it was written for the user."""
    text = text_of(error)
    if not isinstance(error, InputError | Unsupported):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text[:REASON]
