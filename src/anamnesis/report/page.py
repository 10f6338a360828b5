"""The comparison page: one HTML file that holds its own style, data and drawing code, and opens without a network."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from anamnesis.boards import BOARDS
from anamnesis.boards import Board as Scores
from anamnesis.report import charts, expectations, formats, leaderboard, lessons, results, scripts, seeds, steadiness
from anamnesis.report.captioning import Captions, captions
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.classification import Classification, classification
from anamnesis.report.confusion import Confusion, confusion
from anamnesis.report.forecasting import Forecasts, forecasts
from anamnesis.report.frames import Frames, frames
from anamnesis.report.leaderboard import Row
from anamnesis.report.lessons import Lesson
from anamnesis.report.mappings import mappings
from anamnesis.report.memory import memory
from anamnesis.report.results import Blank, Curve, Result
from anamnesis.report.steadiness import Comparison
from anamnesis.report.translation import SHOWN, WORDS, Translation, translation

if TYPE_CHECKING:
    from jinja2 import Environment

# What stands for the word left out, and how many sentences of an evaluation are enough to see.
BLANK, BLANKS = "____", 10
SPLIT_NAMES = {"valid": "Validation", "test": "Test"}
# What is drawn by epoch; on the other boards it is the first thing that was measured.
MEASURES: dict[str, tuple[str | None, ...]] = {
    "classification": ("accuracy", "loss"),
    "frames": ("accuracy", "loss"),
}


@dataclass(frozen=True)
class Text:
    """What a model wrote after `prompt`; `title` and `note` say which model and how good it is."""

    title: str
    note: str
    baseline: bool
    prompt: str
    text: str


@dataclass(frozen=True)
class SampleGroup:
    """Texts that stand side by side: after the same prompt, tokens drawn in the same way."""

    prompt: str
    strategy: str
    texts: list[Text]


@dataclass(frozen=True)
class FilledBlank:
    """A sentence around a word left out, and what each experiment that was given it filled in."""

    before: str
    word: str
    after: str
    filled: dict[str, Blank]


@dataclass(frozen=True)
class Corpus:
    """Everything the page says of one corpus on one board; what there is nothing of is empty."""

    name: str
    anchor: str
    language: str | None
    tokens: list[str]
    rows: list[Row]
    verdict: str
    bars: Spec
    curves: list[tuple[str, Figure]]
    steadiness: list[Comparison]
    lessons: list[Lesson]
    samples: list[SampleGroup]
    blanks: list[FilledBlank]
    confusion: list[Confusion]
    translation: Translation | None
    classification: Classification | None
    frames: Frames | None
    captions: Captions | None
    forecasts: Forecasts | None


@dataclass(frozen=True)
class Section:
    """One board: how its scores are named, and its corpora."""

    scores: Scores
    metrics: dict[str, str]
    anchor: str
    corpora: list[Corpus]


def render(root: Path) -> str:
    """The page as HTML: a pure function of params.yaml, metrics/ and predictions/ in `root`.

    Raises:
        AnamnesisError: params.yaml is not valid, or a file of an evaluation is damaged.
    """
    found = results.load(root)
    rows = leaderboard.rank(found.results)
    template = _environment().get_template("page.html")
    return template.render(
        profile=found.profile,
        total=len(found.results),
        memory=memory(root, rows),
        findings=expectations.findings(root, rows),
        mappings=mappings(row.result.board for row in rows),
        sections=_sections(root, found.results, rows),
        missing=found.missing,
        splits=SPLIT_NAMES,
        colours=charts.COLOURS,
        picked={"words": WORDS, "shown": SHOWN},
        vega=scripts.bundle(),
    )


@cache
def _environment() -> "Environment":
    """The templates, which are compiled once however often pages are rendered."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

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
    environment.filters["lines"] = _lines
    environment.filters["count"] = formats.count
    environment.filters["stated"] = lambda value, metric: formats.stated(metric, value)
    environment.filters["percent"] = formats.percent
    environment.filters["once"] = charts.once
    environment.filters["metric"] = formats.name
    environment.filters["heading"] = formats.heading
    return environment


def _sections(root: Path, entries: list[Result], rows: list[Row]) -> list[Section]:
    order = [entry.experiment for entry in entries]
    sections = []
    for name, corpora in leaderboard.boards(rows):
        section = Section(BOARDS[name], _metrics(name, corpora), f"board-{name}", [])
        for corpus, ranked in corpora:
            # Colours stay with the experiments when the ranking changes.
            chosen = sorted(ranked, key=lambda row: order.index(row.result.experiment))
            taught, compared = lessons.lessons(root, chosen), steadiness.compare(root, chosen)
            section.corpora.append(
                Corpus(
                    name=corpus,
                    anchor=f"{name}-{corpus}",
                    language=ranked[0].result.language,
                    tokens=list(dict.fromkeys(row.result.tokens for row in chosen)),
                    rows=ranked,
                    verdict=verdict(ranked),
                    bars=charts.bars(ranked),
                    curves=_curves(root, chosen, taught, compared),
                    steadiness=compared,
                    lessons=taught,
                    samples=word_numbers(root, rows, ranked) if name == "word-number" else sample_groups(root, ranked),
                    blanks=blanks(root, chosen),
                    confusion=confusion(root, ranked),
                    translation=translation(root, ranked, order),
                    classification=classification(root, ranked, order),
                    frames=frames(root, ranked, order),
                    captions=captions(root, ranked, order),
                    forecasts=forecasts(root, ranked, order),
                )
            )
        sections.append(section)
    return sections


