"""The comparison page: one HTML file that holds its own style, data and drawing code, and opens without a network."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from anamnesis.boards import BOARDS
from anamnesis.boards import Board as Scores
from anamnesis.errors import AnamnesisError
from anamnesis.report import charts, expectations, formats, leaderboard, lessons, results, scripts, seeds, steadiness
from anamnesis.report.captioning import captions
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.classification import classification
from anamnesis.report.confusion import confusion
from anamnesis.report.forecasting import forecasts
from anamnesis.report.leaderboard import Group, Row
from anamnesis.report.lessons import Lesson
from anamnesis.report.mappings import mappings
from anamnesis.report.memory import memory
from anamnesis.report.results import Blank, Curve, Result
from anamnesis.report.steadiness import Comparison
from anamnesis.report.translation import SHOWN, WORDS, translation
from anamnesis.report.video import video

if TYPE_CHECKING:
    from jinja2 import Environment

# What stands for the word left out, and how many sentences of an evaluation are enough to see.
BLANK, BLANKS = "____", 10
# Experiments that a line names, before it says to evaluate all of them.
FEW = 8
SPLIT_NAMES = {"valid": "Validation", "test": "Test"}
# What is drawn by epoch; on the other boards it is the first thing that was measured.
MEASURES: dict[str, tuple[str | None, ...]] = {
    "classification": ("accuracy", "loss"),
    "video": ("accuracy", "loss"),
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
class Part:
    """One part of the page, drawn: `html`, and the `content` that its template shows. Empty where there is nothing."""

    html: Markup
    content: Any


@dataclass(frozen=True)
class Corpus:
    """Everything the page says of one corpus, or of one of its questions, on one board."""

    name: str
    anchor: str
    language: str | None
    tokens: list[str]
    rows: list[Row]
    verdict: str
    bars: Spec
    parts: list[Part]


@dataclass(frozen=True)
class Section:
    """One board: how its scores are named, and its corpora."""

    scores: Scores
    metrics: dict[str, str]
    anchor: str
    corpora: list[Corpus]


def render(root: Path, damaged: list[str] | None = None) -> str:
    """The page as HTML: a pure function of params.yaml, metrics/ and predictions/ in `root`.

    A part that cannot be drawn costs no other: it holds one line that says what is wrong and what to run.

    Args:
        root: the project's folder.
        damaged: takes these lines.

    Raises:
        AnamnesisError: params.yaml is not valid, or no experiment has metrics.
    """
    damaged = [] if damaged is None else damaged
    found = results.load(root)
    damaged += found.damaged.values()
    rows = leaderboard.rank(found.results)
    names = [result.experiment for result in found.results]
    template = _environment().get_template("page.html")
    return template.render(
        profile=found.profile,
        total=len(found.results),
        memory=draw("Who remembers what", "memory.html", lambda: memory(root, rows), names, damaged, anchor="memory"),
        findings=draw(
            "What the numbers must show",
            "expectations.html",
            lambda: expectations.findings(root, rows),
            names,
            damaged,
            anchor="expectations",
        ),
        mappings=mappings(row.result.task for row in rows),
        sections=_sections(root, found.results, rows, damaged),
        missing=found.missing,
        damaged=found.damaged,
        colours=charts.COLOURS,
        vega=scripts.bundle(),
    )


def draw(
    title: str, template: str, make: Callable[[], Any], experiments: list[str], damaged: list[str], **context: Any
) -> Part:
    """One part of the page; where it cannot be drawn, one line that says what is wrong and what to run.

    Args:
        title: the heading above that line.
        template: shows what `make` returns, as `content`.
        make: returns what there is to show; nothing is drawn of what is empty.
        experiments: whose results it reads.
        damaged: takes the line.
        context: what the template needs besides.
    """
    try:
        content = make()
        html = _environment().get_template(template).render(content=content, **context) if content else ""
        return Part(Markup(html), content)
    except AnamnesisError as error:
        line = str(error)
    # A value that nobody foresaw must not cost the whole page.
    except Exception as error:
        names = f"{' '.join(experiments)}`" if len(experiments) <= FEW else "evaluate`"
        line = f"{title} cannot be drawn: {type(error).__name__}: {error}; run `anamnesis repro {names}"
    damaged.append(line)
    anchor = context.get("anchor")
    html = _environment().get_template("damaged.html").render(title=title, line=line, anchor=anchor)
    return Part(Markup(html), None)


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
    environment.globals |= {"splits": SPLIT_NAMES, "picked": {"words": WORDS, "shown": SHOWN}}
    environment.filters["score"] = lambda value, metric: formats.score(metric, value)
    environment.filters["lines"] = _lines
    environment.filters["count"] = formats.count
    environment.filters["stated"] = lambda value, metric: formats.stated(metric, value)
    environment.filters["percent"] = formats.percent
    environment.filters["once"] = charts.once
    environment.filters["metric"] = formats.name
    environment.filters["heading"] = formats.heading
    return environment


def _sections(root: Path, entries: list[Result], rows: list[Row], damaged: list[str]) -> list[Section]:
    order = [entry.experiment for entry in entries]
    sections = []
    for name, corpora in leaderboard.boards(rows):
        section = Section(BOARDS[name], _metrics(name, corpora), f"board-{name}", [])
        section.corpora.extend(
            _corpus(root, _anchor(name, corpora, number), section, group, rows, order, damaged)
            for number, group in enumerate(corpora)
        )
        sections.append(section)
    return sections


def _corpus(
    root: Path,
    anchor: str,
    section: Section,
    group: Group,
    rows: list[Row],
    order: list[str],
    damaged: list[str],
) -> Corpus:
    ranked, name = group.rows, group.name
    # Colours stay with the experiments when the ranking changes.
    chosen = sorted(ranked, key=lambda row: order.index(row.result.experiment))
    corpus = Corpus(
        name=name,
        anchor=anchor,
        language=ranked[0].result.language,
        tokens=list(dict.fromkeys(row.result.tokens for row in chosen)),
        rows=ranked,
        verdict=verdict(ranked),
        bars=charts.bars(ranked),
        parts=[],
    )
    experiments = [row.result.experiment for row in chosen]

    def add(title: str, template: str, make: Callable[[], Any]) -> Any:
        heading = f"{title} of {name}"
        part = draw(heading, template, make, experiments, damaged, corpus=corpus, section=section)
        corpus.parts.append(part)
        return part.content or []

    def texts() -> list[SampleGroup]:
        forecast = ranked[0].result.task == "forecasting"
        return word_numbers(root, rows, ranked) if forecast else sample_groups(root, ranked)

    compared = add("RNN against SCRN", "steadiness.html", lambda: steadiness.compare(root, chosen))
    taught = add("Lessons", "lessons.html", lambda: lessons.lessons(root, chosen))
    add("Learning curves", "curves.html", lambda: _curves(root, chosen, taught, compared))
    add("Translations", "translation.html", lambda: translation(root, ranked, order))
    add("Classification", "classification.html", lambda: classification(root, ranked, order))
    add("Digit and direction", "video.html", lambda: video(root, ranked, order))
    add("Captions", "captioning.html", lambda: captions(root, ranked, order))
    add("Forecasts", "forecasting.html", lambda: forecasts(root, ranked, order))
    add("Confusions", "confusion.html", lambda: confusion(root, ranked))
    add("Filled blanks", "blanks.html", lambda: blanks(root, chosen))
    add("Samples", "samples.html", texts)
    return corpus


def _anchor(name: str, groups: list[Group], number: int) -> str:
    """The id of a group's heading: of the second question of a corpus on, with a number."""
    corpus = groups[number].corpus
    before = sum(group.corpus == corpus for group in groups[:number])
    return f"{name}-{corpus}" + (f"-{before + 1}" if before else "")


