"""A real browser for the tests of pages: what it shows, what it asks for, what it complains about."""

import contextlib
import importlib.util
import json
import os
from pathlib import Path

import pytest

from bench.benchmarks import page_response

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """
const [rules, done] = arguments;
const said = (rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 150)).join(" | ")}`;
axe.run({ runOnly: rules }).then((found) => done(found.violations.map(said)), (error) => done([String(error)]));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (page_response.CHROMIUM and page_response.DRIVER):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("chromium and chromedriver are needed for this test")
    with page_response.browser(str(tmp_path_factory.mktemp("profile")), ("browser", "performance")) as driver:
        yield driver


@contextlib.contextmanager
def opened(browser, address):
    """The page freshly opened on a desktop in light mode; it asked for nothing but files, and complained of nothing."""
    show(browser, 1280, "light")
    browser.get("about:blank")
    drain(browser)
    browser.get(address)
    yield browser
    requests, complaints = drain(browser)
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def show(browser, width, scheme):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def drain(browser):
    """(addresses requested, messages on the console) since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if url != "about:blank"], [entry["message"] for entry in browser.get_log("browser")]


@pytest.fixture(scope="module")
def axe():
    """What axe-core, as a package of the test extra ships it, finds wrong on a page: (browser, path) to a list."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("axe-playwright-python, which ships axe-core, is not installed")
    script = Path(found.submodule_search_locations[0], "axe.min.js").read_text("utf-8")

    def violations(browser, path):
        browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe is no script of the page
        browser.get(path.as_uri())
        browser.execute_script(script)
        return browser.execute_async_script(AXE, RULES)

    return violations
