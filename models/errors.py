"""Bad input: one clear line that names the file, key or value and what was expected."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The user's input is wrong. The message is one line; the command line exits with code 2."""


def first_line(error: BaseException) -> str:
    """What another library's error says, short enough for one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def expect_one_of(what: str, value: object, names: Iterable[str]) -> None:
    """Raise InputError unless `value` is one of `names`; the message offers the nearest one."""
    names = sorted(names)
    if value in names:
        return
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.4)
    hint = f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(names)}"
    raise InputError(f"unknown {what} '{value}'; {hint}")
