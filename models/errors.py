"""Bad input: one clear line that names the file, key or value and what was expected."""

import difflib
import re
from collections.abc import Iterable


class InputError(ValueError):
    """The user's input is wrong. The message is one line; the command line exits with code 2."""


THEIRS = (Exception, SystemExit)  # what somebody else's code may raise; KeyboardInterrupt is the user's


def first_line(error: BaseException) -> str:
    """What another library's error says, short enough for one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def text_of(error: BaseException) -> str:
    """What an error of somebody else's code says, in one line that can be stored; saying it may fail."""
    try:
        return " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    except Exception:
        return "it cannot say what it is"


def in_words(error: BaseException) -> str:
    """Kind and text of an error of somebody else's code, in one line; our own say all in words."""
    return (
        text_of(error)
        if isinstance(error, InputError)
        else f"{type(error).__name__}: {text_of(error)}".removesuffix(": ")
    )


def expect_name(what: str, value: object) -> None:
    """Raise InputError unless `value` can name a folder, on every system and in every address."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", value):
        raise InputError(f"{what} must be letters, digits, '.', '_', '+' or '-', got {value!r}")


def expect_one_of(what: str, value: object, names: Iterable[str]) -> None:
    """Raise InputError unless `value` is one of `names`; the message offers the nearest one."""
    names = sorted(names)
    if value in names:
        return
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.4)
    hint = f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(names)}"
    raise InputError(f"unknown {what} '{value}'; {hint}")
