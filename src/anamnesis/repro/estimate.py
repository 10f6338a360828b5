"""How long a stage will take, roughly, so that the longest chain of stages starts first."""

import json
from collections.abc import Callable
from pathlib import Path

from anamnesis import files
from anamnesis.params import Params
from anamnesis.repro.graph import Stage
from anamnesis.repro.scheduler import Progress

DURATIONS = ".anamnesis/durations.json"

# One x86-64 core trains a language model at about this many multiplications of weights a second, forward and back.
MULTIPLICATIONS_PER_SECOND = 1.2e10
# One optimiser step of a small network that recalls.
SECONDS_PER_RECALL_STEP = 0.005
# Of networks that read images or numbers.
SECONDS_WITHOUT_TOKENS = 30.0
# Before a corpus is tokenized, it is taken for a book of this size.
BOOK = {"tokens": 600_000, "vocabulary": 100}


def priorities(stages: list[Stage], params: Params, root: Path) -> Callable[[str], float]:
    """A stage's priority: the estimated seconds from its start to the end of the longest chain that hangs on it."""
    past = _durations(root)
    users: dict[str, list[str]] = {stage.name: [] for stage in stages}
    for stage in stages:
        for need in stage.needs:
            users[need].append(stage.name)

    def seconds(name: str) -> float:
        return past.get(name) or guess(name, params, root)

    def chain(name: str) -> float:
        if name not in known:
            known[name] = seconds(name) + max((chain(user) for user in users[name]), default=0.0)
        return known[name]

    known: dict[str, float] = {}
    return chain


def guess(name: str, params: Params, root: Path) -> float:
    """Seconds that a stage which never ran here may take: exact for none, but in the right order."""
    kind, _, entry = name.partition("@")
    experiment = params.experiments.get(entry) if kind.partition("-")[0] == "train" else None
    training = getattr(experiment, "training", None)
    if experiment is None or training is None:
        return 5.0
    if recall := getattr(experiment, "recall", None):
        # Two tasks, and a network at some of the lags for each seed: about half of the steps are spared.
        return float(recall.seeds * len(recall.lags) * recall.steps * SECONDS_PER_RECALL_STEP)
    size = dict(BOOK)
    statistics = root / "data" / "tokens" / str(getattr(experiment, "tokens", "")) / "stats.json"
    if statistics.exists():
        content = json.loads(statistics.read_text(encoding="utf-8"))
        if "tokens" not in content["splits"]["train"]:
            return SECONDS_WITHOUT_TOKENS
        size = {"tokens": content["splits"]["train"]["tokens"], "vocabulary": content["vocabulary_size"]}
    layers, hidden = getattr(experiment.model, "layers", 1), getattr(experiment.model, "hidden", 100)
    weights = 8 * layers * hidden**2 + hidden * size["vocabulary"]
    batches = getattr(experiment, "batches", None)
    # Windows overlap: one text is read many times in an epoch, or as often as `per_epoch` windows need.
    read = size["tokens"] * getattr(batches, "length", 1) / getattr(batches, "step", 1)
    if getattr(batches, "per_epoch", None):
        read = min(read, getattr(batches, "per_epoch", 0) * getattr(batches, "length", 1))
    return float(5.0 + training.epochs * read * weights / MULTIPLICATIONS_PER_SECOND)


def keep(root: Path, progress: list[Progress]) -> None:
    """Keep how long each stage took that really ran, for the order of the next time."""
    ran = {one.stage.name: round(one.seconds, 1) for one in progress if one.state == "done"}
    files.write_json(root / DURATIONS, _durations(root) | ran)


def _durations(root: Path) -> dict[str, float]:
    try:
        durations: dict[str, float] = json.loads((root / DURATIONS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return durations
