"""The page and DVC's plots in a real browser: drawn, without errors, and without a network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anamnesis.report.plots_template import install

from .conftest import LANGUAGE

pytestmark = pytest.mark.browser
REPOSITORY = Path(__file__).parents[2]


def open_page(browser, path):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(path.as_uri())
    drawn = "return document.documentElement.dataset.charts === 'drawn'"
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(drawn))


@pytest.fixture
def report(browser, project):
    open_page(browser, project / "reports" / "index.html")
    yield browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.execute_script("localStorage.clear()")


def find(browser, selector):
    return browser.find_elements("css selector", selector)


@pytest.mark.parametrize("width", [400, 1400])
def test_report_of_every_task_draws_and_fits(browser, boards, traffic, width):
    # No window is as narrow as a telephone.
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(browser, boards / "reports" / "index.html")
        assert traffic() == ([], [])
        overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.execute_script(overflow) == 0
        # Each cell of a heat map has its place, however wide that makes it: it scrolls in its box.
        for chart in find(browser, ".chart:not(.matrix .chart)"):
            view, card = chart.find_element("css selector", "svg"), chart.size["width"]
            assert 0.6 * card < view.size["width"] <= card
        boxes = find(browser, "details[open] .matrix")
        assert boxes
        assert all(box.size["width"] <= width for box in boxes)
        # Those in folded details, too: on paper they are open.
        maps = find(browser, ".matrix svg.marks")
        assert len(maps) == len(find(browser, ".matrix")) > 3 * len(boxes)
        # Nothing of a memory span's label is cut off.
        cut = """return [...document.querySelectorAll('#memory figure:first-child svg .mark-text text')].filter(
            label => label.getBoundingClientRect().right > label.closest('svg').getBoundingClientRect().right).length"""
        assert browser.execute_script(cut) == 0
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_bar_lengths_are_proportional_to_the_scores(report):
    # Read from the drawing itself: width of a bar over the width of its neighbour.
    bars = find(report, "#overview .card:first-child path[aria-roledescription='bar']")
    bits = {name: result.valid for name, result in LANGUAGE.items()}
    widths = {}
    for bar in bars:
        label = bar.get_attribute("aria-label")
        name = next(name for name in sorted(bits, key=len, reverse=True) if name in label)
        widths[name] = bar.size["width"] / bits[name]
    assert set(widths) == {name for name in bits if name.startswith("sherlock")}
    assert max(widths.values()) / min(widths.values()) < 1.03


def test_a_heading_sorts_its_column_both_ways(report):
    table = find(report, "#language-sherlock table")[0]
    heading = table.find_element("css selector", "button[aria-label='Test perplexity']")

    def column():
        cells = table.find_elements("css selector", "tbody tr td:nth-child(9)")
        return [float(cell.get_attribute("data-value")) for cell in cells]

    unsorted = column()
    heading.click()
    assert column() == sorted(unsorted) != unsorted
    heading.click()
    assert column() == sorted(unsorted, reverse=True)
    assert heading.find_element("xpath", "..").get_attribute("aria-sort") == "descending"


def test_legend_highlights_one_experiment(report):
    def faint():
        lines = find(report, "#language-sherlock .mark-line path")
        return sum(float(line.get_attribute("opacity") or 1) < 0.5 for line in lines), len(lines)

    assert faint()[0] == 0
    button = find(report, "#language-sherlock .legend button[data-experiment='sherlock-lstm']")[0]
    report.execute_script("arguments[0].click()", button)
    from selenium.webdriver.support.ui import WebDriverWait

    # Training and validation of the chosen one stay; four networks have two lines each.
    WebDriverWait(report, 10).until(lambda _: faint() == (6, 8))
    assert button.get_attribute("aria-pressed") == "true"
    report.execute_script("arguments[0].click()", button)
    WebDriverWait(report, 10).until(lambda _: faint() == (0, 8))


def test_theme_button_turns_page_and_charts(report):
    def colours():
        label = find(report, ".mark-text text")[0].get_attribute("fill")
        return report.execute_script("return getComputedStyle(document.body).backgroundColor"), label

    before = colours()
    find(report, "#theme")[0].click()
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(report, 30).until(lambda _: all(a != b for a, b in zip(before, colours(), strict=True)))


def test_dvc_plots_draw_offline(project, tmp_path, browser, traffic):
    root = tmp_path / "project"
    shutil.copytree(project, root)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--quiet", "--no-scm"], cwd=root, check=True)
    shutil.copytree(REPOSITORY / ".dvc" / "plots", root / ".dvc" / "plots")
    plots = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["plots"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}))
    assert install(root).is_file()
    subprocess.run([*dvc, "plots", "show", "--out", "shown"], cwd=root, check=True, capture_output=True)
    browser.get((root / "shown" / "index.html").as_uri())
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda _: len(find(browser, "svg.marks")) == len(plots))
    requests, errors = traffic()
    assert requests == []
    assert errors == []
    curves, bars = (drawing.get_attribute("textContent") for drawing in find(browser, "svg.marks"))
    assert all(name in curves and name in bars for name in LANGUAGE)
    trained = sum(result.epochs > 0 for result in LANGUAGE.values())
    assert len(find(browser, "svg.marks:first-of-type .mark-line path")) >= 2 * trained
