"""What models write and choose: samples side by side, filled blanks, mistakes."""

from pathlib import Path
from typing import Any

from anamnesis.boards import BOARDS
from anamnesis.report import formats, results
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Blank, Result, Sample

# How many blanks and mistakes are shown: the first of the test split.
BLANKS = MISTAKES = 10

Rows = list[dict[str, Any]]


def sample_groups(root: Path, rows: list[Row], ranked: list[Row]) -> Rows:
    """Groups of texts that stand side by side, each with `prompt`, `strategy` and `texts`.

    Language models stand side by side after the same prompt and with the same strategy, the best first. A forecaster
    of word numbers stands beside the best language model of its corpus.

    Args:
        root: the project's folder.
        rows: all ranked results.
        ranked: those of the group to show.
    """
    if ranked[0].result.task == "forecasting":
        return _word_numbers(root, rows, ranked)
    groups: dict[tuple[str, str], Rows] = {}
    for row in ranked:
        for sample in results.items(root, row.result.experiment, "samples.json", Sample):
            texts = groups.setdefault((sample["prompt"], sample["strategy"]), [])
            texts.append(_text(row.result, _score(row.result), sample))
    # The page opens the first group, and greedy texts soon repeat themselves.
    keys = sorted(groups, key=lambda key: key[1] == "greedy")
    return [{"prompt": prompt, "strategy": strategy, "texts": groups[prompt, strategy]} for prompt, strategy in keys]


def _word_numbers(root: Path, rows: list[Row], ranked: list[Row]) -> Rows:
    corpus = ranked[0].result.corpus
    models = [row.result for row in rows if row.result.task == "language" and row.result.corpus == corpus]
    best = next((model for model in models if not model.baseline), None)
    samples = results.items(root, best.experiment, "samples.json", Sample) if best else []
    # A greedy text repeats itself.
    samples = [sample for sample in samples if sample["strategy"] != "greedy"] or samples
    beside = [_text(best, f"{_score(best)}, {sample['strategy']}", sample) for sample in samples[:1] if best]
    groups = []
    for result in (row.result for row in ranked):
        own = results.items(root, result.experiment, "samples.json", Sample)
        texts = [_text(result, sample["strategy"], sample) for sample in own]
        if texts:
            groups.append({"prompt": "", "strategy": result.experiment, "texts": [*texts, *beside]})
    return groups


def _text(result: Result, note: str, sample: Sample) -> dict[str, Any]:
    return {"title": result.experiment, "note": note, "baseline": result.baseline, **sample}


def _score(result: Result) -> str:
    # A text comes from one training, even if the experiment was repeated.
    return formats.stated(BOARDS[result.task].metric, next(iter(result.repeats), result).score)


def blanks(root: Path, rows: list[Row]) -> Rows:
    """The first blanks, each with the text `before` and `after` it, its `word`, and `filled`: blanks by experiment."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        for blank in results.items(root, row.result.experiment, "blanks.json", Blank):
            before, _, after = blank["text"].partition("____")
            entry = {"before": before, "word": blank["word"], "after": after, "filled": {}}
            entries.setdefault((blank["text"], blank["word"]), entry)["filled"][row.result.experiment] = blank
    return list(entries.values())[:BLANKS]


def mistakes(root: Path, ranked: list[Row]) -> dict[str, Any]:
    """The first texts that the best network with mistakes.csv classifies wrongly: its name, `judge`, and `rows`."""
    columns = {"text": str, "actual": str, "predicted": str, "probability": float}
    for result in (row.result for row in ranked if not row.result.baseline):
        rows = results.table(root, result.experiment, "mistakes.csv", columns).fillna({"probability": 0.0})
        if len(rows):
            return {"judge": result.experiment, "rows": results.records(rows.head(MISTAKES))}
    return {}
