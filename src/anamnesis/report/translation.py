"""How networks translate: BLEU by sentence length, where attention looks, what beam search gains, and sentences."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from anamnesis.data.text.languages import unit, units
from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

SPLIT = "test"
# A BLEU over fewer sentences says little.
ENOUGH = 20
# Which sentences are shown, and how many of the best and of the worst: never picked by hand.
WORDS = (6, 20)
SHOWN = 5


@dataclass(frozen=True)
class Bin:
    """BLEU over the `sentences` whose source has `low` to `high` words; a `high` of None is open.

    `bleu` is None where there is no such sentence.
    """

    low: int
    high: int | None
    sentences: int
    bleu: float | None

    @property
    def label(self) -> str:
        """Such as '4-6', '26+' where it is open, or '1' where it holds one length."""
        if self.high is None:
            return f"{self.low}+"
        return f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"


@dataclass(frozen=True)
class Decoding:
    """Greedy decoding beside beam search, in words: BLEU, mean model scores, how often beam search scores lower.

    `name` is the experiment's without what all names of the corpus begin with, as everywhere in the tables.
    """

    name: str
    width: int
    greedy: str
    beam: str
    score_greedy: str
    score_beam: str
    below: str


@dataclass(frozen=True)
class HeatMaps:
    """Where one network looked: a matrix for each of a few sentences."""

    experiment: str
    specs: list[Spec]


@dataclass(frozen=True)
class Said:
    """What one experiment made of a sentence, and its chrF there; None where that was not measured."""

    name: str
    baseline: bool
    text: str
    chrf: float | None


@dataclass(frozen=True)
class Example:
    """A sentence of the test split, its reference, and what each experiment said, the best network first."""

    source: str
    reference: str
    said: list[Said]


@dataclass(frozen=True)
class Translation:
    """What the page says of one corpus besides its leaderboard; what there is nothing of is empty.

    `unit` is what the length of a source is counted in. `signatures` are (metric, how sacrebleu computed it); `judge`
    is the network by whose chrF the examples were picked.
    """

    languages: tuple[str, str] | None
    unit: str
    signatures: list[tuple[str, str]]
    decoding: list[Decoding]
    lengths: Figure | None
    compared: str
    attention: list[HeatMaps]
    judge: str
    best: list[Example]
    worst: list[Example]


def translation(root: Path, ranked: list[Row], order: list[str]) -> Translation | None:
    """The figures and sentences of one corpus of the board `translation`, best first; None on any other board.

    Colours follow the experiments' `order`.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    models = [row.result for row in ranked if row.result.task == "translation"]
    if not models:
        return None
    networks = [model for model in models if not model.baseline]
    short = formats.short([model.experiment for model in models])
    binned = {model.experiment: found for model in models if (found := bins(root, model.experiment))}
    judge, best, worst = examples(root, models, short)
    return Translation(
        languages=models[0].languages,
        unit=_unit(models),
        signatures=list(dict.fromkeys(item for model in models for item in model.signatures.items())),
        decoding=decoding(networks, short),
        lengths=lengths(sorted(models, key=lambda model: order.index(model.experiment)), binned),
        compared=compared(
            _best("attention", networks, binned),
            _best("seq2seq", networks, binned),
            _unit(models),
        ),
        attention=heat_maps(root, networks),
        judge=judge,
        best=best,
        worst=worst,
    )


def bins(root: Path, experiment: str) -> list[Bin]:
    """BLEU by source length, shortest first, empty where the evaluation left none.

    Raises:
        AnamnesisError: the file is damaged.
    """
    fields: dict[str, type[str | float]] = {"low": float, "high": float, "sentences": float, "bleu": float}
    rows = results.table(root, experiment, "lengths.csv", fields)
    return [
        Bin(int(row["low"]), None if row["high"] is None else int(row["high"]), int(row["sentences"] or 0), row["bleu"])
        for row in sorted((row for row in rows if row["low"] is not None), key=lambda row: row["low"])
    ]


def lengths(models: list[Result], binned: dict[str, list[Bin]]) -> Figure | None:
    """BLEU by source length: a line for each network, a dotted one for each baseline."""
    counts = {bin.low: (bin.label, bin.sentences) for found in binned.values() for bin in found if bin.sentences}
    points, floors = (_points([model for model in models if model.baseline == kind], binned) for kind in (False, True))
    if not points:
        return None
    labels = {label: formats.count(sentences) for _, (label, sentences) in sorted(counts.items())}
    x: Spec = {
        "field": "words",
        "type": "ordinal",
        "sort": list(labels),
        "scale": {"domain": list(labels)},
        "axis": {
            "title": f"source {_unit(models)}, and number of sentences",
            "labelExpr": f"[datum.label, {json.dumps(labels)}[datum.label]]",
            "labelAngle": 0,
            "grid": False,
        },
    }
    y: Spec = {
        "field": "bleu",
        "type": "quantitative",
        "axis": {"title": formats.name("bleu"), "tickCount": 5},
        "scale": {"zero": True},
    }
    tooltip: list[Spec] = [
        {"field": "experiment", "type": "nominal"},
        {"field": "words", "type": "nominal", "title": f"source {_unit(models)}"},
        {"field": "sentences", "type": "quantitative"},
        {"field": "bleu", "type": "quantitative", "format": ".1f", "title": formats.name("bleu")},
    ]
    figure = charts.floored("BLEU by source length", points, floors, x, y, tooltip)
    figure.spec["description"] = f"BLEU by source length in {_unit(models)}: " + "; ".join(
        f"{name} "
        + ", ".join(
            f"{formats.score('bleu', point['bleu'])} ({point['words']})"
            for point in (*points, *floors)
            if point["experiment"] == name
        )
        for name, _ in figure.legend
    )
    return figure


