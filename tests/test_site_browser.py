"""The site in a real browser: sorting, filtering, axes, shared addresses, dark mode, a phone, no request."""

import cell_factory as factory
import pytest
from chromium import browser, drain, opened, show  # noqa: F401 (a fixture)

from bench.show.site import write_site

Select = pytest.importorskip("selenium.webdriver.support.select").Select
ROWS = """[...document.querySelector("[data-results]").tBodies[0].rows].filter(r => !r.hidden && r.offsetHeight)
          .map(r => r.innerText.split("\\n")[0])"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    cells = factory.suite_of("dit-mnist")
    hostile = factory.cell(cache="fora", interval=8) | {"method": "DDIM-50 + <b onmouseover=alert(1)>x</b></script>"}
    run = factory.write(folder / "run", [*cells, hostile], samples=True)
    return write_site([run], folder / "out").parent.as_uri()


@pytest.fixture
def page(browser, address):  # noqa: F811
    with opened(browser, f"{address}/suite/run.html") as page:
        yield page


def js(page, expression):
    return page.execute_script(f"return {expression}")


def click(page, selector, n=0):
    page.execute_script(f"document.querySelectorAll({selector!r})[{n}].click()")


def test_a_shared_address_shows_the_same_view(page):
    everything = js(page, ROWS)
    page.find_element("css selector", "input[type=search]").send_keys("fora")
    click(page, "[data-results] thead button", 3)
    chosen = js(page, ROWS)
    assert 0 < len(chosen) < len(everything)
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert js(page, ROWS) == chosen


def test_sorting_says_so_and_going_back_undoes_it(page):
    before = js(page, ROWS)
    click(page, "[data-results] thead button", 2)
    assert js(page, ROWS) != before
    assert js(page, "document.querySelectorAll('[data-results] th[aria-sort=ascending]').length") >= 1
    page.back()
    assert js(page, ROWS) == before


def test_axes_are_chosen_and_stand_in_the_address(page):
    axis = "document.querySelector('.js-plotly-plot').layout.yaxis.title.text"
    before = js(page, axis)
    across, up = (Select(e) for e in page.find_elements("css selector", "select[data-axis]")[:2])
    up.select_by_index(1)
    assert js(page, axis) != before
    across.select_by_index(1)
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert js(page, axis) != before


def test_plots_offer_no_upload(page):
    titles = js(page, "[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)")
    assert "Zoom" in titles
    assert not [t for t in titles if "hare" in t or "loud" in t]


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
@pytest.mark.parametrize("name", ["index", "suite/run", "model/dit-mnist", "method/fora"])
def test_pages_fit_a_phone_and_the_dark(page, address, name, width, scheme):
    show(page, width, scheme)
    page.get(f"{address}/{name}.html")
    assert js(page, "document.documentElement.scrollWidth") <= width
    colours = js(page, "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    lightness = [sum(int(n) for n in c.removeprefix("rgb(").removesuffix(")").split(",")) for c in colours]
    assert (lightness[0] < lightness[1]) == (scheme == "dark")
