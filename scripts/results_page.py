"""Print docs/textbooks.md: the claims of the textbooks beside our scores, and the commands that repeat them.

    python scripts/results_page.py --profile seed --hardware "2 cores" --hardware "en-nl-*=one H200" > docs/textbooks.md

The page is a function of these options and of the folder's params.yaml, corpora.yaml, metrics/, predictions/, models/,
data/tokens/ and .anamnesis/timings/, so that it is written where the trainings ran.
"""

import argparse
import platform
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean
from typing import Any

from anamnesis import console, params
from anamnesis.boards import BOARDS, entrants
from anamnesis.engine.run import count_cores
from anamnesis.models import CARD, read_card
from anamnesis.params import Params
from anamnesis.profiles import merge
from anamnesis.project import STANDARD
from anamnesis.report import formats, leaderboard, results
from anamnesis.report.claims import Claims, read
from anamnesis.report.results import Result
from anamnesis.tracking import results as tracked

PROJECT = Path(__file__).resolve().parents[1]
HEAD = """# The textbooks' numbers beside ours

`python scripts/results_page.py` writes this page; the claims of the textbooks stand in
`src/anamnesis/report/expectations.yaml`. Profile **{profile}**: {run} of its {all} experiments have been run.{note}

The heading of each table names the score that ranks. Scores are those of the best weights on the validation and test
splits, *mean ± sample standard deviation* for experiments with several seeds. *Epochs* are those that were trained:
`3 of 50` is fewer than the profile says, and such a row does not repeat the textbook's experiment. Each command runs
everything that its row depends on, once `anamnesis profile` has written the files of the profile. *Wall time* is that
of the training, of all seeds together; a model that is fitted without gradients has none.
"""


@dataclass(frozen=True)
class Folder:
    """A profile: its folder, its settings, the settings of the whole profile, and its results by experiment."""

    root: Path
    settings: Params
    full: Params
    results: dict[str, Result]


def page(root: Path, claims: Claims, hardware: Sequence[str], full: Params | None = None, note: str = "") -> str:
    """The page, in Markdown.

    Args:
        root: a profile's folder.
        claims: the claims of the textbooks.
        hardware: the machines of the trainings; `PATTERN=TEXT` is for experiments with such names; the last wins.
        full: the settings of the whole profile, where those of `root` have fewer epochs.
        note: a paragraph for the head.

    Raises:
        AnamnesisError: params.yaml is not valid, a file of a stage is damaged, or no experiment has metrics.
    """
    settings = params.load(root / "params.yaml")
    loaded = results.load(root)
    folder = Folder(
        root,
        settings,
        full or settings,
        {result.experiment: result for result in loaded.results},
    )
    notes = list(dict.fromkeys(claim.source for claim in claims.claims))
    head = HEAD.format(
        profile=settings.profile,
        run=len(loaded.results),
        all=len(settings.experiments),
        note=f"\n\n{note}" if note else "",
    )
    machines = {
        chr(ord("A") + index): text
        for index, text in enumerate(dict.fromkeys(text for _, text in map(_machine, hardware)))
    }
    parts = [head, "\n".join(f"- **{letter}**: {text}" for letter, text in machines.items()) + "\n"]
    if counted := _counted(root, settings, claims):
        parts.append(
            _table(
                "Texts",
                ("tokens", "textbook", "words", "different", "tokens with sentence marks", "vocabulary of train"),
                counted,
            )
        )
    groups = entrants(settings.experiments)
    for name, board in BOARDS.items():
        rows = [
            _row(folder, group, claims, notes, machines, hardware)
            for group in groups
            if settings.experiments[group[0]].task == name
        ]
        score = formats.name(board.metric)
        heading = ("experiment", "textbook", f"{score}, valid", "test", "epochs", "command", "hardware", "wall time")
        if rows:
            parts.append(_table(f"{board.title} {formats.heading(board.metric)}", heading, rows))
    parts.append("\n".join(f"[^{number}]: {claims.sources[source]}" for number, source in enumerate(notes, 1)) + "\n")
    return "\n".join(parts)


