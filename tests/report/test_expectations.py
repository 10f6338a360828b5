"""What the numbers must show, and lessons: stated from the metrics, met or not."""

import json
import math
import shutil

import pytest

from anamnesis.report import expectations, leaderboard, lessons, page, results, steadiness


@pytest.fixture
def copied(boards, tmp_path):
    return shutil.copytree(boards, tmp_path / "project")


def findings(root):
    return {finding.expectation: finding for finding in expectations.findings(root, leaderboard.table(root))}


def starting(root, words):
    return next(finding for name, finding in findings(root).items() if name.startswith(words))


def change(root, experiment, split, **scores):
    path = root / "metrics" / f"{experiment}.json"
    metrics = json.loads(path.read_text())
    metrics[split] |= scores
    path.write_text(json.dumps(metrics))


def test_says_what_was_measured_on_both_splits(boards):
    finding = starting(boards, "sherlock-lstm below sherlock-ngram5")
    assert finding.measured == {"valid": "2.060 against 2.270", "test": "2.090 against 2.290"}
    assert finding.answer == "yes"


@pytest.mark.parametrize(
    ("valid", "test", "answer"),
    [(2.2, 2.2, "yes"), (2.3, 2.2, "test only"), (2.2, 2.3, "validation only"), (2.3, 2.3, "no"), (2.27, 2.29, "no")],
)
def test_a_miss_is_said_plainly_and_a_draw_is_a_miss(copied, valid, test, answer):
    change(copied, "sherlock-lstm", "valid", bits_per_character=valid)
    change(copied, "sherlock-lstm", "test", bits_per_character=test)
    finding = starting(copied, "sherlock-lstm below")
    assert finding.answer == answer
    assert finding.met == (answer == "yes")
    text = page.render(copied)
    assert f'class="answer {"met" if finding.met else "missed"}">{answer}</span>' in text
    assert (f"All {len(findings(copied))} expectations" in " ".join(text.split())) == finding.met


def test_far_below_asks_for_a_tenth(copied):
    for split in ("valid", "test"):
        change(copied, "fairytales20-rnn-nounroll", split, perplexity=100.0)
        change(copied, "fairytales20-rnn", split, perplexity=91.0)
    assert starting(copied, "fairytales20-rnn below").answer == "no"
    for split in ("valid", "test"):
        change(copied, "fairytales20-rnn", split, perplexity=89.0)
    assert starting(copied, "fairytales20-rnn below").answer == "yes"


def test_longer_memory_is_a_larger_span(copied):
    assert starting(copied, "memory-scrn remembers longer than memory-rnn").answer == "yes"
    change(copied, "memory-rnn", "test", memory_span=30.0)
    assert starting(copied, "memory-scrn remembers longer than memory-rnn").answer == "validation only"


def test_experiments_without_metrics_are_left_out(copied):
    before = set(findings(copied))
    (copied / "metrics" / "memory-scrn.json").unlink()
    (copied / "metrics" / "sherlock-ngram5.json").unlink()
    gone = before - set(findings(copied))
    assert {name for name in gone if "all" not in name.split()} == {
        name for name in before if "memory-scrn" in name or "sherlock-ngram5" in name
    }


def test_no_expectation_no_section(made, tmp_path):
    made.write(tmp_path, without=("sherlock-lstm", "sherlock-uniform"))
    assert "What the numbers must show" not in page.render(tmp_path)


@pytest.mark.parametrize(("perplexity", "met"), [(79.34 / 4 - 0.01, True), (79.34 / 4 + 0.01, False)])
def test_networks_are_held_against_the_uniform_experiment(copied, perplexity, met):
    for split in ("valid", "test"):
        change(copied, "sherlock-uniform", split, perplexity=79.34)
        change(copied, "sherlock-lstm-windows", split, perplexity=perplexity)
    finding = starting(copied, "sherlock-characters: all 10 networks")
    assert finding.met == met
    assert ("above it: sherlock-lstm-windows" in finding.measured["test"]) != met
    assert "uniform 79.34" in finding.measured["test"]


