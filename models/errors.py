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


def expect_one_of(what: str, value: object, names: Iterable[str], plugins: bool = False) -> None:
    """Raise InputError unless `value` is one of `names`; the message offers the nearest one.

    `plugins`: others may come from a plugin, which the message says where no name is near.
    """
    names = sorted(names)
    if value in names:
        return
    close = nearest(str(value), names)
    hint = f"did you mean '{close}'?" if close else f"expected one of: {', '.join(names)}"
    more = "; one of a plugin needs --plugin FILE" if plugins and not close else ""
    raise InputError(f"unknown {what} '{value}'; {hint}{more}")


def nearest(value: str, names: Iterable[str]) -> str | None:
    """The name that a value is a slip of, whatever its case, `DiT-XL/2` being dit-xl-2; None where none is near."""
    plain = {_plain(name): name for name in names}
    close = difflib.get_close_matches(_plain(value), plain, n=1)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[/_ ]", "-", name.casefold())
