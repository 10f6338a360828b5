"""MLflow's pages with runs and models of a project, served by `anamnesis ui`, in a real browser."""

import re
import sys

import pytest
from fake_server import running_server

from anamnesis import params
from anamnesis.tracking import sync

pytestmark = pytest.mark.browser


@pytest.fixture
def pages(root, finish, browser):
    """The addresses that `anamnesis ui` prints, by name, while it serves three runs and two model versions."""
    settings = params.load(root / "params.yaml")
    finish("toy-a", valid=2.5, test=2.5, epochs=3)
    finish("toy-c", valid=2.75, test=2.75, epochs=1)
    sync.register(settings, root)
    finish("toy-b", valid=2.25, test=2.75, epochs=4)
    sync.register(settings, root)
    with running_server([sys.executable, "-m", "anamnesis.cli", "ui"], root, "/health"):
        yield dict(re.findall(r"^(\S.*?) +(http://\S+)$", (root / "server.log").read_text(), re.M))


def wait_for_texts(browser, *texts: str, seconds: int = 60) -> str:
    """The page's text, once it holds all of these."""
    from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    def text(_=None) -> str:
        return browser.execute_script("return document.body.innerText")

    try:
        wait = WebDriverWait(browser, seconds, ignored_exceptions=[StaleElementReferenceException])
        wait.until(lambda _: all(each in text() for each in texts))
    except TimeoutException:
        raise AssertionError(f"{[each for each in texts if each not in text()]} not shown in:\n{text()}") from None
    return text()


def wait_for_charts(browser, charts: int) -> None:
    """Wait until so many charts show a line or bar for each of the three runs."""
    from selenium.webdriver.support.ui import WebDriverWait

    card = "document.querySelectorAll('[data-testid=experiment-view-compare-runs-chart-area] .js-plotly-plot')"
    marks = "svg .scatterlayer .trace, svg .barlayer .point"
    script = f"return [...{card}].filter(each => each.querySelectorAll('{marks}').length >= 3).length"
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(script) >= charts)


def test_runs_charts_and_registry_show_our_names(pages, browser, traffic):
    names = ("toy-a", "toy-b", "toy-c")
    assert pages.keys() == {"language/toy", "registered models"}
    charts, models = pages["language/toy"], pages["registered models"]
    browser.set_window_size(2400, 1300)

    browser.get(charts.replace("&compareRunsMode=CHART", ""))
    wait_for_texts(browser, *names)
    browser.get("about:blank")
    browser.get(charts)
    curves = ("learning_rate", "train_perplexity", "valid_bits_per_character", "valid_perplexity")
    wait_for_texts(browser, *names, *(f"epoch/{curve}" for curve in curves))
    wait_for_charts(browser, len(curves))

    browser.get("about:blank")
    browser.get(models)
    wait_for_texts(browser, "language-toy")

    page = models.replace("/models", "/models/language-toy")
    browser.get("about:blank")
    browser.get(page)
    wait_for_texts(browser, "language-toy", "champion", "challenger", "toy-a: 2.5 bits per character")
    # The pages load nothing from other machines.
    requests, _ = traffic()
    host = charts.partition("/#")[0]
    assert requests
    assert [url for url in requests if not url.startswith(host)] == []