def test_without_a_uniform_experiment_the_vocabulary_is_the_measure(copied):
    assert "uniform 1,500" in starting(copied, "fairytales20-bigrams").measured["test"]
    change(copied, "fairytales20-rnn-nounroll", "test", perplexity=376.0)
    assert starting(copied, "fairytales20-bigrams").answer == "validation only"


def test_news_networks_are_held_against_what_was_published(copied):
    finding = starting(copied, "reuters-r8: all 7 networks above 78.0 %")
    assert finding.answer == "yes"
    assert finding.measured["valid"] == "the worst, news-lstm-batchnorm 88.0 %"
    change(copied, "news-lstm-relu", "test", accuracy=0.78)
    finding = starting(copied, "reuters-r8: all 7 networks above 78.0 %")
    assert finding.answer == "validation only"
    assert finding.measured["test"] == "missed by: news-lstm-relu 78.0 %"


@pytest.mark.parametrize(("valid", "test", "met"), [(0.951, 0.94, True), (0.951, 0.9399, False), (0.93, 0.95, True)])
def test_the_best_news_network_is_held_to_its_test_accuracy(copied, valid, test, met):
    for split, value in (("valid", valid), ("test", test)):
        change(copied, "news-birnn", split, accuracy=value)
    finding = starting(copied, "reuters-r8: news-birnn, the best network, at 94.0 %")
    assert finding.answer == ("yes" if met else "no")
    assert set(finding.measured) == {"valid", "test"}


def test_every_network_is_held_against_the_best_baseline_in_the_sense_of_its_board(copied):
    assert starting(copied, "sunspots: all 2 networks better than sunspots-last").answer == "yes"
    assert starting(copied, "digits: all 2 networks better than captions-nearest").answer == "yes"
    change(copied, "sunspots-fc5", "test", rmse=21.0)
    change(copied, "captions-gru", "valid", exact_match=0.2)
    finding = starting(copied, "sunspots: all 2 networks better than sunspots-last")
    assert finding.answer == "validation only"
    assert finding.measured["test"] == "missed by: sunspots-fc5 21.00; sunspots-last 21.00"
    assert starting(copied, "digits: all 2 networks better than captions-nearest").answer == "test only"


def test_videos_need_both_parts(copied):
    assert starting(copied, "videos-cnn-lstm above videos-cnn in accuracy").answer == "yes"
    assert starting(copied, "videos-cnn-lstm, the best network, at 95.0 % accuracy or more").answer == "yes"
    for split in ("valid", "test"):
        change(copied, "videos-cnn-lstm", split, accuracy=0.949)
        change(copied, "videos-lstm", split, accuracy=0.949 if split == "valid" else 0.95)
    assert starting(copied, "videos-cnn-lstm, the best network, at 95.0 % accuracy or more").answer == "no"
    assert starting(copied, "videos-cnn-lstm above videos-lstm in accuracy").answer == "no"


def test_captions_are_held_to_nineteen_of_twenty(copied):
    assert starting(copied, "captions-lstm, the best network, at 95.0 % exact match").answer == "yes"
    change(copied, "captions-lstm", "test", exact_match=0.9499)
    assert starting(copied, "captions-lstm, the best network, at 95.0 % exact match").answer == "validation only"


@pytest.mark.parametrize(("rmse", "answer"), [(21.0, "yes"), (21.01, "no")])
def test_the_lstm_may_be_as_good_as_the_last_value(copied, rmse, answer):
    for split in ("valid", "test"):
        change(copied, "sunspots-lstm3", split, rmse=rmse)
    assert starting(copied, "sunspots-lstm3 at or below sunspots-last in RMSE").answer == answer


