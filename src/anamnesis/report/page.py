"""The comparison page: one HTML file that holds its own style, data and drawing code, and opens without a network."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis.report import charts, formats, leaderboard, results, scripts
from anamnesis.report.leaderboard import METRICS, Row
from anamnesis.report.results import Epoch, Result, Sample

TITLES = {"language": "Language models"}
SPLIT_NAMES = {"valid": "Validation", "test": "Test"}
# As many colours as style.css defines (--series-0 and on); more networks than that share them.
COLOURS = 12


@dataclass(frozen=True)
class Curves:
    """The learning curves of the experiments that share a token store; perplexity compares nothing else."""

    tokens: str
    legend: list[tuple[str, int | None]]  # an experiment and the number of its colour, None for a baseline
    spec: charts.Spec


@dataclass(frozen=True)
class SampleGroup:
    """What the experiments of a corpus wrote after the same prompt, tokens drawn in the same way."""

    prompt: str
    strategy: str
    texts: list[tuple[Row, str]]


@dataclass(frozen=True)
class Board:
    """Everything the page says of one corpus."""

    corpus: str
    anchor: str
    language: str | None
    tokens: list[str]
    rows: list[Row]
    verdict: str
    bits: charts.Spec
    curves: list[Curves]
    samples: list[SampleGroup]


@dataclass(frozen=True)
class Task:
    """The corpora of one task."""

    title: str
    anchor: str
    boards: list[Board]


def render(root: Path) -> str:
    """The page as HTML: a pure function of params.yaml, the metrics, the learning curves and the samples in `root`.

    Raises:
        AnamnesisError: as `results.load`, `results.curve` and `results.samples`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = results.load(root)
    environment = Environment(
        loader=PackageLoader("anamnesis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    environment.filters["score"] = lambda value, metric: formats.score(metric, value)
    environment.filters["count"] = formats.count
    return environment.get_template("page.html").render(
        profile=found.profile,
        total=len(found.results),
        tasks=_tasks(root, found.results),
        missing=found.missing,
        splits=SPLIT_NAMES,
        metrics={metric: formats.NAMES[metric] for metric in METRICS},
        colours=COLOURS,
        vega=scripts.bundle(),
    )


def _tasks(root: Path, entries: list[Result]) -> list[Task]:
    order = [entry.experiment for entry in entries]
    tasks: dict[str, Task] = {}
    for name, corpus, rows in leaderboard.boards(leaderboard.rank(entries)):
        task = tasks.setdefault(name, Task(TITLES.get(name, name), f"task-{name}", []))
        # Colours stay with the experiments when the ranking changes.
        chosen = sorted(rows, key=lambda row: order.index(row.result.experiment))
        board = Board(
            corpus=corpus,
            anchor=f"{name}-{corpus}",
            language=rows[0].result.language,
            tokens=list(dict.fromkeys(row.result.tokens for row in chosen)),
            rows=rows,
            verdict=verdict(rows),
            bits=charts.bits(rows),
            curves=_curves(root, chosen),
            samples=sample_groups(rows, {row.result.experiment: _samples(root, row) for row in rows}),
        )
        task.boards.append(board)
    return list(tasks.values())


def verdict(rows: list[Row]) -> str:
    """One sentence on a corpus: what the best network gains over the best baseline on the validation split."""
    networks = [row.result for row in rows if not row.result.baseline]
    baselines = [row.result for row in rows if row.result.baseline]
    if not networks or not baselines:
        missing = "baseline" if networks else "network"
        return f"There is no {missing} to compare it with."
    network, floor = networks[0], baselines[0]
    if network.ranking() == floor.ranking():
        return f"{network.experiment} and the baseline {floor.experiment} are equal."
    difference = f"{abs(floor.ranking() - network.ranking()):.3f} bits per character"
    if network.ranking() < floor.ranking():
        return f"It needs {difference} less than the best baseline, {floor.experiment}."
    return f"No network beats this baseline: the best, {network.experiment}, needs {difference} more."


def sample_groups(rows: list[Row], texts: dict[str, list[Sample]]) -> list[SampleGroup]:
    """Texts by prompt and strategy, in the order they are first met, the experiments of each group best first."""
    groups: dict[tuple[str, str], SampleGroup] = {}
    for row in rows:
        for sample in texts[row.result.experiment]:
            key = (sample.prompt, sample.strategy)
            groups.setdefault(key, SampleGroup(*key, texts=[])).texts.append((row, sample.text))
    return list(groups.values())


def _samples(root: Path, row: Row) -> list[Sample]:
    return results.samples(root, row.result.experiment)


def _curves(root: Path, rows: list[Row]) -> list[Curves]:
    found = []
    for tokens in dict.fromkeys(row.result.tokens for row in rows):
        same = [row for row in rows if row.result.tokens == tokens]
        epochs: dict[str, list[Epoch]] = {
            row.result.experiment: results.curve(root, row.result.experiment) for row in same if not row.result.baseline
        }
        spec = charts.curves(same, epochs)
        if spec:
            legend: list[tuple[str, int | None]] = [(name, index % COLOURS) for index, name in enumerate(epochs)]
            legend += [(row.result.experiment, None) for row in same if row.result.baseline]
            found.append(Curves(tokens, legend, spec))
    return found
