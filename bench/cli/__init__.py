"""The command line: finds the verb, turns bad input into one line, and decides the exit code.

0 done; 1 a cell failed; 2 bad usage or input; 130 interrupted. Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from bench.cli import commands
from bench.host.interrupts import ends_cleanly
from bench.host.notice import say
from models.errors import InputError, expect_one_of

USAGE = "usage: ditbench COMMAND [OPTIONS]   (ditbench COMMAND --help says more)"
OUTPUTS = ("--out", "--figures", "--png", "--smoothcache")  # options that name one


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    try:
        with ends_cleanly():
            code = dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except InputError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        print("\nditbench: interrupted; the same command goes on from what is stored", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of stdout, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return complain(f"{error.strerror or error}{where}")


def dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print_help()
        return 0 if argv else complain("expected a command; ditbench --help lists them")
    if argv[0] == "--version":
        from bench.host.environment import version

        print(f"ditbench {version('ditbench') or '(not installed)'}")
        return 0
    expect_words(argv)
    expect_one_of("command", argv[0], verbs())
    expect_named_output(argv)
    command = load(argv[0])
    parser = Parser(prog=f"ditbench {argv[0]}", description=command.HELP, allow_abbrev=False)
    command.arguments(parser)
    try:
        args = parser.parse_intermixed_args(argv[1:])  # key=value may follow an option
    except SystemExit:  # argparse printed the help
        return 0
    return command.run(args)


def expect_words(argv: list[str]) -> None:
    """Raise InputError for a word that no file can be called and no page can show: it would fail after the work."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputError(f"expected UTF-8 on the command line, got {word!a}") from None
        if "\0" in word:
            raise InputError(f"expected no NUL on the command line, got {word!a}")


def expect_named_output(argv: list[str]) -> None:
    """Raise InputError for an empty --out or the like: as a path it is the working folder, which nobody named."""
    for word, following in pairwise([*argv, "-"]):
        option, equals, value = word.partition("=")
        if option in OUTPUTS and (value if equals else following) == "":
            raise InputError(f"{argv[0]}: {option} must name a file or folder, got ''")


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, with the nearest option."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0]
            close = difflib.get_close_matches(word.split("=")[0], list(self._option_string_actions), n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            message = f"unknown argument '{word}'{hint}"
        raise InputError(f"{self.prog.removeprefix('ditbench ')}: {message}")


def verbs() -> list[str]:
    """The commands, from the files that are there."""
    return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(commands.__path__))


def load(verb: str) -> ModuleType:
    return importlib.import_module(f"bench.cli.commands.{verb.replace('-', '_')}")


def stated_help(verb: str) -> str:
    """HELP of a command's file, read without running it: that would load torch, for seconds."""
    source = (Path(commands.__path__[0]) / f"{verb.replace('-', '_')}.py").read_text("utf-8")
    (text,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "HELP"
    )
    return text


def print_help() -> None:
    print(f"{USAGE}\n\nBenchmark of caching and sampling methods for diffusion transformers.\n")
    for verb in verbs():
        print(f"  {verb:<14}{stated_help(verb)}")
    print("\nExit codes: 0 done, 1 a cell failed, 2 bad usage or input, 130 interrupted.")


def complain(message: str) -> int:
    """One line on stderr; returns the exit code of bad input."""
    say(message)
    return 2
