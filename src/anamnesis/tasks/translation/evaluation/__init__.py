"""The evaluation of a translator: BLEU, chrF and perplexity, and the translations of the test split."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis.data.stores.pairs import pair_texts
from anamnesis.data.stores.store import read_stats
from anamnesis.data.text.languages import units
from anamnesis.files import canonical_json, digest
from anamnesis.metrics.generation import number, search_columns, teacher_forcing_perplexity
from anamnesis.metrics.results import Evaluation, Progress, csv_text, question, round_score
from anamnesis.tasks.translation.evaluation.scores import bleu_by_length, corpus_bleu, corpus_scores, sentence_chrf
from anamnesis.tasks.translation.model.translations import Translation, Translator
from anamnesis.tasks.translation.settings import Network

Sentences = Sequence[str]
# Test sentences in attention.json: the first ones of each of these ranges of lengths, in words.
SHOWN, SHOWN_LENGTHS = 3, ((4, 6), (7, 10), (11, 15))
# Scores that differ by less are equal up to rounding.
TIE = 1e-5


def evaluate(model: Translator, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """BLEU and chrF on the validation and test pairs, and for a network its perplexity and the scores of its searches.

    `bleu` and `chrf` score the translations by beam search, `bleu_greedy` those by greedy search. `perplexity` is that
    of a target token given the source and the tokens before it, the end token included. `score_beam` and `score_greedy`
    are the mean scores of the translations, `beam_below_greedy` the share of sentences for which beam search has the
    lower one. translations.csv has a row for each test pair, lengths.csv the BLEU by length of the source, and
    attention.json the attention for some test sentences.
    """
    languages = read_stats(store)["languages"]
    texts = {split: pair_texts(store, split) for split in ("valid", "test")}
    network = isinstance(experiment.model, Network)
    progress.begin(sum(len(sources) for sources, _ in texts.values()) * (1 + network))
    metrics: dict[str, Any] = {}
    for split, (sources, references) in texts.items():
        best = [each[0] for each in model.translate(sources, experiment.search.beam, progress=progress.advance)]
        scores = corpus_scores([each.text for each in best], references, languages[1])
        metrics[split] = {"bleu": scores.bleu, "chrf": scores.chrf, "length_ratio": scores.length_ratio}
        greedy = None
        if network:
            greedy = [each[0] for each in model.translate(sources, 1, progress=progress.advance)]
            metrics[split] |= {
                "perplexity": perplexity(model, store, split),
                "bleu_greedy": corpus_bleu([each.text for each in greedy], references, languages[1]),
                **search_scores(best, greedy),
            }
    metrics["signatures"] = scores.signatures
    files: dict[str, str | bytes] = {
        "translations.csv": _translations_csv(sources, references, best, greedy),
        "lengths.csv": _lengths_csv(sources, references, best, languages),
    }
    if experiment.model.architecture == "attention":
        files["attention.json"] = _attention_json(model, sources, best, languages[0])
    test = metrics["test"]
    summary = f"test BLEU {test['bleu']:.1f}, chrF {test['chrf']:.1f}"
    if network:
        summary += (
            f", perplexity {test['perplexity']:.4g}; greedy: BLEU {test['bleu_greedy']:.1f}; beam "
            f"{experiment.search.beam} scores below greedy on {test['beam_below_greedy']:.1%} of the sentences"
        )
    return Evaluation(sentences_question(texts, scores.signatures), metrics, files, summary)


def sentences_question(
    texts: Mapping[str, tuple[Sentences, Sentences]], signatures: Mapping[str, str]
) -> dict[str, str]:
    """The question of a translation: sentences and references, and how BLEU and chrF count.

    Args:
        texts: sources and references of each split.
        signatures: from `scores.CorpusScores`.
    """
    facts = {
        split: {"sources": digest(*sources), "references": digest(*references), **signatures}
        for split, (sources, references) in texts.items()
    }
    tokenizer = re.search(r"tok:([^|]+)", signatures["bleu"])
    return question(
        f"every sentence translated, BLEU over tokens by {tokenizer[1] if tokenizer else 'sacrebleu'}", **facts
    )


def perplexity(model: Any, store: Path, split: str) -> float:
    """The perplexity of a network on a split, by teacher forcing, to 6 significant digits.

    Raises:
        AnamnesisError: it is not finite.
    """
    from anamnesis.tasks.translation.model.batches import VALID_TOKENS, PairBatches, pair_ids

    pairs = pair_ids(store, split, model.source, model.target)
    batches = PairBatches(*pairs, model.target.start, VALID_TOKENS, None)
    return teacher_forcing_perplexity(model.network, batches, f"{model.card['experiment']}: {split}")


def search_scores(beam: Sequence[Translation], greedy: Sequence[Translation]) -> dict[str, float]:
    """The mean scores of both searches, and the share of sentences for which beam search has the lower score."""
    one, other = (np.array([each.score for each in found], float) for found in (beam, greedy))
    return {
        "score_beam": round_score(float(one.mean())),
        "score_greedy": round_score(float(other.mean())),
        # Both searches may find the same translation, with log-probabilities from batches of different sizes.
        "beam_below_greedy": round_score(float((one < other - TIE).mean())),
    }


def _translations_csv(
    sources: Sentences, references: Sentences, best: Sequence[Translation], greedy: Sequence[Translation] | None
) -> str:
    chrf = sentence_chrf([each.text for each in best], references)
    rows = zip(sources, references, search_columns(best, greedy), chrf, strict=True)
    return csv_text(
        [
            ("source", "reference", "translation", "greedy", "score", "greedy_score", "chrf"),
            *((source, reference, *columns, number(value)) for source, reference, columns, value in rows),
        ]
    )


def _lengths_csv(
    sources: Sentences, references: Sentences, best: Sequence[Translation], languages: Sequence[str]
) -> str:
    rows = bleu_by_length(sources, [each.text for each in best], references, languages)
    return csv_text([("low", "high", "sentences", "bleu"), *rows])


def _attention_json(model: Any, sources: Sentences, best: Sequence[Translation], language: str) -> str:
    """The attention for the first translated sentences of some lengths, a row of weights for each target token."""
    from anamnesis.tasks.translation.evaluation.attention import attention_map

    shown = []
    for low, high in SHOWN_LENGTHS:
        translated = zip(sources, best, strict=True)
        fitting = (pair for pair in translated if low <= len(units(pair[0], language)) <= high and pair[1].text)
        for source, translation in islice(fitting, SHOWN):
            found = attention_map(model, source, translation)
            weights = [[round(float(weight), 4) for weight in row] for row in found.weights]
            shown.append({"source": found.source, "target": found.target, "weights": weights})
    return canonical_json(shown)
