"""Translations: BLEU by sentence length, attention, beam search, and the best and worst sentences."""

import json
import math
from pathlib import Path
from typing import Any

import altair as alt
from pandas import DataFrame

from anamnesis.data.text.languages import unit, units
from anamnesis.report import charts, formats, results
from anamnesis.report.captioning import describe_points
from anamnesis.report.charts import Figure, Spec, tooltip
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Attention, Result

SPLIT = "test"
# A BLEU over fewer sentences says little.
ENOUGH = 20
# Words of the sentences to show, and how many of the best and of the worst: a rule picks them.
WORDS = (6, 20)
SHOWN = 5


def translation(root: Path, ranked: list[Row], rows: list[Row]) -> dict[str, Any]:
    """The content of translation.html, for experiments with the task `translation`; empty for others.

    Args:
        root: the project's folder.
        ranked: the experiments, best first.
        rows: the same in the order of params.yaml, which colours follow.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    if ranked[0].result.task != "translation":
        return {}
    models = [row.result for row in ranked]
    networks = [model for model in models if not model.baseline]
    languages = models[0].languages
    name = unit(languages[0] if languages else None)
    lengths = {each.experiment: table for each in models if len(table := read_lengths(root, each.experiment))}
    attention = [
        (each.experiment, results.items(root, each.experiment, "attention.json", Attention)) for each in networks
    ]
    return {
        "languages": languages,
        "unit": name,
        "signatures": list(dict.fromkeys(item for model in models for item in model.signatures.items())),
        "decoding": decoding_rows(networks),
        "lengths": draw_lengths([row.result for row in rows], lengths, name),
        "compared": describe_lengths(_best("attention", networks, lengths), _best("seq2seq", networks, lengths), name),
        "attention": [
            (experiment, [charts.attention(each, experiment) for each in maps])
            for experiment, maps in attention
            if maps
        ],
        **pick_sentences(root, models),
    }


def read_lengths(root: Path, experiment: str) -> DataFrame:
    """BLEU by source length, shortest first: `low`, `label`, `sentences` and `bleu` of each range with sentences."""
    columns = {"low": float, "high": float, "sentences": float, "bleu": float}
    table = results.table(root, experiment, "lengths.csv", columns).dropna(subset=["low", "bleu"])
    table = table[table["sentences"] > 0].sort_values("low").astype({"low": int, "sentences": int})
    labels = [
        f"{low}+" if math.isnan(high) else f"{low}" if low == high else f"{low}-{high:.0f}"
        for low, high in zip(table["low"].tolist(), table["high"].tolist(), strict=True)
    ]
    return table.assign(label=labels)


def draw_lengths(models: list[Result], lengths: dict[str, DataFrame], unit: str = "words") -> Figure | None:
    """BLEU by source length: a line for each network, a dotted one for each baseline."""
    points: dict[bool, list[Spec]] = {False: [], True: []}
    counts: dict[int, tuple[str, str]] = {}
    for model in models:
        for row in results.records(lengths.get(model.experiment, DataFrame())):
            counts[row["low"]] = row["label"], formats.count(row["sentences"])
            point = {"words": row["label"], "sentences": row["sentences"], "bleu": row["bleu"]}
            points[model.baseline].append({"experiment": model.experiment, **point})
    if not points[False]:
        return None
    labels = dict(label for _, label in sorted(counts.items()))
    title = f"source {unit}, and number of sentences"
    two_lines = f"[datum.label, {json.dumps(labels)}[datum.label]]"
    axis = alt.Axis(title=title, labelExpr=two_lines, labelAngle=0, grid=False)
    x = alt.X("words:O", sort=list(labels), scale=alt.Scale(domain=list(labels)), axis=axis)
    name = formats.name("bleu")
    y = alt.Y("bleu:Q", axis=alt.Axis(title=name, tickCount=5), scale=alt.Scale(zero=True))
    shown = [
        alt.Tooltip("experiment:N"),
        alt.Tooltip("words:N", title=f"source {unit}"),
        *tooltip(sentences="Q", bleu=("Q", ".1f", name)),
    ]
    description = f"BLEU by source length in {unit}: " + describe_points(
        [*points[False], *points[True]], "bleu", "words"
    )
    title = "BLEU by source length"
    return charts.lines(points[False], x, y, shown, description, title=title, baselines=points[True])


def _best(architecture: str, networks: list[Result], lengths: dict[str, DataFrame]) -> tuple[str, DataFrame] | None:
    """The name and the lengths of the best network of an architecture; None without any."""
    names = [each.experiment for each in networks if each.architecture == architecture and each.experiment in lengths]
    return (names[0], lengths[names[0]]) if names else None


def describe_lengths(
    attention: tuple[str, DataFrame] | None, seq2seq: tuple[str, DataFrame] | None, unit: str = "words"
) -> str:
    """The gain of attention in short and in long sentences: the first and the last range with `ENOUGH` sentences.

    Empty if one of the two networks is missing.
    """
    if attention is None or seq2seq is None:
        return ""
    merged = attention[1].merge(seq2seq[1][["low", "bleu"]], on="low", suffixes=("", "_"))
    both = results.records(merged[merged["sentences"] >= ENOUGH].rename(columns={"bleu_": "without"}))
    if not both:
        return f"No range of lengths has {ENOUGH} sentences: too few to say what attention gives to long ones."

    def scores(row: dict[str, Any]) -> str:
        numbers = " against ".join(formats.score("bleu", value) for value in (row["bleu"], row["without"]))
        return f"{numbers} at {row['label']} {unit} ({formats.count(row['sentences'])} sentences)"

    first, last = both[0], both[-1]
    start = f"BLEU of {attention[0]} against that of {seq2seq[0]}: {scores(first)}"
    if len(both) == 1:
        return f"{start}. No other range of lengths has {ENOUGH} sentences: too few to compare long ones."
    # A difference that the shown numbers do not show is none.
    short, long = (round(row["bleu"], 1) - round(row["without"], 1) for row in (first, last))
    if long > 0 >= short:
        verdict = f"Attention helps where sentences are long, by {long:.1f}, and not where they are short."
    elif long > 0 and round(long - short, 1) > 0:
        verdict = f"The lead of attention grows with the sentence, from {short:.1f} to {long:.1f}."
    elif long > 0:
        verdict = (
            f"Attention leads in both, but its lead does not grow with the sentence: {short:.1f}, then {long:.1f}."
        )
    elif short > 0:
        verdict = f"Attention leads by {short:.1f} where sentences are short, and not where they are long."
    else:
        verdict = "Attention leads in neither."
    return f"{start}; {scores(last)}. {verdict} This is one training of each."


def decoding_rows(networks: list[Result]) -> list[dict[str, Any]]:
    """Greedy decoding and beam search of each network whose evaluation compared them."""
    short = formats.short([network.experiment for network in networks])
    metrics = ("bleu_greedy", "bleu", "score_greedy", "score_beam", "beam_below_greedy")
    return [
        {"network": short[each.experiment], "width": each.settings.search.beam}
        | {metric: formats.score(metric, each.scores[SPLIT].get(metric)) for metric in metrics}
        for each in networks
        if "bleu_greedy" in each.scores[SPLIT]
    ]


def pick_sentences(root: Path, models: list[Result]) -> dict[str, Any]:
    """The test sentences that the best network translated best and worst, with all translations.

    Of the sentences with `WORDS` words, by sentence chrF, equal ones in the order of the corpus: `SHOWN` of each, or
    half of them where there are fewer.

    Args:
        root: the project's folder.
        models: best first.

    Returns:
        `judge`, the network; `best` and `worst`: rows with `source`, `reference` and `translations`, networks' first,
        each with `name`, `baseline`, `text` and `chrf`.
    """
    columns = {"source": str, "reference": str, "translation": str, "chrf": float}
    tables = {each.experiment: results.table(root, each.experiment, "translations.csv", columns) for each in models}
    judge = next((each.experiment for each in models if not each.baseline and len(tables[each.experiment])), "")
    if not judge:
        return {"judge": "", "best": [], "worst": []}
    language = models[0].languages[0] if models[0].languages else ""
    short = formats.short([model.experiment for model in models])
    inorder = sorted(models, key=lambda model: model.baseline)
    by_sentence = {
        name: {(row["source"], row["reference"]): row for row in results.records(table)}
        for name, table in tables.items()
    }

    def example(row: dict[str, Any]) -> dict[str, Any]:
        key = row["source"], row["reference"]
        translations = [
            {
                "name": short[model.experiment],
                "baseline": model.baseline,
                "text": own["translation"],
                "chrf": None if math.isnan(own["chrf"]) else own["chrf"],
            }
            for model in inorder
            if (own := by_sentence[model.experiment].get(key))
        ]
        return {"source": row["source"], "reference": row["reference"], "translations": translations}

    scored = tables[judge].dropna(subset=["chrf"])
    lengths = scored["source"].map(lambda source: len(units(source, language)))
    inside = scored[lengths.between(*WORDS)]
    best = inside.sort_values("chrf", ascending=False, kind="stable").head(min(SHOWN, math.ceil(len(inside) / 2)))
    worst = inside.drop(best.index).sort_values("chrf", kind="stable").head(SHOWN)
    return {
        "judge": judge,
        "best": [example(row) for row in results.records(best)],
        "worst": [example(row) for row in results.records(worst)],
    }
