"""The first screen in a real browser: it holds the answer, nothing scrolls sideways, switch and glossary work."""

import cell_factory as factory
import pytest
from chromium import browser, show  # noqa: F401 (a fixture)
from test_contrast import AA, contrast
from test_first_screen import fidelity

from bench.show.report.page import write_report
from bench.show.site import write_site

WIDE = """
document.querySelectorAll('details').forEach((fold) => { fold.open = true; });
return [...document.querySelectorAll('.views > input')].concat([null]).flatMap((view) => {
  view?.click();
  return [...document.querySelectorAll('main table')].filter((t) => t.checkVisibility()
    && t.closest('.scroll, main').scrollWidth > t.closest('.scroll, main').clientWidth + 1)
    .map((t) => t.caption?.textContent ?? t.textContent.slice(0, 60));
});
"""
BOTTOMS = """
return ['.headline', '.picture svg', '.speeds']
  .map((part) => document.querySelector(part).getBoundingClientRect().bottom)
"""
SHOWN = """
return [...document.querySelectorAll('.first')[0].querySelectorAll('.picture')].filter((e) => e.checkVisibility())
  .map((e) => e.dataset.picture)
"""
COLOURS = """
const hex = (n) => Number(n).toString(16).padStart(2, '0');
const rgb = (text) => '#' + text.match(/\\d+/g).slice(0, 3).map(hex).join('');
const paper = rgb(getComputedStyle(document.body).backgroundColor);
return [...document.querySelectorAll('.headline, .speeds td, .first .note, .term')].map((e) =>
  [e.className || e.tagName, rgb(getComputedStyle(e).color), paper]).concat(
  [...document.querySelectorAll('.gaps text')].map((e) => ['plot', rgb(getComputedStyle(e).fill), paper]));
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    cells = factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist")[::3]
    for number, cell in enumerate(cells):
        if cell["status"] == "ok":
            fidelity(cell, 0.01 + 0.002 * number)
    run = factory.write(folder / "run", cells, samples=True)
    site = write_site([run], folder / "site").parent
    return {"report": write_report(run), "index": site / "index.html", "model": site / "model/dit-mnist.html"}


KINDS = pytest.mark.parametrize("kind", ["report", "index", "model"])


@KINDS
def test_the_first_screen_holds_sentence_plot_and_table(browser, pages, kind):  # noqa: F811
    show(browser, 1300, "light")
    browser.get(pages[kind].as_uri())
    assert max(browser.execute_script(BOTTOMS)) <= 900


@KINDS
@pytest.mark.parametrize("width", [1300, 390])
def test_no_page_scrolls_sideways_and_no_table_at_1300(browser, pages, kind, width):  # noqa: F811
    show(browser, width, "light")
    browser.get(pages[kind].as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    if width == 1300:
        assert browser.execute_script(WIDE) == []


@KINDS
def test_the_switch_shows_one_axis_at_a_time(browser, pages, kind):  # noqa: F811
    show(browser, 1300, "light")
    browser.get(pages[kind].as_uri())
    assert browser.execute_script(SHOWN) == ["fd"]
    browser.find_elements("css selector", ".axes label")[1].click()
    assert browser.execute_script(SHOWN) == ["ode_error"]


@KINDS
def test_a_word_unfolds_the_glossary(browser, pages, kind):  # noqa: F811
    show(browser, 1300, "light")
    browser.get(pages[kind].as_uri())
    entry = browser.find_element("css selector", "#word-fd")
    assert not entry.is_displayed()
    browser.find_element("css selector", ".headline .term").click()
    assert entry.is_displayed()


@KINDS
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_can_be_read(browser, pages, kind, scheme):  # noqa: F811
    show(browser, 1300, scheme)
    browser.get(pages[kind].as_uri())
    colours = browser.execute_script(COLOURS)
    assert len(colours) > 20
    assert [what for what, text, paper in colours if contrast(text, paper) < AA] == []
