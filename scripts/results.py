"""Write docs/results.md from its template, the scores in metrics/ and the measurements on a GPU; with --check, print
what differs and fail.

python scripts/results.py [--check]
"""

import json
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from anamnesis import files, params
from anamnesis.boards import BOARDS
from anamnesis.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE, TEMPLATE = Path("docs/results.md"), Path("docs/results.md.j2")
MEASURED = Path("benchmarks/gpu_measured.yaml")
PERCENT = "{:.1%}"
Column = tuple[str, str, str, str]
"""Heading, split, metric, and format of a number."""
COLUMNS: dict[str, list[Column]] = {
    "language": [
        ("valid perplexity", "valid", "perplexity", "{:.4g}"),
        ("test perplexity", "test", "perplexity", "{:.4g}"),
        ("valid bits/char", "valid", "bits_per_character", "{:.3f}"),
        ("test bits/char", "test", "bits_per_character", "{:.3f}"),
        ("shuffle preference", "test", "shuffle_preference", "{:.3g}"),
        ("context tokens", "test", "context_tokens", "{:.0f}"),
    ],
    "cloze": [
        ("valid perplexity", "valid", "perplexity", "{:.4g}"),
        ("test perplexity", "test", "perplexity", "{:.4g}"),
        ("test accuracy", "test", "accuracy", PERCENT),
        ("test top-5 accuracy", "test", "top5_accuracy", PERCENT),
    ],
    "classification": [
        ("valid accuracy", "valid", "accuracy", PERCENT),
        ("test accuracy", "test", "accuracy", PERCENT),
        ("test macro F1", "test", "macro_f1", "{:.3f}"),
    ],
    "video": [
        ("valid accuracy", "valid", "accuracy", PERCENT),
        ("test accuracy", "test", "accuracy", PERCENT),
        ("test, digit", "test", "digit_accuracy", PERCENT),
        ("test, direction", "test", "direction_accuracy", PERCENT),
    ],
    "captioning": [
        ("valid exact match", "valid", "exact_match", PERCENT),
        ("test exact match", "test", "exact_match", PERCENT),
        ("test character error rate", "test", "character_error_rate", PERCENT),
    ],
    "forecasting": [
        ("valid RMSE", "valid", "rmse", "{:.4g}"),
        ("test RMSE", "test", "rmse", "{:.4g}"),
        ("test MAE", "test", "mae", "{:.4g}"),
        ("test skill", "test", "skill", "{:.3f}"),
        ("test RMSE, free-running", "test", "rmse_free_running", "{:.4g}"),
        ("test accuracy", "test", "accuracy", "{:.2%}"),
    ],
    "translation": [
        ("valid BLEU", "valid", "bleu", "{:.1f}"),
        ("test BLEU", "test", "bleu", "{:.1f}"),
        ("greedy", "test", "bleu_greedy", "{:.1f}"),
        ("test chrF", "test", "chrf", "{:.1f}"),
        ("test perplexity", "test", "perplexity", "{:.4g}"),
        ("beam below greedy", "test", "beam_below_greedy", PERCENT),
    ],
    "memory": [
        ("span, copying", "test", "memory_span_copy", "{:.0f}"),
        ("lowest", "test", "memory_span_copy_low", "{:.0f}"),
        ("highest", "test", "memory_span_copy_high", "{:.0f}"),
        ("span, adding", "test", "memory_span_adding", "{:.0f}"),
        ("lowest", "test", "memory_span_adding_low", "{:.0f}"),
        ("highest", "test", "memory_span_adding_high", "{:.0f}"),
        ("gradient's factor, untrained", "test", "gradient_decay_initial", "{:.3f}"),
        ("trained", "test", "gradient_decay_trained", "{:.3f}"),
    ],
}
# Metrics of runs on a GPU.
SCORES = {
    "bleu": "BLEU {:.1f}",
    "bleu_greedy": "greedy {:.1f}",
    "chrf": "chrF {:.1f}",
    "perplexity": "perplexity {:#.4g}",
    "bits_per_character": "{:.3f} bits/char",
    "accuracy": "accuracy {:.1%}",
    "macro_f1": "macro F1 {:.3f}",
    "rmse": "RMSE {:#.4g}",
    "mae": "MAE {:#.4g}",
}


def render(root: Path, template: Path = ROOT / TEMPLATE) -> str:
    """The page with the scores of the experiments in the project `root`.

    Raises:
        FileNotFoundError: an experiment has no metrics.
    """
    experiments = params.load(root / params.PARAMS).experiments
    models = json.loads((root / "reports" / "registry.json").read_text(encoding="utf-8"))["models"]
    registered = {model["experiment"] for model in models}

    def metrics(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((root / "metrics" / f"{name}.json").read_text(encoding="utf-8"))
        return content

    def value(name: str, metric: str, form: str, split: str = "test") -> str:
        return form.format(metrics(name)[split][metric])

    def table(task: str, *patterns: str) -> str:
        return write_table(
            task, [[name for name, each in experiments.items() if fits(name, each, task, p)] for p in patterns],
            metrics, registered,
        )  # fmt: skip

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        table=table, value=value, measured=measured(read_yaml(ROOT / MEASURED)["runs"])
    )


