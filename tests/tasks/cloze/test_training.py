"""A cloze model from training to evaluation: its scores, and the cost of unknown words by its definition."""

import json
from collections import Counter
from pydoc_data.topics import topics

import numpy as np
import pytest
import toys as toy
from pydantic import TypeAdapter

from anamnesis.data.stores.store import open_split, open_unknown, write
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.settings import Tokens

SPLITS = {"train": slice(0, 30_000), "valid": slice(30_000, 33_000), "test": slice(33_000, 38_000)}


def test_the_best_epoch_is_scored_on_all_blanks(toys):
    model, metrics, predictions = toys.results("cloze-adaptive")
    best = min(toy.rows(toys.model("cloze-adaptive") / "history.csv"), key=lambda row: float(row["valid_perplexity"]))
    for key in ("perplexity", "accuracy"):
        assert metrics["valid"][key] == pytest.approx(float(best[f"valid_{key}"]), rel=1e-4)
    for split in ("valid", "test"):
        store = toys.tokens("cloze-adaptive")
        unknown = np.count_nonzero(open_unknown(store, split))
        assert metrics[split]["unknown_blanks"] == unknown > 0
        assert metrics[split]["blanks"] == model.candidates[open_split(store, split)].sum() + unknown
    assert len(json.loads((predictions / "blanks.json").read_text())) == 2


@pytest.fixture
def score(tmp_path):
    """score(name, option=...): the metrics of word frequencies on a new token store of an English text."""
    text = "".join(topics[name] for name in sorted(topics)).replace("import", "impört")
    sources = {split: tmp_path / f"{split}.txt" for split in SPLITS}
    for split, path in sources.items():
        path.write_text(text[SPLITS[split]], encoding="utf-8")

    def make(name, **options):
        entry = TypeAdapter(Tokens).validate_python({"corpus": "manual", "kind": "words", **options})
        write(tmp_path / "data" / "tokens" / name, entry, sources)
        toy.train(name, tmp_path, experiment=toy.settings("cloze-unigram", tokens=name))
        toy.evaluate(name, tmp_path)
        return toy.scores(tmp_path, name)

    return make


def test_a_small_vocabulary_gains_nothing(score):
    options = ({}, {"minimum_count": 2}, {"limit": 200}, {"limit": 30}, {"limit": 15})
    found = [score(f"store{number}", **each) for number, each in enumerate(options)]
    assert all(metrics["question"] == found[0]["question"] for metrics in found)
    for split in ("valid", "test"):
        assert len({metrics[split]["blanks"] for metrics in found}) == 1
        perplexities = [metrics[split]["perplexity"] for metrics in found]
        assert perplexities == sorted(perplexities)
        assert perplexities[1] > 1.2 * perplexities[0]
        # The most probable word is the same; where enough words are known, so are the five most probable.
        assert len({metrics[split]["accuracy"] for metrics in found}) == 1
        assert len({metrics[split]["top5_accuracy"] for metrics in found[:4]}) == 1
    # Words in lower case are other targets.
    assert score("lower", lower=True)["question"]["test"] != found[0]["question"]["test"]


@pytest.mark.parametrize("limit", [None, 60])
def test_unknown_words_are_spelled_as_the_definition_says(score, tmp_path, limit):
    metrics = score("mine", limit=limit)
    text = {split: (tmp_path / f"{split}.txt").read_text() for split in ("train", "valid")}
    vocabulary = tokenizer.load(tmp_path / "data" / "tokens" / "mine" / "tokenizer.json")

    def words(split):
        return [word for word in vocabulary.words([text[split]]) if any(map(str.isalnum, word))]

    seen = Counter(words("train"))
    known = {word: count for word, count in seen.items() if word in vocabulary.tokens}
    assert metrics["parameters"] == len(known)
    missing = sum(seen.values()) - sum(known.values())
    rate = (missing + list(known.values()).count(1) + 0.5) / (sum(seen.values()) + 1)
    nats = []
    for word in words("valid"):
        if word in known:
            nats.append(-np.log((1 - rate) * known[word] / sum(known.values())))
        else:
            nats.append(-np.log(rate) + (len(word) + 1) * np.log(len(set(text["train"])) + 2))
    unseen = sum(character not in text["train"] for character in text["valid"]) * np.log(0x110000)
    assert metrics["valid"]["perplexity"] == pytest.approx(np.exp((sum(nats) + unseen) / len(nats)), rel=1e-5)
    top = max(known, key=known.__getitem__)
    hits = sum(word == top for word in words("valid"))
    assert metrics["valid"]["accuracy"] == pytest.approx(hits / len(nats), rel=1e-5)