def _row(
    folder: Folder,
    group: list[str],
    claims: Claims,
    notes: list[str],
    machines: dict[str, str],
    hardware: Sequence[str],
) -> list[str]:
    """The row of experiments that differ only in their seeds."""
    run = [name for name in group if name in folder.results]
    mine = claims.about(group[0])
    title = group[0]
    if len(group) > 1:
        title += f" ({len(group)} seeds)" if len(run) in (0, len(group)) else f" ({len(run)} of {len(group)} seeds)"
    textbook = " ".join(f"{claim.claim}[^{notes.index(claim.source) + 1}]" for claim in mine) or "–"
    command = _command(folder, group, run)
    if not run:
        return [title, textbook, "not run", "not run", "–", command, "–", "–"]
    result = leaderboard.average_seeds(folder.results[name] for name in run)[0]
    metric = BOARDS[result.task].metric
    valid, test = (
        "<br>".join(
            _score(result, split, each) for each in (metric, *(more for claim in mine for more in claim.metrics))
        )
        for split in results.SPLITS
    )
    if any(claim.first_epoch for claim in mine) and (first := _first_epoch(folder.root, run, metric)):
        valid += f"<br>first epoch {first}"
    ran = [text for pattern, text in map(_machine, hardware) if fnmatchcase(group[0], pattern)][-1:]
    letter = next((letter for letter, text in machines.items() if [text] == ran), "–")
    return [title, textbook, valid, test, _epochs(folder, run[0]), command, letter, _wall_time(folder.root, run)]


def _epochs(folder: Folder, name: str) -> str:
    """The epochs of a training, and those of the profile if it has more."""
    curve = results.curve(folder.root, name)
    trained = int(curve.epochs["epoch"].max()) if curve and len(curve.epochs) else 0
    if not trained:
        return "–"
    asked, full = _asked(folder, name), _full(folder, name)
    early = " (stopped early)" if trained < asked else ""
    return f"{trained} of {full}" if asked < full else f"{trained}{early}"


def _asked(folder: Folder, name: str) -> int:
    """The largest number of epochs in the settings of the training; 0 without a training."""
    training = _trained_with(folder, name).get("training")
    return int(training["epochs"]) if training else 0


def _trained_with(folder: Folder, name: str) -> dict[str, Any]:
    """The settings of an experiment: those in its model's card, else those in params.yaml."""
    path = folder.root / "models" / name
    known = (path / CARD).is_file()
    experiment = params.experiment_of(read_card(path)) if known else folder.settings.experiments[name]
    settings: dict[str, Any] = experiment.model_dump(mode="json")
    return settings


def _full(folder: Folder, name: str) -> int:
    """The largest number of epochs in the whole profile; 0 without a training."""
    training = getattr(folder.full.experiments.get(name), "training", None)
    return int(training.epochs) if training else 0


def _command(folder: Folder, group: list[str], run: list[str]) -> str:
    """The shortest command that repeats the results of a group: its evaluation, with all that it depends on."""
    profile = folder.settings.profile
    place = "" if profile == STANDARD else f"profiles/{profile}/"
    evaluate = "evaluate-dependent" if group[0] in folder.settings.dependent else "evaluate"
    stage = f"{place}dvc.yaml:{evaluate}" if place else evaluate
    if changed := {key: value for name in run for key, value in _changed(folder, name).items()}:
        sets = " ".join(f"-S {shlex.quote(f'{place}{file}:{key}={value}')}" for (file, key), value in changed.items())
        return f"`dvc exp run {sets} {' '.join(f'{stage}@{name}' for name in run)}`"
    first = group[0]
    if len(group) > 1 and all(name.startswith(first) for name in group):
        # The shell expands the names.
        return f"`dvc repro {stage}@{first}{{{','.join(name.removeprefix(first) for name in group)}}}`"
    return f"`dvc repro {' '.join(f'{stage}@{name}' for name in group)}`"


def _changed(folder: Folder, name: str) -> dict[tuple[str, str], str]:
    """The settings of a result that differ from the whole profile, by file and key.

    They include the settings of its tokens, its corpus and the model that it needs, but not `trainer`, which states
    the machine.
    """
    if name not in folder.full.experiments:
        return {}
    needed = folder.settings.experiments[name].needed_model
    ran = _settings(folder.settings, name, _trained_with(folder, name))
    full = _settings(folder.full, name, folder.full.experiments[name].model_dump(mode="json"))
    own = {key: value for key, value in ran.items() if value != full.get(key) and ".trainer." not in key[1]}
    return (_changed(folder, needed) if needed else {}) | own