def fits(name: str, experiment: Any, task: str, pattern: str) -> bool:
    """Whether an experiment belongs to a group of rows."""
    return experiment.task == task and fnmatch(name, pattern)


def write_table(
    task: str, groups: list[list[str]], metrics: Callable[[str], dict[str, Any]], registered: set[str]
) -> str:
    """A Markdown table of groups of experiments, in each the best by validation first, registered ones bold."""
    board = BOARDS[task]
    rows: list[list[str]] = []
    columns = COLUMNS[task]
    content = {name: metrics(name) for group in groups for name in group}
    columns = [each for each in columns if any(each[2] in scores[each[1]] for scores in content.values())]
    for group in groups:
        for name in sorted(group, key=lambda name: content[name]["valid"][board.metric], reverse=board.higher):
            scores = content[name]
            cells = [_format(scores[split].get(metric), form) for _, split, metric, form in columns]
            shown = f"**`{name}`**" if name in registered else f"`{name}`"
            rows.append([shown, f"{scores['parameters']:,}", *cells])
    head = ["experiment", "weights", *(heading for heading, *_ in columns)]
    return _markdown(head, rows)


def measured(runs: list[dict[str, Any]]) -> str:
    """A section for each run of benchmarks/gpu_measured.yaml: its machine, its experiments and its benchmarks."""
    parts = []
    for run in runs:
        text = f"{run['software']}; {run['date']}; the code of commit {run['commit']}. {run.get('remarks', '')}".strip()
        if tests := run.get("tests"):
            counts = f"{tests['passed']} passed, {tests['failed']} failed, {tests['skipped']} were skipped"
            text += f" Of the tests in `tests/gpu`, {counts}, in {tests['seconds']} seconds."
        parts += [f"### {run['hardware']}", text, _measured_experiments(run["experiments"])]
        if benchmarks := run.get("benchmarks"):
            rows = [[what, row["ours"], row["reference"], f"{row['ratio']:.2f}"] for what, row in benchmarks.items()]
            parts.append(_markdown(["benchmark", "ours", "reference", "ratio"], rows))
        if epochs := run.get("epochs"):
            parts.append(
                _markdown(EPOCHS, [_steady(what, row["ours"], row["reference"]) for what, row in epochs.items()])
            )
    return "\n\n".join(parts)


def _measured_experiments(experiments: dict[str, Any]) -> str:
    """A table of scores, seconds and speeds."""
    seconds = {
        "training": "train_seconds",
        "evaluation": "evaluate_seconds",
        "evaluation on one core": "evaluate_seconds_cpu",
    }
    shown = {heading: key for heading, key in seconds.items() if any(key in row for row in experiments.values())}
    speeds = ["speed of the training"] if any("speed" in row for row in experiments.values()) else []
    rows = []
    for name, row in experiments.items():
        valid, test = (
            ", ".join(SCORES[metric].format(value) for metric, value in row[split].items()).replace("%", " %")
            for split in ("valid", "test")
        )
        cells = [f"{row[key]:,.0f} s" if key in row else "" for key in shown.values()]
        speed = ["".join(f"{value:,.0f} {unit}/s" for unit, value in row.get("speed", {}).items())] if speeds else []
        rows.append([f"`{name}`", valid.split(", ")[0], test, *cells, *speed])
    return _markdown(["experiment", "validation", "test", *shown, *speeds], rows)


EPOCHS = [
    "epoch of 100 and of 600 batches",
    "ours",
    "bare loop",
    "a step of ours in the steady state",
    "of the bare loop",
    "ratio of speeds",
]


def _steady(what: str, ours: list[float], reference: list[float]) -> list[str]:
    """A row with the seconds of both epochs, and milliseconds of a step without the fixed costs of an epoch."""
    steps = [(long - short) / 500 * 1000 for short, long in (ours, reference)]
    seconds = [f"{short:.2f} s, {long:.2f} s" for short, long in (ours, reference)]
    return [what, *seconds, *(f"{step:.2f} ms" for step in steps), f"{steps[1] / steps[0]:.2f}"]


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose first column holds names and the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value).replace("%", " %")


def main() -> None:
    """Write the page, or fail where it differs from the metrics."""
    page = ROOT / PAGE
    new = render(ROOT)
    if sys.argv[1:] != ["--check"]:
        files.write_text(page, new)
        return
    old = page.read_text(encoding="utf-8")
    if old != new:
        pairs = zip(old.split("\n"), new.split("\n"), strict=False)
        differences = [f"{PAGE}: {one}\nmetrics/: {other}" for one, other in pairs if one != other]
        raise SystemExit("\n".join(differences) or f"{PAGE}: has not as many lines as its template gives")


if __name__ == "__main__":
    main()
