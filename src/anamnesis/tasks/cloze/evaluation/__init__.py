"""The evaluation of a cloze model: scores of every blank, and example sentences with the model's guesses."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import files
from anamnesis.data.stores.store import open_split, open_unknown, read_stats
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import Evaluation, Progress, question, round_score
from anamnesis.tasks.cloze.model.blanks import find_candidates, split_sentences, unknown_words
from anamnesis.tasks.cloze.model.cloze_model import ClozeModel, Example, examples, scores


def evaluate(model: ClozeModel, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """Perplexity and accuracies of the blanks of the validation and test splits; blanks.json shows test sentences.

    Raises:
        AnamnesisError: a split holds no known word, or the model gives a word no probability.
    """
    stats, texts, facts = read_stats(store), {}, {}
    rules = model.tokenizer.state_dict()
    for split in ("valid", "test"):
        ids = np.asarray(open_split(store, split))
        texts[split] = split_sentences(ids, model.tokenizer)
        places = word_places(ids, open_unknown(store, split), model.tokenizer)
        # The question states the words and their spelling, not which of them the vocabulary holds.
        facts[split] = {
            "text_sha256": stats["splits"][split]["text_sha256"],
            "words": rules,
            "places": files.digest(places.astype("<i8").tobytes()),
            "score": "perplexity",
        }
    metrics: dict[str, dict[str, float | int]] = {}
    progress.begin(len(texts))
    for split, sentences in texts.items():
        try:
            values = scores(model, sentences, unknown_words(store, split, stats, model.candidates))
        except AnamnesisError as error:
            raise AnamnesisError(f"{store / split}.npy: {error}") from None
        metrics[split] = {
            key: round_score(value) if isinstance(value, float) else value for key, value in values.items()
        }
        progress.advance()
    blanks = [_entry(each) for each in examples(model, texts["test"], experiment.sentences)]
    test = metrics["test"]
    return Evaluation(
        question(_title(rules), **facts),
        metrics,
        {"blanks.json": files.canonical_json(blanks)},
        f"test perplexity {test['perplexity']:.4g}, accuracy {100 * test['accuracy']:.1f} %, "
        f"among five {100 * test['top5_accuracy']:.1f} %, over {test['blanks']:,} blanks",
    )


def word_places(ids: NDArray[np.integer], lengths: NDArray[np.integer], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """The places of the words of a text among its tokens, known or not: the same in every vocabulary.

    Args:
        ids: the text (tokens,).
        lengths: characters of its unknown words, from `open_unknown`.
    """
    is_word = find_candidates(tokenizer)[ids]
    is_word[ids == tokenizer.unknown_id] = lengths > 0
    return np.flatnonzero(is_word)


def _title(rules: dict[str, Any]) -> str:
    """The question in words; `rules` say how the tokenizer cuts and spells the text."""
    title = "every word of each sentence"
    if rules["lower"]:
        title += ", in lower case"
    if rules.get("delete"):
        title += f", without the marks {rules['delete']}"
    if rules["sentences"] == "lines":
        title += ", each line being a sentence"
    return title


def _entry(example: Example) -> dict[str, Any]:
    """An example as blanks.json holds it."""
    guesses = [{"word": word, "probability": round_score(probability)} for word, probability in example.guesses]
    return {
        "text": example.text,
        "word": example.word,
        "probability": round_score(example.probability),
        "guesses": guesses,
    }
