"""Expectations, met or not, and comparisons: stated from the metrics."""

import math

import pytest

from anamnesis import params
from anamnesis.profiles import merge
from anamnesis.report import claims, comparisons, expectations, leaderboard, page

from .conftest import change


def starting(root, words):
    """The only finding whose expectation starts with these words."""
    rows = expectations.findings(root, leaderboard.table(root))
    [finding] = [finding for finding in rows if finding["expectation"].startswith(words)]
    return finding


def compared(root, corpus, title):
    rows = [row for row in leaderboard.table(root) if row.result.corpus == corpus]
    return next(each for each in comparisons.compare(root, rows) if each.title == title)


@pytest.mark.parametrize(
    ("valid", "test", "answer"),
    [(2.2, 2.2, "yes"), (2.3, 2.2, "test only"), (2.2, 2.3, "validation only"), (2.27, 2.29, "no")],
)
def test_a_pair_is_answered_by_split_and_a_draw_is_a_miss(copied, valid, test, answer):
    change(copied, "sherlock-lstm", "valid", bits_per_character=valid)
    change(copied, "sherlock-lstm", "test", bits_per_character=test)
    finding = starting(copied, "sherlock-lstm below sherlock-ngram5 in bits per character")
    assert (finding["answer"], finding["met"]) == (answer, answer == "yes")
    assert finding["valid"] == f"{valid:.3f} against 2.270"
    if answer in ("yes", "no"):
        state = "met" if finding["met"] else "missed"
        assert f'class="answer {state}">{answer}</span>' in page.render(copied)


def test_architectures_are_compared_by_their_best_experiments(copied):
    assert starting(copied, "memory-scrn above memory-rnn in memory span")["met"]
    change(copied, "memory-rnn", "test", memory_span=30.0)
    assert starting(copied, "memory-scrn above memory-rnn")["answer"] == "validation only"
    assert starting(copied, "videos-cnn-lstm above videos-cnn in accuracy")["met"]
    assert starting(copied, "en-nl-attention above en-nl-seq2seq in BLEU")["valid"] == "30.2 against 21.0"
    # The best network with attention reads words, which no network without attention does.
    change(copied, "en-nl-attention-words", "both", bleu=40.0, perplexity=2.0)
    assert starting(copied, "en-nl-attention-words above en-nl-seq2seq in BLEU")["met"]
    assert starting(copied, "en-nl-attention below en-nl-seq2seq in perplexity")["met"]
    change(copied, "en-nl-seq2seq", "both", bleu=11.0)
    assert starting(copied, "en-nl-seq2seq above en-nl-nearest")["answer"] == "no"


@pytest.mark.parametrize(("perplexity", "met"), [(79.34 / 4 - 0.01, True), (79.34 / 4 + 0.01, False)])
def test_networks_are_compared_with_a_uniform_model(copied, perplexity, met):
    change(copied, "sherlock-uniform", "both", perplexity=79.34)
    change(copied, "sherlock-lstm-windows", "both", perplexity=perplexity)
    finding = starting(copied, "sherlock-characters: the perplexity of all 9 networks")
    assert finding["met"] == met
    assert finding["test"].endswith("; uniform 79.34")
    assert finding["test"].startswith("missed by: sherlock-lstm-windows") != met
    # Without a uniform experiment, the size of the vocabulary is the measure.
    assert starting(copied, "fairytales20-bigrams")["test"].endswith("uniform 1,500")


def test_levels_hold_for_all_networks_or_for_the_best(copied):
    all_above = "reuters-r8: all 5 networks above 78.0 % accuracy"
    assert starting(copied, all_above)["valid"] == "the worst: news-lstm-gates 89.0 %"
    change(copied, "news-lstm-relu", "test", accuracy=0.78)
    finding = starting(copied, all_above)
    assert (finding["answer"], finding["test"]) == ("validation only", "missed by: news-lstm-relu 78.0 %")
    best = "reuters-r8: news-birnn, the best network, at 94.0 % accuracy or more on test data"
    for valid, test, met in ((0.951, 0.94, True), (0.951, 0.9399, False), (0.93, 0.95, True)):
        change(copied, "news-birnn", "valid", accuracy=valid)
        change(copied, "news-birnn", "test", accuracy=test)
        assert starting(copied, best)["met"] == met


