"""The comparison page: one HTML file with its own style, data and drawing code, which opens without a network."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from altair.utils.schemapi import debug_mode
from markupsafe import Markup

from anamnesis.boards import BOARDS
from anamnesis.errors import AnamnesisError
from anamnesis.report import charts, comparisons, expectations, formats, leaderboard, results, scripts, texts
from anamnesis.report.captioning import captioning
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.comparisons import Compared
from anamnesis.report.confusion import confusion
from anamnesis.report.forecasting import forecasting
from anamnesis.report.leaderboard import Group, Row
from anamnesis.report.memory import memory
from anamnesis.report.translation import SHOWN, WORDS, translation
from anamnesis.report.video import video

if TYPE_CHECKING:
    from jinja2 import Environment

# An error message names so many experiments; if there are more, it says to evaluate all of them.
FEW = 8
SPLIT_NAMES = {"valid": "Validation", "test": "Test"}
# The measures drawn by epoch; for other tasks, the first one in curve.csv.
MEASURES: dict[str, tuple[str | None, ...]] = {
    "classification": ("accuracy", "loss"),
    "video": ("accuracy", "loss"),
}
# The mappings that a recurrent network can learn, and the tasks that learn them.
MAPPINGS = (
    ("one-to-one", "A value in, the next value out.", ("forecasting",)),
    ("one-to-many", "An image in, its caption out, letter by letter: the image is the first state.", ("captioning",)),
    (
        "many-to-one",
        "A text, a video or a sentence with a blank in, one label or word out.",
        ("classification", "video", "cloze"),
    ),
    (
        "many-to-many",
        "At each step a token in and a guess at the next one out; or, with an encoder and a decoder (seq2seq), a whole "
        "sentence in and another sentence of its own length out.",
        ("language", "translation"),
    ),
)


class Part(NamedTuple):
    """A part of the page: its HTML, and the content that its template showed. Both are empty if there is nothing."""

    html: Markup
    content: Any


class Corpus(NamedTuple):
    """The part of the page on one group of competing experiments; `parts` is the HTML below its leaderboard."""

    name: str
    anchor: str
    language: str | None
    tokens: list[str]
    metrics: dict[str, str]
    rows: list[Row]
    verdict: str
    bars: Spec
    parts: list[Markup]


def render(root: Path, damaged: list[str] | None = None) -> str:
    """The page as HTML: a pure function of params.yaml, metrics/ and predictions/ in `root`.

    A part that cannot be drawn becomes one line that says what is wrong and what to run; the others are complete.

    Args:
        root: the project's folder.
        damaged: collects these lines.

    Raises:
        AnamnesisError: params.yaml is not valid, or no experiment has metrics.
    """
    # Altair would validate each of the many parts of a chart, which takes longer than everything else.
    with debug_mode(False):
        return _render(root, [] if damaged is None else damaged)


def _render(root: Path, damaged: list[str]) -> str:
    loaded = results.load(root)
    damaged += loaded.damaged.values()
    rows = leaderboard.rank(loaded.results)
    names = [result.experiment for result in loaded.results]

    def add(title: str, anchor: str, make: Callable[[], Any]) -> Markup:
        return draw(title, f"{anchor}.html", make, names, damaged, anchor=anchor).html

    sections = {}
    for task, groups in leaderboard.boards(rows):
        sections[task] = [
            _corpus(root, _anchor(groups, number), group, rows, names, damaged) for number, group in enumerate(groups)
        ]
    return (
        _environment()
        .get_template("page.html")
        .render(
            profile=loaded.profile,
            total=len(loaded.results),
            memory=add("Who remembers what", "memory", lambda: memory(root, rows)),
            findings=add("What the numbers must show", "expectations", lambda: expectations.findings(root, rows)),
            mappings=mappings(sections),
            sections=sections,
            boards=BOARDS,
            missing=loaded.missing,
            damaged=loaded.damaged,
            colours=charts.COLOURS,
            vega=scripts.bundle(),
        )
    )


def mappings(tasks: Any) -> list[dict[str, Any]]:
    """The mappings that some of the tasks learn: `name`, `text`, and the titles of leaderboards by task."""
    rows = [
        {"name": name, "text": text, "boards": {task: BOARDS[task].title for task in learnt if task in tasks}}
        for name, text, learnt in MAPPINGS
    ]
    return [row for row in rows if row["boards"]]


def draw(
    title: str, template: str, make: Callable[[], Any], experiments: list[str], damaged: list[str], **context: Any
) -> Part:
    """One part of the page; if it cannot be drawn, one line that says what is wrong and what to run.

    Args:
        title: the heading above that line.
        template: shows the result of `make` as `content`; nothing is drawn if that is empty.
        make: computes the content.
        experiments: whose results it reads.
        damaged: collects the line.
        context: further variables of the template.
    """
    try:
        content = make()
        html = _environment().get_template(template).render(content=content, **context) if content else ""
        return Part(Markup(html), content)
    except AnamnesisError as error:
        line = str(error)
    # An unexpected value must not cost the whole page.
    except Exception as error:
        names = f"{' '.join(experiments)}`" if len(experiments) <= FEW else "evaluate`"
        line = f"{title} cannot be drawn: {type(error).__name__}: {error}; run `anamnesis repro {names}"
    damaged.append(line)
    anchor = context.get("anchor")
    html = _environment().get_template("damaged.html").render(title=title, line=line, anchor=anchor)
    return Part(Markup(html), None)


@cache
def _environment() -> "Environment":
    """The templates, compiled once."""
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
    environment.filters |= {
        "score": lambda value, metric: formats.score(metric, value),
        "lines": lambda value, metric, deviation: formats.repeated(metric, value, deviation, "\n± ").split("\n"),
        "count": formats.count,
        "stated": lambda value, metric: formats.stated(metric, value),
        "percent": formats.percent,
        "metric": formats.name,
        "heading": formats.heading,
    }
    return environment


def _corpus(root: Path, anchor: str, group: Group, rows: list[Row], order: list[str], damaged: list[str]) -> Corpus:
    ranked = group.rows
    # Colours stay with the experiments when the ranking changes.
    chosen = sorted(ranked, key=lambda row: order.index(row.result.experiment))
    experiments = [row.result.experiment for row in chosen]
    scored = {metric for row in ranked for split in results.SPLITS for metric in row.result.scores[split]}
    corpus = Corpus(
        name=group.name,
        anchor=anchor,
        language=ranked[0].result.language,
        tokens=list(dict.fromkeys(row.result.tokens for row in chosen)),
        metrics={metric: formats.name(metric) for metric in BOARDS[group.task].metrics if metric in scored},
        rows=ranked,
        verdict=verdict(ranked),
        bars=charts.bars(ranked),
        parts=[],
    )

    def add(title: str, template: str, make: Callable[[], Any]) -> Any:
        heading = f"{title} of {group.name}"
        part = draw(heading, f"{template}.html", make, experiments, damaged, corpus=corpus, task=group.task)
        corpus.parts.append(part.html)
        return part.content or []

    compared = add("Comparisons", "comparisons", lambda: comparisons.compare(root, chosen))
    add("Learning curves", "curves", lambda: draw_curves(root, chosen, compared))
    add("Translations", "translation", lambda: translation(root, ranked, chosen))
    add("Mistakes", "mistakes", lambda: texts.mistakes(root, ranked))
    add("Digit and direction", "video", lambda: video(root, chosen))
    add("Captions", "captioning", lambda: captioning(root, ranked, chosen))
    add("Forecasts", "forecasting", lambda: forecasting(root, ranked, chosen))
    add("Confusions", "confusion", lambda: confusion(root, ranked))
    add("Filled blanks", "blanks", lambda: texts.blanks(root, chosen))
    add("Samples", "samples", lambda: texts.sample_groups(root, rows, ranked))
    return corpus


def _anchor(groups: list[Group], number: int) -> str:
    """The id of a group's heading; from the second question about a corpus on, with a number."""
    group = groups[number]
    before = sum(other.corpus == group.corpus for other in groups[:number])
    return f"{group.task}-{group.corpus}" + (f"-{before + 1}" if before else "")


