"""A real browser for the tests of pages: what it shows, what it asks for, what it complains about."""

import contextlib
import json
import os

import pytest

from bench.benchmarks import page_response

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")


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
