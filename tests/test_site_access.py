"""The site for every reader: axe-core finds nothing, keys and the mouse reach everything, paper shows all of it."""

import cell_factory as factory
import pytest
from chromium import axe, browser, drain, show  # noqa: F401 (fixtures)

from bench.show.site import write_site

ActionChains = pytest.importorskip("selenium.webdriver").ActionChains
ENTER = "\ue007"  # as WebDriver names it
FOCUS = "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two runs that differ, of two tables each."""
    folder = tmp_path_factory.mktemp("site")
    cells = factory.suite_of("dit-mnist")[::3] + factory.suite_of("uvit-mnist")[::4]
    later = [cell | {"finished": "2026-02-01T00:00:00Z"} for cell in cells[::2]]
    runs = [factory.write(folder / "first", cells, samples=True), factory.write(folder / "second", later)]
    return write_site(runs, folder / "out").parent


@pytest.fixture
def page(browser, site):  # noqa: F811
    show(browser, 1280, "light")
    drain(browser)
    browser.get((site / "suite/first.html").as_uri())
    return browser


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_on_any_kind_of_page(browser, site, axe, width, scheme):  # noqa: F811
    show(browser, width, scheme)
    kinds = {path.relative_to(site).parts[0]: path for path in sorted(site.rglob("*.html"))}
    found = {kind: axe(browser, path) for kind, path in kinds.items()}
    assert len(found) >= 6
    assert found == {kind: [] for kind in kinds}


def test_pointing_at_a_point_says_setting_and_interval(page):
    point = page.find_element("css selector", ".js-plotly-plot .scatterlayer .point")
    page.execute_script("arguments[0].closest('[data-canvas]').scrollIntoView({ block: 'center' })", point)
    ActionChains(page).move_to_element(point).pause(0.2).perform()
    said = page.execute_script("return document.querySelector('.hoverlayer').textContent")
    name, *_ = said.split("FD")
    assert name.startswith(("DDIM", "DPM-Solver++"))
    assert said.count("[") == said.count("]") == 2  # of the distance and the latency


def test_keys_alone_sort_a_table_and_focus_is_seen(page):
    page.execute_script("document.querySelector('[data-results]').closest('.scroll').focus()")
    ActionChains(page).send_keys("\ue004").perform()
    assert page.execute_script("return document.activeElement.parentElement.dataset.column") == "method"
    style, width = page.execute_script(FOCUS)
    assert (style, width >= 2) == ("solid", True)
    for direction in ("ascending", "descending"):
        ActionChains(page).send_keys(ENTER).perform()
        state = "return document.activeElement.closest('th').getAttribute('aria-sort')"
        assert page.execute_script(state) == direction


def test_two_tables_of_a_page_are_sorted_apart(page):
    page.execute_script("document.querySelectorAll('[data-results]')[1].querySelector('thead button').click()")
    sorted_ = (
        "return [...document.querySelectorAll('[data-results]')].map(t => t.querySelectorAll('[aria-sort]').length)"
    )
    assert page.execute_script(sorted_) == [0, 1]


def test_sorting_a_table_draws_no_plot_again(page):
    page.execute_script("window.drawn = 0; const r = Plotly.react; Plotly.react = (...a) => { drawn += 1; r(...a); };")
    page.execute_script("document.querySelector('[data-results] thead button').click()")
    assert page.execute_script("return [drawn, document.querySelectorAll('[aria-sort]').length]") == [0, 1]


@pytest.mark.parametrize(
    "hostile", ["sort=fd", "sort=__proto__.asc", "x=constructor&y=toString", "off=%25E0%25A4", "q=%00%FF"]
)
def test_an_address_that_says_nonsense_shows_the_whole_page(page, site, hostile):
    page.get("about:blank")
    page.get(f"{(site / 'suite/first.html').as_uri()}#?{hostile}")
    assert page.execute_script("return document.querySelectorAll('.js-plotly-plot .point').length") > 5
    assert drain(page)[1] == []


def test_paper_shows_every_column_on_white_without_controls(browser, site):  # noqa: F811
    show(browser, 1040, "dark")  # A4 across, less its margins
    browser.get((site / "suite/first.html").as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        shown = "return [...document.querySelectorAll('nav, .controls, .modebar')].filter(e => e.offsetHeight).length"
        assert browser.execute_script(shown) == 0
        widths = "return [...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().right)"
        assert max(browser.execute_script(widths)) <= 1040
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
