"""The glossary: every page carries it, folded, and the words of its sentences lead there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"

LINK = Markup('<a href="#{}" class="term">{}</a>')
ORDINARY = {"use", "worth", "alone", "plan", "training", "gate", "flags", "front", "cell"}  # said in other senses too


@cache
def glossary() -> dict[str, str]:
    """Meanings by word, in the order of docs/glossary.md, of which the package holds a copy."""
    text = (TEMPLATES / "glossary.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+?) \| (.+?) \|$", text, re.MULTILINE)
    return {word: meaning.replace("`", "") for word, meaning in rows[1:] if set(word) != {"-"}}


def anchor(word: str) -> str:
    """The identifier of a word's entry."""
    return "word-" + re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")


@cache
def _pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds any word that is linked, and the entry of each."""
    entries = {part.lower(): word for word in glossary() for part in word.split(", ") if part not in ORDINARY}
    longest = sorted(entries, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest))})(s?)(?![\w=-])", re.IGNORECASE), entries


def terms(text: object) -> Markup:
    """Plain text, escaped, in which the first mention of every word of the glossary leads to its entry."""
    text = str(text).replace(" %", "\u00a0%")  # no line ends between a number and its unit
    pattern, entries = _pattern()
    parts: list[str] = []  # Markup among them is markup, all else is escaped
    end, seen = 0, set[str]()
    for match in pattern.finditer(text):
        word = entries[match[1].lower()]
        if word in seen or match[1][1:] not in word:  # "IS" is a metric, "is" is not
            continue
        seen.add(word)
        parts += [text[end : match.start()], LINK.format(anchor(word), match[0])]
        end = match.end()
    return Markup("").join([*parts, text[end:]])