def test_steadiness_of_a_trend_is_none_and_of_a_zigzag_twice_its_height():
    # From exp(a - b e) nothing strays; exp(+-u) about it strays by 2 u from the line through its neighbours.
    def curve(u):
        values = [math.exp(4 - 0.1 * e + u * (-1) ** e) for e in range(1, 13)]
        return results.Curve("perplexity", [results.Epoch(e, None, value) for e, value in enumerate(values, 1)])

    calm, restless = steadiness.steadiness("a", curve(0.0)), steadiness.steadiness("b", curve(0.08))
    assert calm.fluctuation == pytest.approx(0, abs=1e-12)
    assert (calm.rises, calm.largest) == (0, 0.0)
    assert restless.fluctuation == pytest.approx(0.16)
    # Eight of twelve epochs count; every other step rises, by exp(0.16 - 0.1).
    assert (restless.rises, restless.steps) == (4, 7) or (restless.rises, restless.steps) == (3, 7)
    assert restless.largest == pytest.approx(math.expm1(0.16 - 0.1))


def test_too_short_a_curve_says_nothing():
    short = results.Curve("perplexity", [results.Epoch(e, None, 9.0 - e) for e in range(1, 4)])
    assert steadiness.steadiness("a", short) is None
    assert "too few epochs" in steadiness.sentence(None, None, "a", "b")


def test_the_unsteadier_is_named_as_such(copied):
    assert starting(copied, "fairytales100-scrn steadier").answer == "yes"
    folder = copied / "predictions"
    calm = (folder / "fairytales100-scrn" / "curve.csv").read_text()
    restless = (folder / "fairytales100-rnn" / "curve.csv").read_text()
    (folder / "fairytales100-scrn" / "curve.csv").write_text(restless)
    (folder / "fairytales100-rnn" / "curve.csv").write_text(calm)
    assert starting(copied, "fairytales100-scrn steadier").answer == "no"
    rows = [row for row in leaderboard.table(copied) if row.result.corpus == "fairytales100"]
    [comparison] = steadiness.compare(copied, rows)
    # The one with three layers is no match for an SCRN of one.
    assert {name for name, _ in comparison.figure.legend} == {"fairytales100-rnn", "fairytales100-scrn"}
    assert "fairytales100-scrn is not steadier than fairytales100-rnn" in comparison.sentences[0]


def test_the_lesson_of_one_step_states_both_perplexities(boards):
    rows = [row for row in leaderboard.table(boards) if row.result.corpus == "fairytales20"]
    lesson = lessons.lessons(boards, rows)[0]
    assert set(lesson.experiments) == {"fairytales20-rnn", "fairytales20-rnn-nounroll"}
    assert "through 50 steps at once" in lesson.text
    assert "22.50 (validation) and 22.50 (test) against 51.00 (validation) and 51.00 (test)" in lesson.text
    assert f"{100 * (1 - 22.5 / 51):.0f} % lower" in lesson.text


def test_transfer_is_compared_in_bits_per_character_alone(boards):
    rows = [row for row in leaderboard.table(boards) if row.result.corpus == "fairytales20"]
    lesson = lessons.lessons(boards, rows)[1]
    assert {*lesson.experiments} == {f"fairytales20-lstm-{kind}" for kind in ("finetuned", "scratch", "untouched")}
    assert "saves 0.300 bits per character" in lesson.text
    drawn = [point for layer in lesson.figure.spec["layer"] for point in layer["data"]["values"]]
    assert {point["experiment"] for point in drawn} == set(lesson.experiments)
    assert next(p["value"] for p in drawn if p["experiment"].endswith("finetuned") and p["epoch"] == 1) == 2.34
    # Its perplexities are of two tokenizers: no chart compares them.
    curves = page._curves(boards, rows, lessons.lessons(boards, rows), steadiness.compare(boards, rows))
    perplexities = {name for measure, figure in curves for name, _ in figure.legend if measure == "perplexity"}
    assert not perplexities & set(lesson.experiments)


def test_transfer_that_costs_says_so(copied):
    for split in ("valid", "test"):
        change(copied, "fairytales20-lstm-finetuned", split, bits_per_character=2.5)
    rows = [row for row in leaderboard.table(copied) if row.result.corpus == "fairytales20"]
    assert "saves nothing here: it costs 0.050 more" in lessons.lessons(copied, rows)[1].text
