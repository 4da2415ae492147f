"""Checks of options that several commands share."""

from __future__ import annotations

import argparse

from models.errors import InputError


def expect_positive(verb: str, args: argparse.Namespace, *names: str) -> None:
    """Raise InputError where one of these whole numbers, if given, is less than 1."""
    for name in names:
        value = getattr(args, name.replace("-", "_"))
        if value is not None and value < 1:
            raise InputError(f"{verb}: --{name} must be at least 1, got {value}")
