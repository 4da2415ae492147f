"""The documentation holds together: every page is in the index, every link leads somewhere."""

import re
from pathlib import Path

import pytest

from bench.judge import pareto, verdict

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """What a link may name after #, by GitHub's rule: headings in lower case, blanks as dashes, no other marks."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    titles = [re.sub(r"[^\w\- ]", "", title.lower()) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {title.strip().replace(" ", "-") for title in titles} | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def links(page: Path) -> list[str]:
    """Relative links of a page, without code."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]


def test_every_page_is_in_the_index():
    named = set(links(DOCS / "README.md"))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} == {link for link in named if "/" not in link}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    missing = [link for link in links(page) if not (page.parent / link).exists()]
    assert not missing, f"{page.name} links to {', '.join(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_it(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    named = [(target, name) for target, name in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text) if "://" not in target]
    missing = [f"{t}#{n}" for t, n in named if n not in anchors(page.parent / t if t else page)]
    assert not missing, f"{page.name} links to {', '.join(missing)}"


def test_every_word_of_the_glossary_is_said_briefly():
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)[1:]
    assert len(rows) > 30
    for word, meaning in rows:
        assert all(len(sentence.split()) <= 20 for sentence in re.split(r"(?<=[.!?]) ", meaning)), word


def test_every_verdict_is_in_the_glossary():
    words = set(re.findall(r"^\| ([^|]+?) \|", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE))
    assert {*pareto.VERDICTS, *verdict.VERDICTS} <= words
