"""The report in a real browser: `tox -e browser`, which needs Chromium and its driver.

Screenshots of the last run lie in the folder that SCREENSHOTS names, if it does.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import support.report_sample as sample
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from conformance.report.page import write

OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
VIEWS = {
    "desktop-light": (1200, "light"),
    "desktop-dark": (1200, "dark"),
    "phone-light": (390, "light"),
    "phone-dark": (390, "dark"),
}


def program(name: str, *names: str) -> str:
    """The path of the first of these that is there; without one the test fails."""
    for one in (os.environ.get(name), *names):
        if one and (found := shutil.which(one)):
            return found
    pytest.fail(f"no {names[0]}: apt-get install chromium chromium-driver, or set {name}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = program("CHROMIUM", "chromium", "google-chrome")
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(program("CHROMEDRIVER", "chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write(folder, sample.EVERYTHING)
    return folder / "report.html"


@pytest.fixture(params=VIEWS)
def view(browser: Chrome, report: Path, request: pytest.FixtureRequest) -> Chrome:
    """The page as one of VIEWS shows it."""
    width, scheme = VIEWS[request.param]
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(report.as_uri())
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        whole = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (Path(folder) / f"{request.param}.png").write_bytes(base64.b64decode(whole["data"]))
    return browser


def test_it_says_nothing_to_the_console_and_loads_nothing(view: Chrome) -> None:
    assert view.get_log("browser") == []
    assert view.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_it_does_not_scroll_sideways(view: Chrome) -> None:
    script = "const e = document.documentElement; return [e.scrollWidth, e.clientWidth]"
    wide, room = view.execute_script(script)
    assert wide <= room


def test_it_shows_the_verdict_first(view: Chrome) -> None:
    heading = view.find_element(By.TAG_NAME, "h1")
    assert heading.text == "FlashAttention conformance: failed"
    assert heading.location["y"] < 100


def test_text_stands_out_from_the_page(view: Chrome) -> None:
    script = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    ink, paper = (sum(map(int, one[4:-1].split(", "))) for one in view.execute_script(script))
    assert abs(ink - paper) > 3 * 128


def test_every_section_of_the_contents_is_there(view: Chrome) -> None:
    links = view.find_elements(By.CSS_SELECTOR, "nav a")
    assert len(links) >= 8
    for link in links:
        section = (link.get_attribute("href") or "").partition("#")[2]
        assert view.find_element(By.ID, section).size["height"] > 0


def test_pictures_have_a_size(view: Chrome) -> None:
    for picture in view.find_elements(By.CSS_SELECTOR, "details[open] svg, section > .plot svg"):
        assert picture.size["width"] > 200
        assert picture.size["height"] > 80


def test_a_filter_leaves_what_has_the_words(view: Chrome) -> None:
    field = view.find_element(By.CSS_SELECTOR, "[data-filters=failures]")
    rows = view.find_elements(By.CSS_SELECTOR, "#failures [data-row]")
    field.send_keys("no such failure")
    assert not any(row.is_displayed() for row in rows)
    field.clear()
    field.send_keys("BROKEN")
    assert all(row.is_displayed() for row in rows)


def test_it_prints(view: Chrome) -> None:
    printed = base64.b64decode(view.print_page())
    assert printed.startswith(b"%PDF")
    assert len(printed) > 10_000
