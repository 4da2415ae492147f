"""How soon a page of the site answers a reader: real clicks and keys in Chromium, timed by the page's own clock."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.statistics.medians import median_interval

ROUNDS = 21
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
# Without motion: a page that glides to a heading cannot be clicked on meanwhile.
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--window-size=1280,900",
    "--force-prefers-reduced-motion",
)  # fmt: skip
# From the event's own time stamp to the second frame after it in which `rows` are in the tables: the first frame shows
# what the event changed, and by the second the browser has laid it out and painted it.
LISTEN = """
const [kind, rows] = arguments;
window.answered = null;
window.addEventListener(kind, (event) => {
  const frame = (left) => requestAnimationFrame(() => {
    if (document.querySelectorAll('[data-results] tbody tr').length < rows) frame(2);
    else if (left > 1) frame(left - 1);
    else window.answered = performance.now() - event.timeStamp;
  });
  frame(2);
}, { capture: true, once: true });
"""
BACKSPACE = "\ue003"  # as WebDriver names it
ROWS = "return document.querySelectorAll('[data-results] tbody tr').length"
HEAD = "[data-results] thead th:nth-child(4) button"


def response(page: Path, rounds: int = ROUNDS) -> dict[str, Any] | None:
    """Milliseconds of loading, sorting and filtering, each with its interval; None without selenium or Chromium."""
    if not (CHROMIUM and DRIVER):
        return None
    try:
        import selenium.webdriver  # noqa: F401
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as profile, browser(profile) as driver:
        driver.get(page.as_uri())
        loaded = driver.execute_script("return performance.getEntriesByType('navigation')[0].domComplete")
        more = driver.find_elements("css selector", "[data-more]:not([hidden])")
        some = driver.execute_script(ROWS)
        sort, words = _sort(driver, rounds), _filter(driver, rounds)
        for button in more:
            driver.execute_script("arguments[0].click()", button)
        every = driver.execute_script(ROWS)
        return {
            "page": page.name, "rounds": rounds, "load_ms": loaded, "rows": some, "sort_ms": sort, "filter_ms": words,
            "all_rows": every, "sort_all_ms": _sort(driver, rounds), "to_last_row_ms": _sort(driver, rounds, every),
        }  # fmt: skip


def _sort(driver: Any, rounds: int, rows: int = 0) -> dict[str, float]:
    head = driver.find_element("css selector", HEAD)
    return median_interval([_answer(driver, "click", head.click, rows) for _ in range(rounds)])


def _filter(driver: Any, rounds: int) -> dict[str, float]:
    field = driver.find_element("css selector", "[data-filter]")
    keys = [*"fora", *[BACKSPACE] * 4]
    return median_interval([_answer(driver, "input", partial(field.send_keys, k)) for _ in range(rounds) for k in keys])


def _answer(driver: Any, kind: str, act: Any, rows: int = 0) -> float:
    """Milliseconds from the event that `act` causes until what it changed has been painted, with `rows` at least."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.execute_script(LISTEN, kind, rows)
    act()
    return float(WebDriverWait(driver, 20, 0.02).until(lambda d: d.execute_script("return window.answered")))


@contextlib.contextmanager
def browser(profile: str, logged: tuple[str, ...] = ()) -> Iterator[Any]:
    """Headless Chromium with a profile of its own, which keeps the logs named in `logged`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", dict.fromkeys(logged, "ALL"))
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
