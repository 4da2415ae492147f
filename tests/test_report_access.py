"""Report and comparison for every reader: axe-core finds nothing, and keys reach everything."""

import cell_factory as factory
import pytest
from chromium import axe, browser, show  # noqa: F401 (fixtures)

from bench.cli import main
from bench.show.report.page import write_report

ActionChains = pytest.importorskip("selenium.webdriver").ActionChains
TAB = "\ue004"  # as WebDriver names it
VIEWS = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
FOCUSED = """
const e = document.activeElement, box = e.getBoundingClientRect(), mark = e.querySelector(':scope > .mark');
const seen = mark ? parseFloat(getComputedStyle(mark).strokeWidth) >= 3 : getComputedStyle(e).outlineStyle !== 'none';
return [e.getAttribute('aria-label') ?? e.textContent, seen, box.right > 0 && box.left < innerWidth];
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A report and a comparison of two runs, of two models, with cells that failed and some that are gone."""
    folder = tmp_path_factory.mktemp("pages")
    cells = factory.suite_of("dit-mnist")[::2] + factory.suite_of("uvit-mnist")[::4]
    base = factory.write(folder / "base", cells, samples=True)
    new = factory.write(folder / "new", [cell | {"finished": "2026-02-01T00:00:00Z"} for cell in cells[::2]])
    main(["compare", str(base), str(new), "--html", str(folder / "compare.html")])
    return {"report": write_report(base), "comparison": folder / "compare.html"}


@VIEWS
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_axe_finds_nothing(browser, pages, axe, kind, width, scheme):  # noqa: F811
    show(browser, width, scheme)
    assert axe(browser, pages[kind]) == []


def test_a_comparison_never_scrolls_sideways_on_a_phone(browser, pages):  # noqa: F811
    show(browser, 390, "dark")
    browser.get(pages["comparison"].as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_keys_reach_every_table_and_focus_is_seen(browser, pages, kind):  # noqa: F811
    show(browser, 1280, "light")
    browser.get(pages[kind].as_uri())
    regions = "return [...document.querySelectorAll('main [role=region]')].filter(e => e.checkVisibility()).length"
    count, reached = browser.execute_script(regions), 0
    for _ in range(200):
        ActionChains(browser).send_keys(TAB).perform()
        if browser.execute_script("return document.activeElement === document.body"):
            break
        name, outlined, in_view = browser.execute_script(FOCUSED)
        assert (outlined, in_view) == (True, True), name
        reached += browser.execute_script("return document.activeElement.matches('main [role=region]')")
    assert reached == count >= 1