def test_all_networks_are_compared_with_the_best_baseline(copied):
    assert starting(copied, "sunspots: all 2 networks better than sunspots-last")["met"]
    change(copied, "sunspots-fc5", "test", rmse=21.0)
    finding = starting(copied, "sunspots: all 2 networks better than sunspots-last")
    assert finding["answer"] == "validation only"
    assert finding["test"] == "missed by: sunspots-fc5 21.00; sunspots-last 21.00"
    change(copied, "captions-gru", "valid", exact_match=0.2)
    assert starting(copied, "digits: all 2 networks better than captions-nearest")["answer"] == "test only"


def curve(unrest):
    """A learning curve with a falling trend, which it leaves by `unrest` in turns."""
    return "epoch,valid_perplexity\n" + "".join(
        f"{e},{math.exp(4 - 0.1 * e + unrest * (-1) ** e)!r}\n" for e in range(1, 13)
    )


def test_fluctuation_of_a_trend_is_none_and_of_a_zigzag_twice_its_height(copied):
    scrn, rnn = (copied / "predictions" / f"fairytales100-{each}" / "curve.csv" for each in ("scrn", "rnn"))
    scrn.write_text(curve(0.0))
    rnn.write_text(curve(0.08))
    calm, restless = (comparisons.fluctuation(copied, path.parent.name) for path in (scrn, rnn))
    assert calm["fluctuation"] == pytest.approx(0, abs=1e-12)
    assert (calm["rises"], calm["largest"]) == (0, 0.0)
    assert restless["fluctuation"] == pytest.approx(0.16)
    # Eight of twelve epochs count; every other step rises, by exp(0.16 - 0.1).
    assert (restless["steps"], restless["largest"]) == (7, pytest.approx(math.expm1(0.06)))
    assert starting(copied, "fairytales100-scrn steadier")["met"]
    rnn.write_text(curve(0.0))
    scrn.write_text(curve(0.08))
    assert starting(copied, "fairytales100-scrn steadier")["answer"] == "no"
    assert compared(copied, "fairytales100", "RNN against SCRN").text.endswith("fairytales100-rnn is steadier.")
    rnn.write_text("epoch,valid_perplexity\n1,3\n2,2\n3,1\n")
    assert comparisons.fluctuation(copied, "fairytales100-rnn") is None


def test_comparisons_state_settings_scores_and_differences(boards):
    unrolled = compared(boards, "fairytales20", "Why training looks back")
    assert [row["different settings"] for row in unrolled.rows] == ["–", "steps: 50 → 1"]
    assert [row["Test"] for row in unrolled.rows] == ["22.50", "51.00"]
    assert unrolled.rows[1]["difference, test"] == f"+{100 * (51 / 22.5 - 1):.1f} %"
    techniques = compared(boards, "reuters-r8", "What each technique changes")
    assert {row["experiment"]: row["different settings"] for row in techniques.rows} == {
        "news-lstm": "–",
        "news-lstm-dropout": "dropout: 0 → 0.3",
        "news-lstm-relu": "dense: none → 64",
    }
    assert [row["difference, validation"] for row in techniques.rows] == ["–", "+2.0", "+1.0"]
    # sqrt(0.905 * 0.095 / 300) is 1.69 %.
    assert "300 test documents has a standard error of 1.7 percentage points" in techniques.text


def test_the_file_names_experiments_of_the_project():
    content = claims.read()
    top = claims.FILE.parents[3]
    names = {*params.load(top / "params.yaml").experiments, *merge(top, "seed")["experiments"]}
    for claim in content.claims:
        # A pattern of repetitions matches nothing in the profile without them.
        for pattern in (pattern for pattern in claim.experiments if not pattern.endswith("-seed*")):
            assert any(claim.model_copy(update={"experiments": [pattern]}).matches(name) for name in names)
    assert all(len(content.about(name)) <= 1 for name in names)
    assert {name for comparison in content.comparisons for name in comparison.experiments} <= names
    pairs = [each for each in content.expectations if getattr(each, "better", None) and not getattr(each, "task", None)]
    assert {name for pair in pairs for name in (pair.better, pair.worse)} <= names
