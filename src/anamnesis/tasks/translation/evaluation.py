"""The evaluate stage of a translation model: BLEU, chrF and perplexity of the held-out splits, and what it wrote."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import console, files
from anamnesis.data.text.languages import units
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, csv_text, curve_csv, question, rounded
from anamnesis.tasks.translation import saved
from anamnesis.tasks.translation.scores import BINS, bleu_by_length, corpus_bleu, corpus_scores, sentence_chrf
from anamnesis.tasks.translation.settings import Experiment, Network
from anamnesis.tasks.translation.translations import Translation, Translator

# Test sentences whose attention is shown: as many from each bin of lengths that has a picture's room.
SHOWN, SHOWN_BINS = 3, ((4, 6), (7, 10), (11, 15))


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    `bleu` and `chrf` are of the translations that beam search finds, `bleu_greedy` of those of greedy search;
    `perplexity` is that of a target token given the source and the true tokens before it, the end token among them.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other tokens than the store now holds.
    """
    from anamnesis.data.stores.pairs import pair_texts
    from anamnesis.data.stores.store import read_stats

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = saved.load(folder)
    for tokenizer in saved.TOKENIZERS:
        if files.sha256_file(store / tokenizer) != files.sha256_file(folder / tokenizer):
            raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
    stats = read_stats(store)
    languages: list[str] = stats["languages"]
    texts = {split: pair_texts(store, split) for split in ("valid", "test")}
    network = isinstance(experiment.model, Network)
    scores: dict[str, dict[str, float]] = {}
    signatures: dict[str, str] = {}
    with console.progress() as bar:
        task = bar.add_task(
            f"evaluate {name}", total=sum(len(sources) for sources, _ in texts.values()) * (1 + network)
        )
        for split, (sources, references) in texts.items():
            scores[split], signatures, found, plain = _scores(
                model,
                experiment,
                store,
                split,
                languages[1],
                sources,
                references,
                lambda count: bar.advance(task, count),
            )
    metrics = common_metrics(model.card, stats, sentences_question(texts, signatures))
    metrics["signatures"] = signatures
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "translations.csv", _translations_csv(sources, references, found, plain))
        files.write_text(predictions / "lengths.csv", _lengths_csv(sources, references, found, languages))
        if network:
            files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
        if experiment.model.architecture == "attention":
            files.write_json(predictions / "attention.json", _attention(model, sources, found, languages[0]))
    files.write_json(root / "metrics" / f"{name}.json", metrics | scores)
    test = scores["test"]
    console.summary(
        "evaluate",
        name,
        f"test BLEU {test['bleu']:.1f}, chrF {test['chrf']:.1f}"
        + (
            f", perplexity {test['perplexity']:.4g}; greedy: BLEU {test['bleu_greedy']:.1f}; "
            f"beam {experiment.search.beam} scores below greedy on {test['beam_below_greedy']:.1%} of the sentences"
            if network
            else ""
        ),
    )


def sentences_question(
    texts: Mapping[str, tuple[Sequence[str], Sequence[str]]], signatures: Mapping[str, str]
) -> dict[str, str]:
    """What a translation model is asked: sentences and references, and how BLEU and chrF count.

    Args:
        texts: sources and references of each split.
        signatures: of `scores.CorpusScores`.
    """
    facts = {
        split: {"sources": files.digest(*sources), "references": files.digest(*references), **signatures}
        for split, (sources, references) in texts.items()
    }
    cut = re.search(r"tok:([^|]+)", signatures["bleu"])
    return question(f"every sentence translated, BLEU over tokens by {cut[1] if cut else 'sacrebleu'}", **facts)


def _scores(
    model: Translator,
    experiment: Experiment,
    store: Path,
    split: str,
    language: str,
    sources: list[str],
    references: list[str],
    progress: Callable[[int], object],
) -> tuple[dict[str, float], dict[str, str], list[Translation], list[Translation] | None]:
    """The scores of one split, their signatures, the translations, and those of greedy search: of a floor, none."""
    from anamnesis.tasks.translation.batches import pair_ids
    from anamnesis.tasks.translation.translator import NetworkTranslator

    if not isinstance(model, NetworkTranslator):
        found = [best[0] for best in model.translate(sources, 1)]
        progress(len(sources))
        measured = corpus_scores([each.text for each in found], references, language)
        shares = {"bleu": measured.bleu, "chrf": measured.chrf, "length_ratio": measured.length_ratio}
        return shares, measured.signatures, found, None
    found = [best[0] for best in model.translate(sources, experiment.search.beam, progress=progress)]
    plain = [best[0] for best in model.translate(sources, 1, progress=progress)]
    measured = corpus_scores([each.text for each in found], references, language)
    pairs = pair_ids(store, split, model.source, model.target)
    tokens = sum(map(len, pairs[1]))
    nats = -math.fsum(model.likelihoods(*pairs).tolist()) / tokens
    if not nats < 700:
        raise AnamnesisError(f"{store}: a token of the {split} split has no probability: {nats:.4g} nats a token")
    both = [(one.score or 0.0, other.score or 0.0) for one, other in zip(found, plain, strict=True)]
    return (
        {
            "bleu": measured.bleu,
            "chrf": measured.chrf,
            "perplexity": rounded(math.exp(nats)),
            "bleu_greedy": corpus_bleu([each.text for each in plain], references, language),
            "length_ratio": measured.length_ratio,
            "score_beam": rounded(float(np.mean([one for one, _ in both]))),
            "score_greedy": rounded(float(np.mean([other for _, other in both]))),
            # What one search computes in another order than the other differs in the last digits.
            "beam_below_greedy": rounded(float(np.mean([one < other - 1e-6 for one, other in both]))),
        },
        measured.signatures,
        found,
        plain,
    )


def _translations_csv(
    sources: list[str], references: list[str], found: list[Translation], plain: list[Translation] | None
) -> str:
    """translations.csv: one row a test sentence; greedy search's columns are empty where nothing was searched."""
    chrf = sentence_chrf([each.text for each in found], references)
    rows: list[tuple[object, ...]] = [("source", "reference", "translation", "greedy", "score", "greedy_score", "chrf")]
    for index, (source, reference, each) in enumerate(zip(sources, references, found, strict=True)):
        other = plain[index] if plain is not None else None
        rows.append(
            (
                source,
                reference,
                each.text,
                other.text if other is not None else "",
                _number(each.score),
                _number(other.score if other is not None else None),
                f"{chrf[index]:.6g}",
            )
        )
    return csv_text(rows)


def _lengths_csv(sources: list[str], references: list[str], found: list[Translation], languages: list[str]) -> str:
    """lengths.csv: BLEU of the test sentences by words of the source; an open bin has no `high`."""
    rows = bleu_by_length(sources, [each.text for each in found], references, languages)
    shown = [["" if value is None else value for value in row] for row in rows]
    return csv_text([("low", "high", "sentences", "bleu"), *shown])


def _attention(model: Any, sources: list[str], found: list[Translation], language: str) -> list[dict[str, Any]]:
    """The attention of the first test sentences of some lengths, each row the weights of one target token."""
    chosen: list[int] = []
    for low, high in SHOWN_BINS:
        assert (low, high) in BINS
        fitting = (i for i, each in enumerate(sources) if low <= len(units(each, language)) <= high and found[i].text)
        chosen += [index for index, _ in zip(fitting, range(SHOWN), strict=False)]
    shown = []
    for index in chosen:
        spelled, each = model.attended(sources[index], found[index])
        weights = [[round(float(value), 4) for value in row] for row in each.attention]
        shown.append({"source": spelled, "target": each.tokens, "weights": weights})
    return shown


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