def _metrics(name: str, corpora: list[tuple[str, list[Row]]]) -> dict[str, str]:
    """The columns of a board that some experiment has a score for."""
    scores = [row.result.scores for _, rows in corpora for row in rows]
    return {
        metric: formats.name(metric)
        for metric in BOARDS[name].metrics
        if any(metric in each[split] for each in scores for split in results.SPLITS)
    }


def verdict(rows: list[Row]) -> str:
    """One sentence on a corpus: what the best network gains over the best baseline on the validation split.

    Where there is no baseline, what it gains over the next network.
    """
    board = BOARDS[rows[0].result.board]
    networks = [row.result for row in rows if not row.result.baseline]
    baselines = [row.result for row in rows if row.result.baseline]
    if not networks:
        return "There is no network to compare it with."
    network, floor = networks[0], next(iter(baselines or networks[1:]), None)
    if floor is None:
        return "There is no baseline to compare it with."
    kind = "the best baseline" if baselines else "the next"
    if network.score() == floor.score():
        return f"{network.experiment} and {kind}, {floor.experiment}, are equal."
    gain = formats.difference(board.metric, network.score() - floor.score())
    change = "more" if network.score() > floor.score() else "less"
    if (change == "more") == board.higher:
        return f"It has {gain} {change} than {kind}, {floor.experiment}."
    return f"No network beats this baseline: the best, {network.experiment}, has {gain} {change}."


def sample_groups(root: Path, rows: list[Row]) -> list[SampleGroup]:
    """Texts by prompt and strategy, in the order they are first met, the experiments of each group best first."""
    groups: dict[tuple[str, str], SampleGroup] = {}
    for row in rows:
        for sample in results.samples(root, row.result.experiment):
            key = (sample.prompt, sample.strategy)
            text = Text(row.result.experiment, _note(row.result), row.result.baseline, sample.prompt, sample.text)
            groups.setdefault(key, SampleGroup(*key, texts=[])).texts.append(text)
    return list(groups.values())


def word_numbers(root: Path, rows: list[Row], ranked: list[Row]) -> list[SampleGroup]:
    """What each regression on word numbers spells, beside a text of the best language network of the same corpus."""
    corpus = ranked[0].result.corpus
    beside = []
    for row in rows:
        if (row.result.board, row.result.corpus, row.result.baseline) == ("language", corpus, False):
            texts = results.samples(root, row.result.experiment)
            # The likeliest word each time says the same over and over.
            drawn = [sample for sample in texts if sample.strategy != "greedy"] or texts
            beside = [
                Text(row.result.experiment, f"{_note(row.result)}, {each.strategy}", False, each.prompt, each.text)
                for each in drawn[:1]
            ]
            break
    groups = []
    for row in ranked:
        name = row.result.experiment
        spelled = [
            Text(name, sample.strategy, row.result.baseline, sample.prompt, sample.text)
            for sample in results.samples(root, name)
        ]
        if spelled:
            groups.append(SampleGroup("", name, [*spelled, *beside]))
    return groups


def blanks(root: Path, rows: list[Row]) -> list[FilledBlank]:
    """The first blanks with the guesses of all experiments that were given them, in the order they are first met."""
    found: dict[tuple[str, str], FilledBlank] = {}
    for row in rows:
        for blank in results.blanks(root, row.result.experiment):
            before, _, after = blank.text.partition(BLANK)
            entry = found.setdefault((blank.text, blank.word), FilledBlank(before, blank.word, after, {}))
            entry.filled[row.result.experiment] = blank
    return list(found.values())[:BLANKS]


def _lines(value: float | None, metric: str, deviation: float | None) -> list[str]:
    """A score, and its standard deviation where there is one: below each other, columns stay narrow."""
    return formats.repeated(metric, value, deviation, "\n± ").split("\n")


def _note(result: Result) -> str:
    # A text is of one training, even where its experiment was repeated.
    return formats.stated(BOARDS[result.board].metric, next(iter(result.repeats), result).score())


def _curves(root: Path, rows: list[Row], taught: list[Lesson], compared: list[Comparison]) -> list[tuple[str, Figure]]:
    """Learning curves, (measure, figure), of those that read the same tokens: losses compare nothing else.

    Those of a lesson in another measure are left out: they may read the tokens of the model they started from. So is
    what a lesson or comparison already shows.
    """
    seen = [figure for figure in (*(each.figure for each in taught), *(each.figure for each in compared)) if figure]
    drawn = [{name for name, _ in figure.legend} for figure in seen]
    apart = {name for lesson in taught if lesson.measure != "perplexity" for name in lesson.experiments}
    rows = [row for row in rows if row.result.experiment not in apart]
    learnt: dict[tuple[str, str], dict[str, Curve]] = {}
    for measured in MEASURES.get(rows[0].result.board, (None,)) if rows else ():
        for row in rows:
            curve = None if row.result.baseline else results.curve(root, row.result.experiment, measured)
            if curve:
                learnt.setdefault((row.result.tokens, curve.measure), {})[row.result.experiment] = curve
    figures = []
    for (tokens, measure), curves in learnt.items():
        same = [row for row in rows if row.result.tokens == tokens]
        repeats = {
            row.result.experiment: seeds.curves(root, row.result, measure)
            for row in same
            if row.result.experiment in curves
        }
        spec = charts.curves(same, curves, repeats)
        if spec and not any(set(curves) <= names for names in drawn):
            floors = [
                row.result.experiment for row in same if row.result.baseline and measure in row.result.scores["valid"]
            ]
            figures.append((measure, Figure(tokens, charts.legend(list(curves), floors), spec)))
    return figures
