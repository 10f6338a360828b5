"""How texts are classified: what each technique changes, gates against the fused layer, and mistakes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anamnesis.report import formats, results
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import SPLITS, Result

METRIC = "accuracy"
GATES = "-gates"
# How many mistakes are shown: the first of the test split.
MISTAKES = 10


@dataclass(frozen=True)
class Variant:
    """One network beside the plain one: what is set otherwise, and by split its accuracy and how far that is apart.

    Of the plain one itself, `changed` and `differences` are empty.
    """

    experiment: str
    changed: list[str]
    parameters: int
    scores: dict[str, float]
    differences: dict[str, str]


@dataclass(frozen=True)
class Comparison:
    """A plain network, first, and its variants; `text` says what can be read from it."""

    plain: str
    variants: list[Variant]
    text: str


@dataclass(frozen=True)
class Mistake:
    """A text of the test split, its label, and the other one that was predicted, with that one's probability."""

    actual: str
    predicted: str
    probability: float
    text: str


@dataclass(frozen=True)
class Classification:
    """What the page says of one corpus besides its leaderboard; what there is nothing of is empty."""

    techniques: list[Comparison]
    gates: list[Comparison]
    judge: str
    mistakes: list[Mistake]


def classification(root: Path, ranked: list[Row], order: list[str]) -> Classification | None:
    """Of one corpus of the board `classification`, best first; None on any other board.

    Variants stand in the `order` of the experiments.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    networks = [row.result for row in ranked if row.result.task == "classification" and not row.result.baseline]
    if not networks:
        return None
    judge, found = mistakes(root, networks)
    networks.sort(key=lambda network: order.index(network.experiment))
    return Classification(techniques(networks), gates(networks), judge, found)


def techniques(networks: list[Result]) -> list[Comparison]:
    """Each network with those of the same architecture that bear its name and one more word, in their order."""
    found = []
    for plain in networks:
        same = [
            network
            for network in networks
            if network.experiment.startswith(f"{plain.experiment}-")
            and (network.tokens, network.architecture) == (plain.tokens, plain.architecture)
        ]
        if same:
            best = max((plain, *same), key=lambda network: network.scores["valid"][METRIC])
            found.append(_compared(plain, same, f"On validation data {best.experiment} is best.{_noise(plain)}"))
    return found


def gates(networks: list[Result]) -> list[Comparison]:
    """Each network whose layer is written out from its gates, with the one that calls the fused layer."""
    found = []
    for fused in networks:
        written = [
            network
            for network in networks
            if network.architecture == fused.architecture + GATES
            and network.tokens == fused.tokens
            and _changed(fused, network) == [_change("architecture", fused.architecture, network.architecture)]
        ]
        for network in written:
            same = "as many" if network.parameters == fused.parameters else "not as many"
            apart = abs(network.scores["test"][METRIC] - fused.scores["test"][METRIC])
            text = (
                f"Both compute the same equations from {same} parameters; they begin with other random weights. Their "
                f"test accuracies are {formats.difference(METRIC, apart)} apart.{_noise(fused)}"
            )
            found.append(_compared(fused, [network], text))
    return found


def mistakes(root: Path, networks: list[Result]) -> tuple[str, list[Mistake]]:
    """The first network that left its mistakes, and the first `MISTAKES` of them in the order of the test split."""
    fields: dict[str, type[str | float]] = {"actual": str, "predicted": str, "probability": float, "text": str}
    for network in networks:
        rows = results.table(root, network.experiment, "mistakes.csv", fields)
        if rows:
            return network.experiment, [
                Mistake(row["actual"], row["predicted"], row["probability"] or 0.0, row["text"])
                for row in rows[:MISTAKES]
            ]
    return "", []


def _compared(plain: Result, others: list[Result], text: str) -> Comparison:
    variants = [
        Variant(
            each.experiment,
            [] if each is plain else _changed(plain, each),
            each.parameters,
            {split: each.scores[split][METRIC] for split in SPLITS},
            {}
            if each is plain
            else {
                split: formats.signed(METRIC, each.scores[split][METRIC] - plain.scores[split][METRIC])
                for split in SPLITS
            },
        )
        for each in (plain, *others)
    ]
    return Comparison(plain.experiment, variants, text)


def _noise(plain: Result) -> str:
    """How much of a difference is chance, as far as the size of the test split tells."""
    scores = plain.scores["test"]
    if "documents" not in scores:
        return ""
    error = (scores[METRIC] * (1 - scores[METRIC]) / scores["documents"]) ** 0.5
    return (
        f" Each was trained once, and an accuracy on {formats.count(int(scores['documents']))} test documents has a "
        f"standard error of {formats.difference(METRIC, error)}: smaller differences say nothing."
    )


def _changed(plain: Result, other: Result) -> list[str]:
    """The settings of `other` that are not those of `plain`, in words."""
    before, after = (_flat(each.settings.model_dump()) for each in (plain, other))
    return [
        _change(key.rpartition(".")[2], before.get(key), after.get(key))
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]


def _change(key: str, before: object, after: object) -> str:
    return f"{key}: {_said(before)} → {_said(after)}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as one level, their keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat
