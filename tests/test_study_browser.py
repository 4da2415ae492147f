"""A study's page in a real browser: it asks for nothing, complains of nothing, and fits a phone."""

from __future__ import annotations

from functools import partial

import pytest
from chromium import axe, browser, opened, show  # noqa: F401 (fixtures)

from bench.show.study_page import write_pages
from bench.studies.lab.result import Table
from bench.studies.transfer import plot

RATIO = {"value": 1.1, "low": 1.0, "high": 1.2}
CASE = {"home": False, "lost": RATIO, "random": RATIO, "retrained": RATIO}
DATA = {"sources": [{"name": "ddim-50"}], "targets": [{"target": "ddim-20", "sources": [CASE]}]}
RESULT = {
    "study": "transfer", "model": "dit-mnist", "question": "Is it?", "answer": "It is.", "how": "So.",
    "data": DATA,
    "command": "ditbench study transfer --model dit-mnist", "settings": {"seeds": 4}, "made_with": {"torch": "2"},
}  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    stem = tmp_path_factory.mktemp("study") / "dit-mnist"
    table = Table("A wide table", tuple(f"column {i}" for i in range(12)), (tuple("x" * 12),))
    return write_pages(RESULT, [table], partial(plot, RESULT["data"]), stem)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_the_page_shows_its_plot_and_fits(browser, page, width, scheme):  # noqa: F811
    with opened(browser, page.as_uri()) as shown:
        show(shown, width, scheme)
        assert shown.execute_script("return document.querySelector('img').naturalWidth") > 100
        assert not shown.find_element("css selector", "table").is_displayed()  # folded
        shown.find_element("css selector", "summary").click()
        assert shown.find_element("css selector", "table").is_displayed()
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_page_is_accessible(browser, axe, page):  # noqa: F811
    assert axe(browser, page) == []
