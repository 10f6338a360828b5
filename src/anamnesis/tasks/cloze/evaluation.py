"""The evaluate stage of a cloze model: every held-out blank scored, and some shown beside the guesses."""

from math import exp, fsum, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, curve_csv, perplexity, question, rounded
from anamnesis.metrics.targets import TargetScores, from_distributions
from anamnesis.tasks.cloze import saved as folders
from anamnesis.tasks.cloze.blanks import NONE, Unknown, asked_places, blanks, candidates, sentences, unknown_words
from anamnesis.tasks.cloze.fill import BLANK, guesses
from anamnesis.tasks.cloze.model import ClozeModel
from anamnesis.tasks.cloze.settings import Experiment

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer

# Words that a sentence must have besides its blank to be shown: with fewer there is nothing to guess from.
CONTEXT = 5
# Of the choice of sentences to show, one for all experiments, so that they are shown the same.
SEED = 1
TOP = 5
# Log-probabilities in memory at once.
DISTRIBUTIONS = 2**21


def scores(model: ClozeModel, text: list[NDArray[np.int64]], unknown: Unknown = NONE) -> dict[str, float | int]:
    """Metrics of a model over all blanks of some sentences, each word a blank once and all others given.

    Args:
        text: sentences (tokens,), each from `<s>` to `</s>`.
        unknown: the words of these sentences that the vocabulary lacks, which are blanks as well.

    Returns:
        perplexity of the blanks; accuracy and top5_accuracy, the shares of them whose word was the likeliest, or among
        the five likeliest (`targets.credit`), which an unknown word never is, to 6 significant digits; blanks, how
        many there are; unknown_blanks, how many of them hide an unknown word.

    Raises:
        AnamnesisError: there is no blank, or the model gives the word of one no probability.
    """
    hidden = candidates(model.tokenizer)
    room = max(1, DISTRIBUTIONS // len(hidden))
    kept: list[TargetScores] = []
    for sentence in text:
        places = blanks(sentence, hidden)
        for part in np.split(places, range(room, len(places), room)) if len(places) else []:
            kept.append(from_distributions(model.predict(sentence, part), sentence[part]))
    if not kept:
        raise AnamnesisError(f"found {len(text)} sentences, none of which has a known word to hide")
    every = TargetScores(*(np.concatenate(column) for column in zip(*kept, strict=True)))
    known = len(every.top1)
    count = known + unknown.words
    log_probability, top1, top5 = (fsum(column.tolist()) for column in every)
    if not isfinite(log_probability):
        raise AnamnesisError("the model gives a word of the text no probability, or none that is a number")
    return {
        "perplexity": rounded(perplexity(unknown.total(-log_probability, known) / count)),
        "accuracy": rounded(top1 / count),
        "top5_accuracy": rounded(top5 / count),
        "blanks": count,
        "unknown_blanks": unknown.words,
    }


def shown(model: ClozeModel, text: list[NDArray[np.int64]], count: int) -> list[dict[str, Any]]:
    """Some sentences with one blank each, what the model guesses there, and the word that stood there.

    Sentences and blanks depend on the text alone, so that models of one token store are shown the same ones. Where
    there are enough, they hold no `<unk>`.

    Args:
        text: sentences (tokens,), each from `<s>` to `</s>`.
        count: how many to show, at most.

    Returns:
        `text` with the blank, `word`, its `probability`, and `guesses`, of which each has a `word` and `probability`.
    """
    hidden, tokenizer = candidates(model.tokenizer), model.tokenizer
    long = [sentence for sentence in text if len(blanks(sentence, hidden)) > CONTEXT]
    whole = [sentence for sentence in long if not (sentence == tokenizer.unknown_id).any()]
    pool = next((found for found in (whole, long) if len(found) >= count), long or text)
    random = np.random.default_rng(SEED)
    found = []
    for index in sorted(random.permutation(len(pool))[:count].tolist()):
        sentence = pool[index]
        places = blanks(sentence, hidden)
        if len(places) == 0:
            continue
        place = int(random.choice(places))
        distribution = model.predict(sentence, np.array([place]))[0]
        found.append(
            {
                "text": _spelled(model, sentence, place),
                "word": tokenizer.tokens[sentence[place]],
                "probability": rounded(exp(distribution[sentence[place]])),
                "guesses": [{"word": word, "probability": rounded(p)} for word, p in guesses(model, distribution, TOP)],
            }
        )
    return found


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other tokens than the store now holds.
    """
    from anamnesis.data.stores.store import open_split, open_unknown, read_stats

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = folders.load(folder)
    if files.sha256_file(store / folders.TOKENIZER) != model.card["tokenizer_sha256"]:
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `dvc repro train@{name}`")
    stats, hidden = read_stats(store), candidates(model.tokenizer)
    ids = {split: np.asarray(open_split(store, split)) for split in ("valid", "test")}
    text = {split: sentences(found, model.tokenizer) for split, found in ids.items()}
    places = {split: asked_places(found, open_unknown(store, split), model.tokenizer) for split, found in ids.items()}
    metrics: dict[str, Any] = common_metrics(model.card, stats, _question(model.tokenizer, stats, places))
    for split, found in text.items():
        try:
            metrics[split] = scores(model, found, unknown_words(store, split, stats, hidden))
        except AnamnesisError as error:
            raise AnamnesisError(f"{store / split}.npy: {error}") from None
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_json(predictions / "blanks.json", shown(model, text["test"], experiment.sentences))
        files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test perplexity {test['perplexity']:.4g}, accuracy {100 * test['accuracy']:.1f} %, "
        f"among five {100 * test['top5_accuracy']:.1f} %, over {test['blanks']:,} blanks",
    )


def _question(tokenizer: "Tokenizer", stats: dict[str, Any], places: dict[str, NDArray[np.int64]]) -> dict[str, str]:
    """Which words are asked, and in what spelling; not which of them the vocabulary holds."""
    rules = tokenizer.saved()
    facts = {
        split: {
            "text_sha256": stats["splits"][split]["text_sha256"],
            "words": rules,
            "places": files.digest(found.astype("<i8").tobytes()),
            "score": "perplexity",
        }
        for split, found in places.items()
    }
    asked = "every word of each sentence"
    if rules["lower"]:
        asked += ", in lower case"
    if rules.get("delete"):
        asked += f", without the marks {rules['delete']}"
    if rules["sentences"] == "lines":
        asked += ", each line being a sentence"
    return question(asked, **facts)


def _spelled(model: ClozeModel, sentence: NDArray[np.int64], place: int) -> str:
    """A sentence as a text, `____` for the token at `place`."""
    inside = sentence[1:-1].tolist()
    pieces = list(model.tokenizer.stream(inside))
    piece, word = pieces[place - 1], model.tokenizer.tokens[inside[place - 1]]
    pieces[place - 1] = piece[: len(piece) - len(word)] + BLANK
    return "".join(pieces)
