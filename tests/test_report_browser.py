"""The report in a real browser: sorting, filtering, switching, pointing, dark mode, a phone, and no request."""

import cell_factory as factory
import pytest
from chromium import browser, drain, show, webdriver  # noqa: F401 (a fixture)

from bench.show.report.page import write_report

Select = pytest.importorskip("selenium.webdriver.support.select").Select
Keys = webdriver.Keys


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    cells = factory.suite_of("dit-mnist") + factory.suite_of("uvit-mnist")[::5]
    hostile = factory.cell(cache="fora", interval=8) | {"method": "DDIM-50 + <b onmouseover=alert(1)>x</b></script>"}
    return write_report(factory.write(directory, [*cells, hostile], samples=True)).as_uri()


@pytest.fixture
def page(browser, address):  # noqa: F811
    """The report, freshly opened on a desktop in light mode; afterwards nothing may have gone wrong."""
    show(browser, 1280, "light")
    browser.get("about:blank")
    drain(browser)
    browser.get(address)
    yield browser
    requests, complaints = drain(browser)
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [address]


def find(page, selector):
    return page.find_elements("css selector", selector)


def js(page, code, *arguments):
    return page.execute_script(f"return {code}", *arguments)


def seen(page, elements):
    """Whether the elements take up room on the page."""
    return set(js(page, "arguments[0].map(e => e.getClientRects().length > 0)", elements))


COLUMN = """[...document.querySelector("[data-results]").tBodies[0].rows].filter(r => !r.hidden)
    .map(r => r.cells[arguments[0]].dataset.key)"""


def heading(page, text):
    """(column, its heading cell) in the first table."""
    heads = find(page, "[data-results]")[0].find_elements("css selector", "thead th")
    return next((i, head) for i, head in enumerate(heads) if head.text.startswith(text))


def test_headings_sort_by_number_with_missing_values_last(page):
    column, head = heading(page, "FD")
    head.find_element("tag name", "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    keys = js(page, COLUMN, column)
    numbers = [float(key) for key in keys if key]
    assert numbers == sorted(numbers)
    assert keys == [*keys[: len(numbers)], *[""] * 4]
    head.find_element("tag name", "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    keys = js(page, COLUMN, column)
    assert [float(key) for key in keys if key] == numbers[::-1]
    assert keys[-4:] == [""] * 4


def test_headings_sort_by_keyboard_and_only_one_is_marked(page):
    _, first = heading(page, "FD")
    first.find_element("tag name", "button").click()
    column, head = heading(page, "Latency")
    js(page, "arguments[0].focus()", head.find_element("tag name", "button"))
    page.switch_to.active_element.send_keys(" ")
    assert head.get_attribute("aria-sort") == "ascending"
    assert first.get_attribute("aria-sort") is None
    numbers = [float(key) for key in js(page, COLUMN, column) if key]
    assert numbers == sorted(numbers)


def test_the_filter_keeps_rows_with_every_word(page):
    find(page, "#filter")[0].send_keys("fora 20")
    names = js(page, COLUMN, 0)
    assert names
    assert all("FORA" in name and "20" in name for name in names)
    assert find(page, "#count")[0].text == "6 of 47 rows"


def test_the_verdict_choice_shows_what_did_not_finish(page):
    Select(find(page, "#verdict")[0]).select_by_value("unfinished")
    shown = js(page, "[...document.querySelectorAll('[data-results] tbody tr:not([hidden])')].map(r => r.innerText)")
    assert len(shown) == 6
    assert any("out of memory" in text for text in shown)


def test_families_switch_off_and_on(page):
    box = find(page, '[data-toggle="FORA"]')[0]
    points = find(page, '[data-plots]:first-of-type [data-plot="fd"] .point[data-family="FORA"]')
    other = find(page, '[data-plots]:first-of-type [data-plot="fd"] .point[data-family="L2C"]')
    assert seen(page, points) == {True}
    box.click()
    assert seen(page, points) == {False}
    assert seen(page, other) == {True}
    box.click()
    assert seen(page, points) == {True}


def test_the_measure_switches(page):
    Select(find(page, "[data-measure]")[0]).select_by_value("accuracy")
    assert find(page, '[data-plot="accuracy"]')[0].is_displayed()
    assert not find(page, '[data-plot="fd"]')[0].is_displayed()


def test_pointing_names_the_setting_and_leaving_hides_it(page):
    point = find(page, '.point[data-family="L2C"]')[0]
    js(page, "arguments[0].scrollIntoView({block: 'center'})", point)
    from selenium.webdriver.support.wait import WebDriverWait

    tip, mark = find(page, "#tip")[0], point.find_element("css selector", ".mark")

    def shown(_: object) -> bool:
        """Pointed at again until it is: a scroll that ends late moves the mark away from the pointer."""
        webdriver.ActionChains(page).move_by_offset(3, 3).move_to_element(mark).perform()
        return "L2C (l1=" in tip.text

    WebDriverWait(page, 10).until(shown)
    assert "FD (mnist-cnn features, n=2,000)" in tip.text
    assert js(page, "document.querySelector('#tip').getBoundingClientRect().right <= innerWidth")
    webdriver.ActionChains(page).move_to_element(find(page, "#plots-h")[0]).perform()
    assert not tip.is_displayed()


def test_hostile_names_are_text_in_the_tip(page):
    js(page, "[...document.querySelectorAll('.point')].find(p => p.ariaLabel.includes('onmouseover')).focus()")
    assert "<b onmouseover=alert(1)>x</b></script>" in find(page, "#tip")[0].text
    assert not find(page, "#tip b")


def test_the_keyboard_walks_through_points_and_goes_to_the_row(page):
    stops = find(page, '[data-plots]:first-of-type [data-plot="fd"] .point[tabindex="0"]')
    assert len(stops) == 1
    js(page, "arguments[0].focus()", stops[0])
    first = find(page, "#tip")[0].text
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert find(page, "#tip")[0].text not in ("", first)
    row = page.switch_to.active_element.get_attribute("data-row")
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert "flash" in find(page, f"#{row}")[0].get_attribute("class")
    assert js(page, "((b) => b.top >= 0 && b.bottom <= innerHeight)(arguments[0].getBoundingClientRect())",
              find(page, f"#{row}")[0])  # fmt: skip


def luminance(page, selector, what):
    numbers = js(page, f"getComputedStyle(document.querySelector('{selector}')).{what}")
    red, green, blue = [float(x) / 255 for x in numbers[numbers.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(page, scheme):
    show(page, 1280, scheme)
    ground = luminance(page, "body", "backgroundColor")
    assert (ground < 0.1) == (scheme == "dark")
    for selector, what in (("body", "color"), (".note", "color"), ("nav a", "color"), (".pareto .tick", "fill")):
        bright, dim = sorted([ground, luminance(page, selector, what)], reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (selector, scheme)


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_never_scrolls_sideways(page, width):
    show(page, width, "light")
    assert js(page, "document.documentElement.scrollWidth") <= width
    wide = """[...document.querySelectorAll('main *')].filter(n => !n.closest('.scroll, .visually-hidden, legend')
        && n.getBoundingClientRect().right > innerWidth + 1).map(n => n.outerHTML.slice(0, 80))"""
    assert js(page, wide) == []


def test_it_reads_without_scripts(page, address):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        assert find(page, '[data-plot="fd"] .curve')
        assert find(page, '[data-plot="fd"]')[0].is_displayed()
        assert not find(page, "#filter")[0].is_displayed()
        assert not find(page, "[data-toggle]")[0].is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        drain(page)
        page.get(address)