def _settings(settings: Params, name: str, experiment: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The settings of an experiment, its tokens and its corpus, by file and key."""
    store = settings.experiments[name].tokens
    tokens = settings.tokens[store]
    section = "dependent" if name in settings.dependent else "experiments"
    block = "own_corpora" if tokens.corpus in settings.own_corpora else "corpora"
    files = {
        params.PARAMS: {section: {name: experiment}, "tokens": {store: tokens.model_dump(mode="json")}},
        params.CORPORA: {block: {tokens.corpus: settings.corpora[tokens.corpus].model_dump(mode="json")}},
    }
    return {(file, key): value for file, content in files.items() for key, value in tracked.flatten(content).items()}


def _first_epoch(root: Path, run: list[str], metric: str) -> str:
    """The validation score after the first epoch, its mean over seeds; empty where the history has none."""
    scores = []
    for name in run:
        trained = tracked.read(name, root)
        _, row = next(iter(trained.history() if trained else []), (0, {}))
        if f"valid_{metric}" in row:
            scores.append(row[f"valid_{metric}"])
    return formats.score(metric, fmean(scores)) if scores else ""


def _wall_time(root: Path, run: list[str]) -> str:
    """The duration of the trainings, if the timings belong to the evaluated models; else a dash."""
    seconds = 0.0
    for name in run:
        trained = tracked.read(name, root)
        if trained is None or trained.metrics is None or not trained.timings:
            return "–"
        seconds += trained.timings.get("seconds", 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _counted(root: Path, settings: Params, claims: Claims) -> list[list[str]]:
    """The token stores whose words a textbook counts: its claim, and our numbers of words and tokens."""
    rows = []
    for claim in claims.claims:
        for name in settings.tokens:
            path = root / "data" / "tokens" / name / "stats.json"
            if any(fnmatchcase(name, pattern) for pattern in claim.tokens) and path.is_file():
                stats = tracked.read_json(path)
                words = [f"{stats[key]:,}" if key in stats else "–" for key in ("words", "different_words")]
                counts = (split["tokens"] for split in stats["splits"].values())
                rows.append([name, claim.claim, *words, f"{sum(counts):,}", f"{stats['vocabulary_size']:,}"])
    return rows


def _score(result: Result, split: str, metric: str) -> str:
    """A score with its spread, and with its name unless the heading names it."""
    text = formats.repeated(metric, result.scores[split].get(metric), result.spread.get(split, {}).get(metric))
    return text if metric == BOARDS[result.task].metric else f"{formats.name(metric)} {text}"


def _machine(option: str) -> tuple[str, str]:
    """A pattern of experiments, and the hardware they ran on."""
    match = re.fullmatch(r"([a-z0-9*-]+)=(.+)", option)
    return (match[1], match[2]) if match else ("*", option)


def _table(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    written = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"## {title}\n\n" + "\n".join(written) + "\n"


def whole(profile: str) -> Params:
    """The settings of a profile as the project has them, whatever its folder was trained with since."""
    return params.load(PROJECT / "params.yaml") if profile == STANDARD else params.check(merge(PROJECT, profile))


def this_machine() -> str:
    """The processor of this machine, how many of its cores may be used, and its GPU."""
    import torch

    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    number = count_cores()
    text = f"{model or platform.processor() or platform.machine()}, {number} core{'' if number == 1 else 's'}"
    return f"{text}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else text


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--profile", default=STANDARD, help="the profile whose results are shown")
    where.add_argument("--root", type=Path, help="any folder with params.yaml, corpora.yaml and results")
    parser.add_argument(
        "--full",
        type=Path,
        help="params.yaml of the whole profile, with its corpora.yaml, beside a --root that has fewer epochs",
    )
    parser.add_argument(
        "--hardware",
        action="append",
        metavar="[PATTERN=]TEXT",
        help="the machine of the trainings, or of the experiments of that name; repeatable (default: this machine)",
    )
    parser.add_argument("--note", default="", help="a paragraph for the head of the page")
    given = parser.parse_args(arguments)
    standard = PROJECT if given.profile == STANDARD else PROJECT / "profiles" / given.profile
    hardware = given.hardware or [this_machine()]
    full = params.load(given.full) if given.full else None if given.root else whole(given.profile)
    print(page(given.root or standard, read(), hardware, full, given.note), end="")


if __name__ == "__main__":
    console.run(main)