def compared(
    attention: tuple[str, list[Bin]] | None, seq2seq: tuple[str, list[Bin]] | None, unit: str = "words"
) -> str:
    """What attention gives short sentences and long ones, as measured: the first and last bin with `ENOUGH` sentences.

    Empty where one of the two networks is missing.
    """
    if attention is None or seq2seq is None:
        return ""
    (one, with_attention), (other, without) = attention, seq2seq
    beside = {bin.low: bin.bleu for bin in without if bin.bleu is not None}
    large = [
        (bin, bin.bleu, beside[bin.low])
        for bin in with_attention
        if bin.sentences >= ENOUGH and bin.bleu is not None and bin.low in beside
    ]
    if not large:
        return f"No range of lengths has {ENOUGH} sentences: too few to say what attention gives to long ones."

    def told(bin: Bin, mine: float, its: float) -> str:
        numbers = " against ".join(formats.score("bleu", value) for value in (mine, its))
        return f"{numbers} at {bin.label} {unit} ({formats.count(bin.sentences)} sentences)"

    start = f"BLEU of {one} against that of {other}: {told(*large[0])}"
    if len(large) == 1:
        return f"{start}. No other range of lengths has {ENOUGH} sentences, so nothing is said of long ones."
    # What is not seen in the numbers shown is no difference.
    short, long = (round(mine, 1) - round(its, 1) for _, mine, its in (large[0], large[-1]))
    grows = round(long - short, 1) > 0
    if long > 0:
        verdict = (
            f"Attention helps where sentences are long, by {long:.1f}, and not where they are short."
            if short <= 0
            else f"The lead of attention grows with the sentence, from {short:.1f} to {long:.1f}."
            if grows
            else f"Attention leads in both, but its lead does not grow with the sentence: {short:.1f}, then {long:.1f}."
        )
    elif short > 0:
        verdict = f"Attention leads by {short:.1f} where sentences are short, and not where they are long."
    else:
        verdict = "Attention leads in neither."
    return f"{start}; {told(*large[-1])}. {verdict} This is one training of each."


def heat_maps(root: Path, networks: list[Result]) -> list[HeatMaps]:
    """The attention of each network that left any, in the order of `networks`."""
    found = [(network.experiment, results.attention(root, network.experiment)) for network in networks]
    return [HeatMaps(name, [charts.attention(each, name) for each in maps]) for name, maps in found if maps]


def decoding(networks: list[Result], short: dict[str, str]) -> list[Decoding]:
    """Greedy decoding and beam search of each network whose evaluation compared them."""
    found = []
    for network in networks:
        scores = network.scores[SPLIT]
        metrics = ("bleu_greedy", "bleu", "score_greedy", "score_beam", "beam_below_greedy")
        if "bleu_greedy" in scores:
            shown = (formats.score(name, scores.get(name)) for name in metrics)
            found.append(Decoding(short[network.experiment], network.settings.search.beam, *shown))
    return found


def examples(root: Path, models: list[Result], short: dict[str, str]) -> tuple[str, list[Example], list[Example]]:
    """The network that judges, and the sentences it translated best (best first) and worst (worst first).

    Of the test sentences whose source has `WORDS[0]` to `WORDS[1]` words, by the chrF of the first network in `models`
    that left translations, ties in the order of the corpus: `SHOWN` of each, or half of them where there are fewer.
    """
    fields: dict[str, type[str | float]] = {"source": str, "reference": str, "translation": str, "chrf": float}
    tables = {model.experiment: results.table(root, model.experiment, "translations.csv", fields) for model in models}
    judge = next((m.experiment for m in models if not m.baseline and tables[m.experiment]), "")
    if not judge:
        return "", [], []
    language = models[0].languages[0] if models[0].languages else ""
    inside = [
        row
        for row in tables[judge]
        if row["chrf"] is not None and WORDS[0] <= len(units(row["source"], language)) <= WORDS[1]
    ]
    # Sorting is stable: equal scores stay in the order of the corpus.
    best = sorted(inside, key=lambda row: -row["chrf"])[: min(SHOWN, math.ceil(len(inside) / 2))]
    worst = sorted((row for row in inside if row not in best), key=lambda row: row["chrf"])[:SHOWN]
    said = {name: {(row["source"], row["reference"]): row for row in table} for name, table in tables.items() if table}
    inorder = sorted(models, key=lambda model: model.baseline)

    def example(row: Spec) -> Example:
        key = (row["source"], row["reference"])
        return Example(
            *key,
            [
                Said(short[model.experiment], model.baseline, own["translation"], own["chrf"])
                for model in inorder
                if (own := said.get(model.experiment, {}).get(key))
            ],
        )

    return judge, [example(row) for row in best], [example(row) for row in worst]


def _unit(models: list[Result]) -> str:
    """What the length of a source sentence is counted in."""
    return unit(models[0].languages[0] if models[0].languages else None)


def _points(models: list[Result], binned: dict[str, list[Bin]]) -> list[Spec]:
    return [
        {"experiment": model.experiment, "words": bin.label, "sentences": bin.sentences, "bleu": bin.bleu}
        for model in models
        for bin in binned.get(model.experiment, [])
        if bin.sentences and bin.bleu is not None
    ]


def _best(architecture: str, networks: list[Result], binned: dict[str, list[Bin]]) -> tuple[str, list[Bin]] | None:
    """The name and the bins of the first network of an architecture whose evaluation left any."""
    found = (each.experiment for each in networks if each.architecture == architecture and each.experiment in binned)
    name = next(found, None)
    return None if name is None else (name, binned[name])
