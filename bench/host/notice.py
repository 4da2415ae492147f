"""What is said on stderr: one line of bounded length, whatever a hostile file put into it."""

from __future__ import annotations

import sys

MAX_LINE = 2000  # characters


def say(message: object) -> None:
    """One line on stderr."""
    print(f"ditbench: {line_of(str(message))}", file=sys.stderr)


def line_of(message: str) -> str:
    """The message in one line: control characters escaped, the middle cut out of what is too long."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))
    if len(line) <= MAX_LINE:
        return line
    end = (MAX_LINE - 30) // 2  # names stand at a message's beginning, what to do at its end
    return f"{line[:end]} … {len(line) - 2 * end:,} characters … {line[-end:]}"
