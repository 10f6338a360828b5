"""Estimated durations of stages, the order in which stages start, and the estimated time of a run."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis import files
from anamnesis.engine.executor import Stage
from anamnesis.engine.scheduler import Progress
from anamnesis.params import Params
from anamnesis.project import STANDARD, profile_of

# Measured durations of stages in this working copy.
DURATIONS = Path(".anamnesis/durations.json")
# Durations in the default profile on the machine where scripts/durations.py wrote them.
SHIPPED = Path("pipelines/durations.json")

# Multiplications with weights per second on one x86-64 core that trains a language model, forward and backward.
MULTIPLICATIONS_PER_SECOND = 1.2e10
# One optimiser step of a small network in a memory experiment.
SECONDS_PER_RECALL_STEP = 0.005
# Training of a network that reads images or numbers.
SECONDS_WITHOUT_TOKENS = 30.0
# The assumed size of a corpus that is not tokenized yet.
BOOK = {"tokens": 600_000, "vocabulary": 100}


@dataclass(frozen=True)
class Order:
    """Order of stages: one slot takes the shortest chain, for early results, the other slots take the longest.

    Attributes:
        shortest: by stage, the seconds from its start to the end of the nearest evaluation.
        longest: by stage, the seconds from its start to the end of the longest chain of stages that need it.
    """

    shortest: dict[str, float]
    longest: dict[str, float]

    def choose(self, ready: list[str], running: list[str], slots: int) -> str:
        """The stage of `ready` to start next, beside `running`."""
        longest = max(ready, key=lambda name: self.longest[name])
        shortest = min(ready, key=lambda name: self.shortest[name])
        short_chain_runs = any(self.shortest[name] <= self.shortest[shortest] for name in running)
        return longest if slots > 1 and short_chain_runs else shortest


def estimate_stages(stages: list[Stage], params: Params, root: Path) -> dict[str, float]:
    """The estimated seconds of each stage, by name; 0 for a stage that is up to date."""
    durations = _durations(root)
    return {
        stage.name: 0.0 if stage.up_to_date else durations.get(stage.name) or guess_seconds(stage.name, params, root)
        for stage in stages
    }


def plan_order(stages: list[Stage], seconds: dict[str, float]) -> Order:
    """The order in which stages start.

    Args:
        stages: each stage after those that it needs.
        seconds: the estimated seconds of each stage, by name.
    """
    needed: dict[str, frozenset[str]] = {}
    longest = dict(seconds)
    for stage in stages:
        needed[stage.name] = frozenset({stage.name}).union(*(needed[need] for need in stage.needs))
    for stage in reversed(stages):
        for need in stage.needs:
            longest[need] = max(longest[need], seconds[need] + longest[stage.name])
    shortest = dict.fromkeys(seconds, float("inf"))
    for stage in stages:
        if stage.name.rpartition(":")[2].startswith("evaluate"):
            for name in needed[stage.name]:
                # The stages that `name` needs have finished when it starts.
                left = needed[stage.name] - needed[name]
                shortest[name] = min(shortest[name], seconds[name] + sum(seconds[other] for other in left))
    return Order(shortest, longest)


def estimate_run(seconds: dict[str, float], order: Order, slots: int) -> float:
    """The estimated seconds of a run with `slots` stages at once: at least those of the longest chain."""
    return max([*order.longest.values(), sum(seconds.values()) / slots])


def guess_seconds(name: str, params: Params, root: Path) -> float:
    """A guess of the seconds of a stage that has not run here; it needs only to be in the right order."""
    kind, _, entry = name.partition("@")
    experiment = params.experiments.get(entry) if kind.partition("-")[0] == "train" else None
    training = getattr(experiment, "training", None)
    if experiment is None or training is None:
        return 5.0
    if recall := getattr(experiment, "recall", None):
        # Two problems with one network per lag and seed; training stops early after half of the steps on average.
        return float(recall.seeds * len(recall.lags) * recall.steps * SECONDS_PER_RECALL_STEP)
    size = dict(BOOK)
    path = root / "data" / "tokens" / str(getattr(experiment, "tokens", "")) / "stats.json"
    if path.exists():
        stats = files.read_state(path)
        try:
            size = {"tokens": int(stats["splits"]["train"]["tokens"]), "vocabulary": int(stats["vocabulary_size"])}
        except (KeyError, TypeError, ValueError):
            # The store has no tokens, or the file is damaged; the stage that reads it reports that.
            return SECONDS_WITHOUT_TOKENS
    layers, hidden = getattr(experiment.model, "layers", 1), getattr(experiment.model, "hidden", 100)
    weights = 8 * layers * hidden**2 + hidden * size["vocabulary"]
    batches = getattr(experiment, "batches", None)
    # Windows overlap, so an epoch reads each token several times, unless `per_epoch` limits the windows.
    tokens = size["tokens"] * getattr(batches, "length", 1) / getattr(batches, "step", 1)
    if getattr(batches, "per_epoch", None):
        tokens = min(tokens, getattr(batches, "per_epoch", 0) * getattr(batches, "length", 1))
    return float(5.0 + training.epochs * tokens * weights / MULTIPLICATIONS_PER_SECOND)


def save_durations(root: Path, progress: list[Progress]) -> None:
    """Save the durations of the stages that ran, for the estimates of the next run."""
    ran = {each.stage.name: round(each.seconds, 1) for each in progress if each.state == "done"}
    files.write_json(root / DURATIONS, (files.read_state(root / DURATIONS) or {}) | ran)


def _durations(root: Path) -> dict[str, float]:
    shipped = files.read_state(root / SHIPPED) if profile_of(root) == STANDARD else None
    return (shipped or {}) | (files.read_state(root / DURATIONS) or {})
