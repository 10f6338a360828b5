"""Test processes use one thread each, and share trained toys and a headless browser."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# NumPy, PyTorch and tokenizers read these when they are loaded, here and in the processes that tests start. There is a
# process for each core, and the networks of tests are so small that a second thread would only wait for the first.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trained toys of every task in a project folder; a test may add files, and changes none."""
    from toys import Toys

    return Toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((program_path for name in names if (program_path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its chromedriver (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("chromium")
    for argument in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "no-first-run",
        "force-prefers-reduced-motion",
        "window-size=1400,1000",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture
def browser(_chromium: Any) -> Any:
    """A selenium WebDriver on headless Chromium, on an empty page; one browser serves all tests of a process.

    Skips the test, with the reason, where Chromium is not installed. Mark such tests `browser`.
    """
    _chromium.set_window_size(1400, 1000)
    _chromium.get("about:blank")
    for kind in ("performance", "browser"):
        _chromium.get_log(kind)
    return _chromium


@pytest.fixture
def traffic(browser: Any) -> Callable[[], tuple[list[str], list[str]]]:
    """A function that returns the requests to other machines and the console errors since its last call."""

    def take() -> tuple[list[str], list[str]]:
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        local = ("file:", "data:", "blob:", "about:")
        errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        return [url for url in sent if not url.startswith(local)], errors

    return take
