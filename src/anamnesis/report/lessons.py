"""What small groups of experiments teach: how far back training must look, and what pre-training gives."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis.report import charts, formats, results, seeds
from anamnesis.report.charts import Figure
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import SPLITS, Result

BITS = "bits_per_character"


@dataclass(frozen=True)
class Lesson:
    """A few experiments side by side: their learning curves, where they left any, and what they show in words."""

    title: str
    measure: str
    experiments: list[str]
    figure: Figure | None
    text: str


def lessons(root: Path, rows: list[Row]) -> list[Lesson]:
    """The lessons of one corpus of language models.

    Raises:
        AnamnesisError: a learning curve is damaged.
    """
    models = [row.result for row in rows if row.result.task == "language"]
    return [*unrolled(root, rows, models), *transfer(root, rows, models)]


def unrolled(root: Path, rows: list[Row], models: list[Result]) -> list[Lesson]:
    """The same network trained through many time steps and through one alone: why truncated BPTT looks back."""
    found = []
    for one in models:
        for many in models:
            if not _differ_in_steps(one, many):
                continue
            pair = [many, one]
            steps = [result.settings.batches.steps for result in pair]
            scores = [[result.scores[split]["perplexity"] for split in SPLITS] for result in pair]
            gain = 1 - scores[0][1] / scores[1][1]
            text = (
                f"{many.experiment} is trained through {steps[0]} steps at once, {one.experiment} through one: it "
                "carries its state along all the same, but no gradient tells it what to keep there, and an update "
                f"learns from 1/{steps[0]} of the text{_updates(one, many)}. The perplexities are "
                f"{_both(scores[0], 'perplexity')} against {_both(scores[1], 'perplexity')}: on test text, unrolling "
                f"makes it {100 * abs(gain):.0f} % {'lower' if gain > 0 else 'higher'}."
            )
            for cut in (model for model in models if _is_cut(model, many)):
                pair.append(cut)
                lost = cut.scores["test"]["perplexity"] / many.scores["test"]["perplexity"] - 1
                text += (
                    f" {cut.experiment} tells the two effects apart: it makes the same updates from the same text as "
                    f"{many.experiment}, with the gradient cut at every step. It reaches "
                    f"{_both([cut.scores[split]['perplexity'] for split in SPLITS], 'perplexity')}: on test text, not "
                    f"looking back by itself {_cost(lost)}."
                )
            found.append(_lesson(root, rows, "Why training looks back", "perplexity", pair, text))
    return found


def _updates(one: Result, many: Result) -> str:
    """How many updates both networks make, in words, where that can be compared."""
    made = [result.settings.training.epochs / result.settings.batches.steps for result in (one, many)]
    if one.settings.batches.batch != many.settings.batches.batch:
        return ""
    ratio = made[0] / made[1]
    return "; both make as many updates" if 0.95 <= ratio <= 1.05 else f", though it makes {ratio:.2g} times as many"


def _is_cut(cut: Result, many: Result) -> bool:
    """Whether the two differ in nothing but that the gradient of the first never goes back a step."""
    batches = cut.settings.batches
    if cut.tokens != many.tokens or getattr(batches, "truncate", None) != 1:
        return False
    return bool(cut.settings == many.settings.model_copy(update={"batches": batches})) and (
        batches == many.settings.batches.model_copy(update={"truncate": 1})
    )


def _cost(lost: float) -> str:
    """What a relative rise of the perplexity comes to, in words."""
    if abs(lost) < 0.01:
        return "costs less than 1 %, in either direction"
    return f"{'costs' if lost > 0 else 'saves'} {100 * abs(lost):.0f} %"


def transfer(root: Path, rows: list[Row], models: list[Result]) -> list[Lesson]:
    """A fine-tuned language model beside the one it started from, untouched, and the same network from scratch.

    They may read different tokens of one text, so that only bits per character compare them.
    """
    found = []
    for tuned in models:
        start = _start(tuned)
        if start is None or tuned.settings.training is None:
            continue
        same = [m for m in models if m.tokens == tuned.tokens and m.settings.model == tuned.settings.model]
        untouched = next((m for m in same if _start(m) == start and m.settings.training is None), None)
        scratch = next((m for m in same if _start(m) is None and m.settings.training is not None), None)
        told = [f"{tuned.experiment}, {start} fine-tuned, has {_scores(tuned)}."]
        if scratch:
            told.append(f"The same network from scratch, {scratch.experiment}, has {_scores(scratch)}.")
        if untouched:
            told.append(f"{start} as it was, {untouched.experiment}, has {_scores(untouched)}.")
        if scratch:
            gain = scratch.scores["test"][BITS] - tuned.scores["test"][BITS]
            told.append(
                f"On test text pre-training saves {formats.score(BITS, gain)} bits per character."
                if gain > 0
                else f"On test text pre-training saves nothing here: it costs {formats.score(BITS, -gain)} more."
            )
        trio = [model for model in (tuned, scratch, untouched) if model]
        found.append(_lesson(root, rows, "What pre-training gives", BITS, trio, " ".join(told)))
    return found


def _lesson(root: Path, rows: list[Row], title: str, measure: str, models: list[Result], text: str) -> Lesson:
    names = [model.experiment for model in models]
    same = [row for row in rows if row.result.experiment in names]
    learnt = {
        row.result.experiment: curve
        for row in same
        if not row.result.baseline and (curve := results.curve(root, row.result.experiment, measure))
    }
    spec = charts.curves(same, learnt, {row.result.experiment: seeds.curves(root, row.result, measure) for row in same})
    floors = [model.experiment for model in models if model.baseline]
    figure = Figure(title, charts.legend(list(learnt), floors), spec) if spec else None
    return Lesson(title, measure, names, figure, text)


def _differ_in_steps(one: Result, many: Result) -> bool:
    """Whether the two are the same network on the same tokens, trained through one step and through several."""
    if one.tokens != many.tokens or one.settings.training is None or _start(one) != _start(many):
        return False
    batches = one.settings.batches, many.settings.batches
    if any(each.kind != "streams" for each in batches) or one.settings.model != many.settings.model:
        return False
    return bool(batches[0].steps == 1 < batches[1].steps) and batches[1].truncate is None


def _start(model: Result) -> str | None:
    start: str | None = getattr(model.settings, "start", None)
    return start


def _scores(model: Result) -> str:
    return f"{_both([model.scores[split][BITS] for split in SPLITS], BITS)} bits per character"


def _both(scores: list[float], metric: str) -> str:
    return f"{formats.score(metric, scores[0])} (validation) and {formats.score(metric, scores[1])} (test)"
