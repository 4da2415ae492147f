"""Two settings side by side, in a real browser: exact differences, shared addresses, plans, a phone, the dark."""

import itertools
import math

import cell_factory as factory
import pytest
from chromium import browser, drain, opened, show  # noqa: F401 (a fixture)

from bench.judge import pareto
from bench.show.site import write_site
from bench.statistics.jackknife import paired_difference

Select = pytest.importorskip("selenium.webdriver.support.select").Select
HOSTILE = "DDIM-50 + <img src=x onerror=alert(1)></script><b>&\"'"
CELLS = [*factory.suite_of("dit-mnist"), factory.cell(cache="fora", interval=8) | {"method": HOSTILE}]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    run = factory.write(folder / "run", CELLS, samples=True)
    return f"{write_site([run], folder / 'out').parent.as_uri()}/versus/run-dit-mnist.html"


@pytest.fixture
def page(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        yield page


def js(page, expression, *arguments):
    return page.execute_script(f"return {expression}", *arguments)


def text(page, selector):
    return js(page, "document.querySelector(arguments[0]).textContent", selector)


def line(page, heading):
    """The texts of one line of the comparison."""
    rows = js(page, "[...document.querySelectorAll('[data-lines] tr')].map(r => [...r.cells].map(c => c.textContent))")
    return next(row for row in rows if row[0].startswith(heading))


def test_differences_and_ratios_are_those_of_the_code_for_every_pair(page):
    cells = [cell for cell in CELLS if cell["status"] == "ok"]
    points = {point.key[1]: point for point in pareto.place(factory.typed(cells))}
    sides = "Object.fromEntries(ditbench.versus.data.cells.map(c => [c.slug, c]))"
    script = f"""(() => {{ const of = {sides}, {{ difference, ratio }} = ditbench.versus;
        return arguments[0].map(([a, b]) => [difference(of[a].metrics.fd, of[b].metrics.fd),
                                             ratio(of[a].latency, of[b].latency)]); }})()"""
    pairs = list(itertools.permutations([cell["slug"] for cell in cells], 2))[::7]
    quality = {cell["slug"]: cell["quality"] for cell in cells}
    for (a, b), (difference, ratio) in zip(pairs, js(page, script, pairs), strict=True):
        left, right = quality[a], quality[b]
        expected = paired_difference(left["fd_jackknife"], right["fd_jackknife"], (left["fd"], right["fd"]))
        shown = [difference[name] for name in ("value", "low", "high")]
        assert shown == pytest.approx([expected.corrected, expected.low, expected.high], rel=1e-5, abs=1e-6)
        log = pareto.latency_difference(points[a], points[b])
        assert ratio["sign"] == log.sign
        ends = [math.log(ratio["low"]), math.log(ratio["high"])]
        assert ends == pytest.approx([log.low, log.high], abs=1e-6)


def test_two_settings_are_chosen_and_shared_by_the_address(page):
    for side, name in (("a", "DDIM-50 + FORA (interval=3)"), ("b", "DDIM-20")):
        Select(page.find_element("css selector", f"[data-side={side}]")).select_by_visible_text(name)
    assert text(page, "[data-name=a]") == "A: DDIM-50 + FORA (interval=3)"
    said, latency = text(page, "[data-conclusion]"), line(page, "Latency")
    assert latency[3].endswith("A is better") == (float(latency[1].split()[0]) < float(latency[2].split()[0]))
    assert len(page.find_elements("css selector", "[data-plans] svg.plan")) == 2
    assert len(page.find_elements("css selector", "[data-strips] img")) == 2
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert text(page, "[data-conclusion]") == said
    page.find_element("css selector", "[data-swap]").click()
    assert text(page, "[data-name=a]") == "A: DDIM-20"
    page.back()
    assert text(page, "[data-conclusion]") == said


def test_a_setting_in_the_table_is_compared_with_the_reference(page):
    page.execute_script("document.querySelectorAll('[data-pick]')[3].click()")
    assert text(page, "[data-name=b]") == "B: DDIM-50"
    assert text(page, "[data-name=a]") == "A: " + js(page, "document.querySelectorAll('[data-pick]')[3].textContent")


def test_unknown_and_hostile_settings_in_the_address_fall_back(page, address):
    usual = text(page, "[data-conclusion]")
    page.get("about:blank")
    page.get(f"{address}#?a=<script>alert(1)</script>&b=../../etc&zz=%00%ff")
    assert text(page, "[data-conclusion]") == usual


def test_hostile_names_stay_text(page):
    Select(page.find_element("css selector", "[data-side=a]")).select_by_visible_text(HOSTILE)
    assert text(page, "[data-name=a]") == f"A: {HOSTILE}"
    assert not page.find_elements("css selector", "img[src=x]")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_it_fits_a_phone_and_the_dark(page, address, width, scheme):
    show(page, width, scheme)
    page.get(address)
    assert js(page, "document.documentElement.scrollWidth") <= width
    dark = js(page, "getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")
