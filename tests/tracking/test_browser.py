"""MLflow's pages on a project's runs and models, started by `anamnesis ui`, in a real browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from anamnesis import params
from anamnesis.tracking import registration

pytestmark = pytest.mark.browser


@pytest.fixture
def pages(root: Path, finish, browser) -> Iterator[dict[str, str]]:
    """What `anamnesis ui` prints, as name -> address, while it serves three runs and two versions of a model."""
    settings = params.load(root / "params.yaml")
    finish("toy-a", valid=2.5, test=2.5, epochs=3)
    finish("toy-c", valid=2.75, test=2.75, epochs=1)
    registration.register(settings, root)
    finish("toy-b", valid=2.25, test=2.75, epochs=4)
    registration.register(settings, root)
    (root / "dvc.yaml").write_text("stages: {}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = root / "ui.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "anamnesis.cli", "ui", "--port", str(port)],
            cwd=root,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while True:
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield dict(re.findall(r"^(\S.*?) +(http://\S+)$", log.read_text(), re.M))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def shown(browser, *texts: str, seconds: int = 60) -> str:
    """The page's text, once it holds all of these."""
    from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    def text(_=None) -> str:
        return browser.execute_script("return document.body.innerText")

    try:
        wait = WebDriverWait(browser, seconds, ignored_exceptions=[StaleElementReferenceException])
        wait.until(lambda _: all(each in text() for each in texts))
    except TimeoutException:
        browser.save_screenshot("/tmp/bt_fail.png")
        raise AssertionError(f"{[each for each in texts if each not in text()]} not shown in:\n{text()}") from None
    return text()


def test_runs_charts_and_registry_show_our_names(pages, browser, traffic, screenshot) -> None:
    names = ("toy-a", "toy-b", "toy-c")
    assert pages.keys() == {"language/toy", "registered models"}
    charts, models = pages["language/toy"], pages["registered models"]
    browser.set_window_size(2400, 1300)

    browser.get(charts.replace("&compareRunsMode=CHART", ""))
    text = shown(browser, *names, "best_valid/bits_per_character", "valid_perplexity")
    # The last of each curve, and the score of what was kept.
    assert "2.25" in text
    screenshot("runs")

    browser.get("about:blank")
    browser.get(charts)
    shown(browser, *names, "learning_rate", "valid_bits_per_character", "valid_perplexity")
    screenshot("charts")

    browser.get("about:blank")
    browser.get(models)
    shown(browser, "language-toy")
    screenshot("models")

    page = models.replace("/models", "/models/language-toy")
    browser.get("about:blank")
    browser.get(page)
    text = shown(browser, "language-toy", "champion", "challenger", "toy-a: bits per character 2.5 (validation)")
    screenshot("model")
    requests, errors = traffic()
    host = charts.partition("/#")[0]
    assert [url for url in requests if not url.startswith(host)] == []
    # MLflow asks for the user's name, and takes "not found" for an answer.
    assert [error for error in errors if "users/current" not in error] == []
