"""Long tables of the site: some rows at first, all when asked for, and sorting and filtering are always of all."""

import re

import cell_factory as factory
import pytest
from chromium import browser, opened  # noqa: F401 (a fixture)

from bench.show.site import write_site

SETTINGS, SOME = 90, 30
KEYS = "return [...document.querySelectorAll('[data-results] tbody tr')].map(r => Number(r.cells[3].dataset.key))"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    uncached = [factory.cell(steps=n, fd=2 + 30 / n, ms=400.0 + n) for n in (50, 20)]
    cached = [factory.cell(cache="fora", interval=2, setting=i, fd=3.0, ms=200.0 + i) for i in range(SETTINGS - 2)]
    return write_site([factory.write(folder / "run", uncached + cached)], folder / "out").parent / "suite/run.html"


@pytest.fixture
def page(browser, path):  # noqa: F811
    with opened(browser, path.as_uri()) as page:
        yield page


def keys(page):
    """The latencies of the rows in the document, in its order."""
    return page.execute_script(KEYS)


def click(page, selector):
    page.execute_script("document.querySelector(arguments[0]).click()", selector)


def later(page):
    """The same when the rows below have followed."""
    page.set_script_timeout(10)
    page.execute_async_script(
        "const [all, done] = arguments, rows = () => document.querySelectorAll('[data-results] tbody tr').length;"
        "const look = () => rows() < all ? setTimeout(look, 20) : done(); look();",
        SETTINGS,
    )
    return keys(page)


def test_some_rows_come_first_and_sorting_is_of_all(page):
    assert len(keys(page)) == SOME
    for first in (200.0, 450.0):  # upwards, downwards
        click(page, "[data-column=latency_ms] button")
        shown = keys(page)
        assert (len(shown), shown[0]) == (SOME, first)


def test_all_rows_are_shown_when_asked_for_and_follow_a_sort(page):
    click(page, "[data-more]")
    assert len(keys(page)) == SETTINGS
    height = "return document.querySelector('[data-results]').closest('.scroll').offsetHeight"
    before = page.execute_script(height)
    click(page, "[data-column=latency_ms] button")
    assert abs(page.execute_script(height) - before) <= 1  # nothing jumps while rows are missing
    assert keys(page) == sorted(keys(page))[:SOME]
    everything = later(page)
    assert everything == sorted(everything)
    assert len(everything) == SETTINGS


def test_a_row_that_is_not_shown_is_brought_into_view(page, path):
    last = re.findall(r'<tr id="([^"]+)"', path.read_text("utf-8"))[-1]
    assert not page.find_elements("id", last)
    page.execute_script("ditbench.goTo(arguments[0])", last)
    box = page.execute_script("return document.querySelector('.flash').getBoundingClientRect().toJSON()")
    assert 0 <= box["top"] < box["bottom"] <= 900
    assert len(keys(page)) == SETTINGS


def test_paper_shows_every_row_even_right_after_a_sort(page):
    click(page, "[data-more]")
    click(page, "[data-column=latency_ms] button")
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(keys(page)) == SETTINGS
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")


def test_a_link_to_a_section_below_leads_to_it(page):
    click(page, "nav a[href='#protocol']")
    top = "return document.querySelector('#protocol').getBoundingClientRect().top"
    bottom = "return Math.abs(innerHeight + scrollY - document.documentElement.scrollHeight)"
    assert 0 <= page.execute_script(top) < 900
    assert page.execute_script(top) < 40 or page.execute_script(bottom) < 2