def _metrics(name: str, groups: list[Group]) -> dict[str, str]:
    """The columns of a board that some experiment has a score for."""
    scores = [row.result.scores for group in groups for row in group.rows]
    return {
        metric: formats.name(metric)
        for metric in BOARDS[name].metrics
        if any(metric in each[split] for each in scores for split in results.SPLITS)
    }


def verdict(rows: list[Row]) -> str:
    """One sentence on a corpus: what the best network gains over the best baseline on the validation split.

    Where there is no baseline, what it gains over the next network.
    """
    board = BOARDS[rows[0].result.task]
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
    """Texts by prompt and strategy, greedy ones last, the experiments of each group best first."""
    groups: dict[tuple[str, str], SampleGroup] = {}
    for row in rows:
        for sample in results.samples(root, row.result.experiment):
            key = (sample.prompt, sample.strategy)
            text = Text(row.result.experiment, _note(row.result), row.result.baseline, sample.prompt, sample.text)
            groups.setdefault(key, SampleGroup(*key, texts=[])).texts.append(text)
    # The page opens the first group, and the likeliest token each time soon repeats itself.
    return sorted(groups.values(), key=lambda group: group.strategy == "greedy")


def word_numbers(root: Path, rows: list[Row], ranked: list[Row]) -> list[SampleGroup]:
    """What each regression on word numbers spells, beside a text of the best language network of the same corpus."""
    corpus = ranked[0].result.corpus
    beside = []
    for row in rows:
        if (row.result.task, row.result.corpus, row.result.baseline) == ("language", corpus, False):
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
    return formats.stated(BOARDS[result.task].metric, next(iter(result.repeats), result).score())


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
    for measured in MEASURES.get(rows[0].result.task, (None,)) if rows else ():
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
