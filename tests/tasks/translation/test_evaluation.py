"""The evaluation: every number again from the model and the texts; heat maps of attention."""

import io
import json
import math

import numpy as np
import pytest
import torch
import toys as toy

from anamnesis.data.stores.pairs import pair_texts
from anamnesis.tasks.translation import heatmap
from anamnesis.tasks.translation.evaluation.attention import AttentionMap, attention_map
from anamnesis.tasks.translation.evaluation.scores import BINS, bleu_by_length, corpus_scores, sentence_chrf


def log_probability(model, source, target):
    """The log-probability of a translation, and its number of tokens."""
    read, written = model.source.encode(source).ids, model.target.encode(target).ids
    inputs = torch.tensor([model.target.start, *written[:-1]])
    with torch.no_grad():
        state, memory = model.network.encode(torch.tensor(read)[:, None], torch.tensor([len(read)]))
        readouts = model.network.decode(inputs[:, None], state, memory)[0]
        values = model.network.output(readouts[:, 0]).double().log_softmax(-1)
    return sum(float(values[time, token]) for time, token in enumerate(written)), len(written)


@pytest.mark.parametrize("name", ["translation-seq2seq", "translation-attention"])
def test_scores_of_a_network(toys, name):
    model, metrics, predictions = toys.results(name)
    for split in ("valid", "test"):
        sources, references = pair_texts(toys.tokens(name), split)
        best, greedy = ([each for [each] in model.translate(sources, beam)] for beam in (2, 1))
        expected = corpus_scores([each.text for each in best], references, "nl")
        assert metrics["signatures"] == expected.signatures
        values = [log_probability(model, *texts) for texts in zip(sources, references, strict=True)]
        nats = -sum(value for value, _ in values) / sum(count for _, count in values)
        differences = [one.score - other.score for one, other in zip(best, greedy, strict=True)]
        assert metrics[split] == {
            "bleu": expected.bleu,
            "chrf": expected.chrf,
            "perplexity": pytest.approx(math.exp(nats), rel=1e-4),
            "bleu_greedy": corpus_scores([each.text for each in greedy], references, "nl").bleu,
            "length_ratio": expected.length_ratio,
            "score_beam": pytest.approx(np.mean([each.score for each in best]), rel=1e-4),
            "score_greedy": pytest.approx(np.mean([each.score for each in greedy]), rel=1e-4),
            "beam_below_greedy": pytest.approx(np.mean([value < -1e-5 for value in differences]), rel=1e-4),
        }
    # The weights are those of the epoch with the best validation perplexity.
    history = toy.rows(toys.model(name) / "history.csv")
    best_epoch = min(float(row["valid_perplexity"]) for row in history)
    assert metrics["valid"]["perplexity"] == pytest.approx(best_epoch, rel=1e-4)

    table = toy.rows(predictions / "translations.csv")
    chrf = sentence_chrf([each.text for each in best], references)
    for row, one, other, source, reference, value in zip(table, best, greedy, sources, references, chrf, strict=True):
        assert (row["source"], row["reference"]) == (source, reference)
        assert (row["translation"], row["greedy"]) == (one.text, other.text)
        found = [float(row[key]) for key in ("score", "greedy_score", "chrf")]
        assert found == pytest.approx([one.score, other.score, value], rel=1e-4)
    assert (predictions / "attention.json").exists() == (name == "translation-attention")
    if name == "translation-attention":
        shown = json.loads((predictions / "attention.json").read_text())
        # The first three sentences of each range of lengths.
        numbers = [
            number
            for low, high in ((4, 6), (7, 10), (11, 15))
            for number in [i for i, text in enumerate(sources) if low <= len(text.split()) <= high and best[i].text][:3]
        ]
        assert len(shown) == len(numbers) > 3
        for each, number in zip(shown, numbers, strict=True):
            expected_map = attention_map(model, sources[number], best[number])
            assert (each["source"], each["target"]) == (expected_map.source, expected_map.target)
            np.testing.assert_allclose(each["weights"], expected_map.weights, atol=1e-4)


def test_scores_of_a_baseline(toys):
    model, metrics, predictions = toys.results("translation-nearest")
    for split in ("valid", "test"):
        sources, references = pair_texts(toys.tokens("translation-nearest"), split)
        texts = [each.text for [each] in model.translate(sources, 1)]
        expected = corpus_scores(texts, references, "nl")
        assert metrics[split] == {
            "bleu": expected.bleu, "chrf": expected.chrf, "length_ratio": expected.length_ratio
        }  # fmt: skip
    for row, text, source in zip(toy.rows(predictions / "translations.csv"), texts, sources, strict=True):
        assert (row["source"], row["translation"]) == (source, text)
        assert (row["greedy"], row["score"], row["greedy_score"]) == ("", "", "")
    lengths = toy.rows(predictions / "lengths.csv")
    assert [(int(row["low"]), int(row["high"]) if row["high"] else None) for row in lengths] == list(BINS)
    for row, each in zip(lengths, bleu_by_length(sources, texts, references, ("en", "nl")), strict=True):
        assert int(row["sentences"]) == each.sentences
        assert row["bleu"] == ("" if each.bleu is None else f"{each.bleu}")


def test_a_block_is_in_the_row_of_its_target_and_the_column_of_its_source():
    found = AttentionMap(["the", "cat"], ["de", "kater", "</s>"], np.array([[0.8, 0.2], [0.3, 0.7], [0.04, 0.96]]))
    assert heatmap.as_text(found).splitlines() == [
        "      t c",
        "      h a",
        "      e t",
        "   de ██░░",
        "kater ▒▒▓▓",
        " </s>   ██",
        "",
        "      ░ 0.05  ▒ 0.25  ▓ 0.5  █ 0.75 and more",
    ]


def darkest(found: AttentionMap) -> tuple[float, float]:
    """The mean position of the pixels of full weight, (down, right), without the colour bar."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(heatmap.as_png(found))).convert("RGB")).astype(int)
    full = np.abs(picture - np.array([8, 48, 107])).sum(axis=2) < 12
    down, right = np.nonzero(full[:, : round(picture.shape[1] * 0.7)])
    return float(down.mean()), float(right.mean())


def test_the_darkest_cell_of_a_picture_is_that_of_the_largest_weight():
    def one(row: int, column: int) -> AttentionMap:
        weights = np.zeros((4, 5))
        weights[row, column] = 1
        return AttentionMap([*"abcde"], [*"wxyz"], weights)

    origin = darkest(one(0, 0))
    height, width = darkest(one(1, 0))[0] - origin[0], darkest(one(0, 1))[1] - origin[1]
    assert min(height, width) > 5
    assert darkest(one(3, 2)) == pytest.approx((origin[0] + 3 * height, origin[1] + 2 * width), abs=height / 4)


def test_a_picture_is_the_same_every_time_and_shows_any_character(monkeypatch):
    found = AttentionMap(["$x^$", "\U0001f642", "_a_"], ["\ufffd", "$"], np.full((2, 3), 1 / 3))
    first = heatmap.as_png(found)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    assert first == heatmap.as_png(found)
    assert b"Software" not in first
