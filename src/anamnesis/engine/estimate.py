"""How long stages take, roughly: in what order they start, and how long a run takes."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis import files
from anamnesis.engine.executor import Stage
from anamnesis.engine.scheduler import Progress
from anamnesis.params import Params
from anamnesis.project import STANDARD, profile_of

# What stages took in this working copy.
DURATIONS = Path(".anamnesis/durations.json")
# What those of the default profile took where this file was written, by scripts/durations.py.
SHIPPED = Path("pipelines/durations.json")

# One x86-64 core trains a language model at about this many multiplications of weights a second, forward and back.
MULTIPLICATIONS_PER_SECOND = 1.2e10
# One optimiser step of a small network that recalls.
SECONDS_PER_RECALL_STEP = 0.005
# Of networks that read images or numbers.
SECONDS_WITHOUT_TOKENS = 30.0
# Before a corpus is tokenized, it is taken for a book of this size.
BOOK = {"tokens": 600_000, "vocabulary": 100}


@dataclass(frozen=True)
class Order:
    """Short chains of stages first in one slot, so that there is soon something to see; the longest in the others.

    Attributes:
        first: of each stage, the seconds from its start to the end of the evaluation that is then the nearest.
        last: of each stage, the seconds from its start to the end of the longest chain that follows.
    """

    first: dict[str, float]
    last: dict[str, float]

    def choose(self, ready: list[str], running: list[str], slots: int) -> str:
        """The stage of `ready` to start next, beside `running`: the first of the slots takes the quickest."""
        longest = max(ready, key=lambda name: self.last[name])
        quickest = min(ready, key=lambda name: self.first[name])
        if slots == 1:
            return quickest
        threshold = self.first[quickest]
        return longest if any(self.first[name] <= threshold for name in running) else quickest


def estimate(stages: list[Stage], params: Params, root: Path) -> dict[str, float]:
    """The seconds that each stage may take, by its name; none for a stage that is up to date."""
    durations = _durations(root)
    return {
        stage.name: 0.0 if stage.current else durations.get(stage.name) or guess(stage.name, params, root)
        for stage in stages
    }


def order(stages: list[Stage], seconds: dict[str, float]) -> Order:
    """The order in which stages start.

    Args:
        stages: in an order in which each comes after those it needs.
        seconds: what each may take.
    """
    needed: dict[str, frozenset[str]] = {}
    last = dict(seconds)
    for stage in stages:
        needed[stage.name] = frozenset({stage.name}).union(*(needed[need] for need in stage.needs))
    for stage in reversed(stages):
        for need in stage.needs:
            last[need] = max(last[need], seconds[need] + last[stage.name])
    first = dict.fromkeys(seconds, float("inf"))
    for stage in stages:
        if stage.name.rpartition(":")[2].startswith("evaluate"):
            for name in needed[stage.name]:
                # What `name` itself needs is done when it starts.
                left = needed[stage.name] - needed[name]
                first[name] = min(first[name], seconds[name] + sum(seconds[other] for other in left))
    return Order(first, last)


def total(seconds: dict[str, float], chains: Order, slots: int) -> float:
    """The seconds that all stages may take together, `slots` at once: at least as long as the longest chain."""
    return max([*chains.last.values(), sum(seconds.values()) / slots])


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
    path = root / "data" / "tokens" / str(getattr(experiment, "tokens", "")) / "stats.json"
    if path.exists():
        stats = files.read_state(path)
        try:
            size = {"tokens": int(stats["splits"]["train"]["tokens"]), "vocabulary": int(stats["vocabulary_size"])}
        except (KeyError, TypeError, ValueError):
            # Nothing is counted in tokens there, or the file is damaged, which the stage that reads it will say.
            return SECONDS_WITHOUT_TOKENS
    layers, hidden = getattr(experiment.model, "layers", 1), getattr(experiment.model, "hidden", 100)
    weights = 8 * layers * hidden**2 + hidden * size["vocabulary"]
    batches = getattr(experiment, "batches", None)
    # Windows overlap: one text is read many times in an epoch, or as often as `per_epoch` windows need.
    read = size["tokens"] * getattr(batches, "length", 1) / getattr(batches, "step", 1)
    if getattr(batches, "per_epoch", None):
        read = min(read, getattr(batches, "per_epoch", 0) * getattr(batches, "length", 1))
    return float(5.0 + training.epochs * read * weights / MULTIPLICATIONS_PER_SECOND)


def keep(root: Path, progress: list[Progress]) -> None:
    """Keep how long each stage took that really ran, for the next time."""
    ran = {one.stage.name: round(one.seconds, 1) for one in progress if one.state == "done"}
    files.write_json(root / DURATIONS, (files.read_state(root / DURATIONS) or {}) | ran)


def _durations(root: Path) -> dict[str, float]:
    shipped = files.read_state(root / SHIPPED) if profile_of(root) == STANDARD else None
    return (shipped or {}) | (files.read_state(root / DURATIONS) or {})