def verdict(rows: list[Row]) -> str:
    """A sentence on a group: the lead of the best network over the best baseline on the validation split.

    Without a baseline, its lead over the next network.
    """
    board = BOARDS[rows[0].result.task]
    networks = [row.result for row in rows if not row.result.baseline]
    baselines = [row.result for row in rows if row.result.baseline]
    if not networks:
        return "There is no network to compare it with."
    network, other = networks[0], next(iter(baselines or networks[1:]), None)
    if other is None:
        return "There is no baseline to compare it with."
    kind = "the best baseline" if baselines else "the next"
    if network.score == other.score:
        return f"{network.experiment} and {kind}, {other.experiment}, are equal."
    gain = formats.difference(board.metric, network.score - other.score)
    change = "more" if network.score > other.score else "less"
    if (change == "more") == board.higher:
        return f"It has {gain} {change} than {kind}, {other.experiment}."
    return f"No network beats this baseline: the best, {network.experiment}, has {gain} {change}."


def draw_curves(root: Path, rows: list[Row], compared: list[Compared]) -> list[tuple[str, Figure]]:
    """Learning curves, (measure, figure), of experiments with the same tokens: losses compare nothing else.

    Left out are figures whose curves a comparison already shows, and experiments that a comparison draws in another
    measure than perplexity, because they may read the tokens of the model that they started from.
    """
    drawn = [{name for name, _ in each.figure.legend} for each in compared if each.figure]
    apart = {name for each in compared if each.figure and each.metric != "perplexity" for name in each.experiments}
    rows = [row for row in rows if row.result.experiment not in apart]
    figures = []
    for tokens in dict.fromkeys(row.result.tokens for row in rows):
        same = [row for row in rows if row.result.tokens == tokens]
        for wanted in MEASURES.get(rows[0].result.task, (None,)):
            learnt, repeats = comparisons.read_curves(root, same, wanted)
            for measure in dict.fromkeys(curve.measure for curve in learnt.values()):
                own = {name: curve for name, curve in learnt.items() if curve.measure == measure}
                figure = charts.curves(same, own, {name: repeats[name] for name in own}, tokens)
                if figure and not any(set(own) <= names for names in drawn):
                    figures.append((measure, figure))
    return figures
