"""The `anamnesis` command: look at experiments, use their models, run and track the pipeline.

Nothing heavy is imported before a command needs it: a help page must not wait for a deep-learning library.
"""

import csv
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from anamnesis import console, files
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.project import STANDARD, check_profile, find_root, home, profile_folder, profile_names, profile_of

app = typer.Typer(
    help="Train, compare and use recurrent sequence models: one reproducible pipeline of DVC, Lightning and MLflow.",
    epilog="First `anamnesis repro`, which runs everything; then `anamnesis list`, `anamnesis generate sherlock-lstm`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="An experiment (sherlock-lstm), or a model of the registry with an alias (language-sherlock@champion) "
        "or a version (language-sherlock/2).",
    ),
]
Beam = Annotated[
    int | None,
    typer.Option(min=1, help="Hypotheses that are followed at once; 1: greedy.", show_default="as in params.yaml"),
]


def main() -> None:
    """The entry point: an error of the user's is one line and an exit code, a closed pipe is no error at all."""
    try:
        console.run(app)
    except BrokenPipeError:
        # Python flushes standard output once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


@app.callback()
def options(
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            envvar="ANAMNESIS_PROFILE",
            help="The profile whose folder and results the command is about; `anamnesis profile` lists them.",
            show_default="that of the folder you are in",
        ),
    ] = None,
) -> None:
    """What holds for every command."""
    global _profile
    _profile = profile


_profile: str | None = None


@app.command("list", epilog="Example: anamnesis list")
def list_experiments() -> None:
    """List the experiments of params.yaml: what each trains on, and its scores as far as it has been run."""
    from anamnesis import params
    from anamnesis.boards import BOARDS

    root = _root()
    settings = params.load(root / "params.yaml")
    rows = []
    for name, experiment in settings.experiments.items():
        metrics = _read(root / "metrics" / f"{name}.json")
        status = "evaluated" if metrics else "trained" if (root / "models" / name / "model.json").exists() else "-"
        metric = BOARDS[experiment.board].metric
        score = _number(metrics.get("test", {}).get(metric))
        architecture = experiment.model.architecture
        rows.append([name, experiment.board, experiment.tokens, architecture, status, metric.replace("_", " "), score])
    _table(["experiment", "board", "tokens", "architecture", "status", "ranked by", "test score"], rows, numbers=1)


@app.command(epilog="Example: anamnesis show sherlock-lstm")
def show(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="A name that `anamnesis list` shows.")],
) -> None:
    """Show one experiment: its settings, its trained model, its scores, and the last texts it wrote."""
    import yaml

    from anamnesis import params

    root = _root()
    settings = params.load(root / "params.yaml")
    found = params.lookup(settings.experiments, experiment, "experiment")
    _heading("settings")
    print(yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False, allow_unicode=True).rstrip())
    card = _read(root / "models" / experiment / "model.json")
    if not card:
        print(f"\nnot trained yet: {_command()} repro {experiment}")
        return
    _heading("model")
    for key in ("architecture", "parameters", "best_epoch", "seed", "fingerprint"):
        if card.get(key) is not None:
            print(f"{key}: {card[key]}")
    metrics = _read(root / "metrics" / f"{experiment}.json")
    if metrics:
        _heading("scores")
        names = list(metrics["test"])
        splits = [split for split in ("valid", "test") if split in metrics]
        _table(["", *splits], [[name, *(_number(metrics[split].get(name)) for split in splits)] for name in names], 2)
    # Not everything that is learnt writes texts.
    predictions = root / "predictions" / experiment
    translations = predictions / "translations.csv"
    if translations.exists():
        _heading("translations of the test split: source, = reference, < model")
        for row in _spread(translations, 5):
            print(f"> {row['source']}\n= {row['reference']}\n< {row['translation']}\n")
    samples = _read(predictions / "samples.json")
    if samples:
        _heading("samples")
        for sample in samples:
            print(f"[{sample['strategy']}] {sample['prompt']}{sample['text']}\n")


@app.command(
    epilog="Examples: anamnesis generate sherlock-lstm --prompt 'It was ' --temperature 0.5\n\n"
    "anamnesis generate language-sherlock@champion --greedy --length 80"
)
def generate(
    model: ModelName,
    prompt: Annotated[
        str | None, typer.Option(help="Text the model reads first and goes on from.", show_default="as in params.yaml")
    ] = None,
    length: Annotated[int, typer.Option(min=1, help="Tokens (characters or words) to write.")] = 300,
    temperature: Annotated[
        float | None,
        typer.Option(help="Above 0. Small: safe; 1: as learnt; above: wild.", show_default="as in params.yaml"),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k", min=1, help="Choose among this many likeliest tokens only.", show_default="as in params.yaml"
        ),
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always take the likeliest token.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same text.")] = 0,
) -> None:
    """Let a trained language model write, token by token as it thinks of them."""
    if greedy and (temperature is not None or top_k is not None):
        raise ParamsError("--greedy draws nothing: it goes without --temperature and --top-k")
    if temperature is not None and not temperature > 0:
        raise ParamsError(f"--temperature: found {temperature:g}; allowed: above 0; --greedy is the limit at 0")
    loaded = _model(model)
    from anamnesis.language.generation import generate as write

    habits = loaded.card.get("sampling") or {}
    start = habits.get("prompt", "") if prompt is None else prompt
    heat = habits.get("temperature", 1.0) if temperature is None else temperature
    likeliest = habits.get("top_k") if top_k is None else top_k
    sys.stdout.write(start)
    drawn = {"temperature": heat, "top_k": likeliest, "seed": seed, "noise": habits.get("noise", 0.0)}
    for piece in write(loaded, start, length, greedy=greedy, **drawn):
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()


@app.command(
    epilog="Examples: anamnesis score sherlock-lstm 'The game is afoot.' 'Afoot game the is.'\n\n"
    "anamnesis score sherlock-lstm < sentences.txt"
)
def score(
    model: ModelName,
    sentences: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SENTENCE]...", help="Each in quotes.", show_default="the lines of standard input"),
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Also show how much each token surprised the model, in nats.")
    ] = False,
) -> None:
    """Say how likely a trained language model finds sentences, and how much each word surprises it.

    The log-probability is natural; the perplexity is that of a token, so that sentences of any length compare:
    the lower, the more expected. A word's surprise is the sum of its tokens', so that all of them add up to minus the
    log-probability; with characters, the space after a word is part of it.
    """
    given = _given(sentences, "sentence")
    loaded = _model(model)
    from anamnesis.language.scoring import score as rate

    results = rate(loaded, given)
    pairs = list(zip(given, results, strict=True))
    rows = [
        [
            f"{result.log_probability:.3f}",
            f"{result.perplexity:.4g}",
            str(len(result.tokens)),
            str(result.unknown_tokens),
            sentence,
        ]
        for sentence, result in pairs
    ]
    _table(["log-probability", "perplexity", "tokens", "unknown", "sentence"], rows, right=range(4))
    _heading("surprise of each word, in nats")
    for result in results:
        _in_line([(word, f"{surprise:.2f}") for word, surprise in result.words])
    if tokens:
        for sentence, result in pairs:
            _heading(sentence)
            spelled = [json.dumps(token, ensure_ascii=False) for token in result.tokens]
            surprises = [f"{surprise:.3f}" for surprise in result.surprisals]
            _table(["token", "surprise"], [list(row) for row in zip(spelled, surprises, strict=True)], numbers=1)


@app.command(
    epilog="Examples: anamnesis fill novel-cloze-birnn 'It is a truth ____ acknowledged.'\n\n"
    "anamnesis fill cloze-novel@champion 'I will ____ a new carriage.' --top 10"
)
def fill(
    model: ModelName,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Each in quotes, with one blank: two underscores or more.",
            show_default="the lines of standard input",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many words to show, the likeliest first.")] = 5,
) -> None:
    """Let a model that learnt to fill blanks say which words fit, each with its probability."""
    given = _given(texts, "text")
    loaded = _model(model, "cloze")
    from anamnesis.language.cloze.fill import fill as guess

    for text, words in [(text, guess(loaded, text, top)) for text in given]:
        _heading(text)
        _table(["word", "probability"], [[word, f"{probability:.4f}"] for word, probability in words], numbers=1)


@app.command(
    epilog="Examples: anamnesis translate 'Save the changes?' --n-best 3\n\n"
    "anamnesis translate --model en-nl-attention < english.txt > dutch.txt\n\n"
    "anamnesis translate --model translation-en-nl@champion 'Save the changes?' --attention-file changes.png"
)
def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...", help="Sentences, each in quotes.", show_default="the lines of standard input"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="An experiment, or a model of the registry, as in the other commands.",
            show_default="the champion, if one translation model is registered",
        ),
    ] = None,
    beam: Beam = None,
    n_best: Annotated[
        int | None,
        typer.Option(
            "--n-best",
            min=1,
            help="Show so many translations of each text, the best first, with their scores: the log-probability of a "
            "token, about. At most as many as the beam is wide.",
            show_default="one, without its score",
        ),
    ] = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="Also show which words each word of the best translation looked at.")
    ] = False,
    attention_file: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw that as a picture, of one text.", show_default=False)
    ] = None,
) -> None:
    """Translate sentences: one a line, in the order in which they come, a blank line for a blank one.

    With --n-best or --attention a text has several lines, and a blank line stands between two texts. Scores and weights
    are tables on a terminal; elsewhere a line is SCORE TAB TRANSLATION, and attention a row of weights between tabs
    for each token of the translation, under the tokens of the text.
    """
    given = _utf8(texts) if texts else _lines("text")
    attention_file = _target("--attention-file", attention_file, ".png")
    if attention_file is not None and len(given) != 1:
        raise ParamsError(f"--attention-file: found {len(given)} texts; allowed: one text, for one picture")
    loaded = _model(model, "translation")
    width = _width(loaded, beam, n_best)
    drawn = attention or attention_file is not None
    if drawn and loaded.card["architecture"] != "attention":
        raise AnamnesisError(f"{loaded.card['experiment']} has no attention to show; `anamnesis list` says which have")
    from anamnesis.corpora.cleaning import clean
    from anamnesis.translation import heatmap

    results = loaded.translate(given, width, n_best or 1)
    # All that can go wrong comes before the first line.
    maps = heatmap.of(loaded, given, [found[0] for found in results]) if drawn else [None] * len(given)
    if attention_file is not None:
        if maps[0] is None:
            raise ParamsError("--attention-file: found a text with nothing in it; allowed: one that can be translated")
        _write("--attention-file", attention_file, heatmap.as_png(maps[0]))
    for number, (text, found, seen) in enumerate(zip(given, results, maps, strict=True)):
        if number and (n_best or attention):
            print()
        written = [clean(each.text) for each in found]
        if n_best:
            _scored(text, [each.score for each in found], written, "translation")
        else:
            print(written[0])
        if attention and seen is not None and sys.stdout.isatty():
            print(f"\n{heatmap.as_text(seen)}")
        elif attention and seen is not None:
            rows = zip(seen.target, seen.weights.tolist(), strict=True)
            _table(["", *seen.source], [[token, *(f"{weight:.4f}" for weight in row)] for token, row in rows])


@app.command(
    epilog="Examples: anamnesis caption number.png --n-best 3\n\n"
    "anamnesis caption --model captions-gru photo.jpg scan.png\n\n"
    "anamnesis caption predictions/captions-lstm/images/*.png"
)
def caption(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE.png...", help="Pictures of digits in a row: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="An experiment, or a model of the registry, as in the other commands.",
            show_default="the champion, if one captioning model is registered",
        ),
    ] = None,
    beam: Beam = None,
    n_best: Annotated[
        int | None,
        typer.Option(
            "--n-best",
            min=1,
            help="Show so many captions of each picture, the best first, with their scores. At most as many as the "
            "beam is wide.",
            show_default="one, without its score",
        ),
    ] = None,
) -> None:
    """Read pictures of digits in words: one picture a line, in the order in which they come.

    The digits may be dark on light or light on dark, of any size, anywhere on the picture. With --n-best a picture has
    several lines, SCORE TAB CAPTION outside of a terminal, and a blank line stands between two pictures.
    """
    # As names are meant where the command was typed, not in the project's folder.
    paths = [path.absolute() for path in images]
    loaded = _model(model, "captioning")
    width = _width(loaded, beam, n_best)
    import numpy as np

    from anamnesis.captioning import pictures

    read = [pictures.open_file(path, str(name), loaded.rows) for path, name in zip(paths, images, strict=True)]
    results = loaded.caption(np.stack(read), width, n_best or 1)
    for number, (name, found) in enumerate(zip(images, results, strict=True)):
        if n_best is None:
            print(found[0].text)
            continue
        if number:
            print()
        _scored(str(name), [each.score for each in found], [each.text for each in found], "caption")


@app.command(
    epilog="Examples: anamnesis forecast sunspots.csv --model sunspots-lstm3 --steps 24\n\n"
    "anamnesis forecast sales.csv --model forecast-sunspots@champion --rescale --fill interpolate --plot sales.png\n\n"
    "anamnesis forecast sales.csv --date month --value revenue --output forecast.csv"
)
def forecast(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="A table with a column of dates and one of numbers.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="An experiment, or a model of the registry, as in the other commands.",
            show_default="the champion, if one forecaster is registered",
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column with the dates, such as 2020-01 or 2020-01-31, or whole numbers.",
            show_default="the only one that holds dates",
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column with the values.", show_default="the only one that holds numbers"
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=10_000, help="How many values to forecast.")] = 12,
    fill: Annotated[
        Literal["refuse", "interpolate"],
        typer.Option(help="What to do about missing months (days, ...): refuse, or draw straight lines over them."),
    ] = "refuse",
    rescale: Annotated[
        bool,
        typer.Option(
            "--rescale",
            help="Standardise the values by their own mean and scale, for a series in other units than the model's.",
        ),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write the forecast to a file, too.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|FILE.svg", help="Draw the data and the forecast.", show_default=False),
    ] = None,
) -> None:
    """Forecast how a series of your own goes on: the dates that follow, each with its value.

    The model reads its own forecasts, so each step is less sure than the one before. It knows the mean and the scale of
    the series that it was trained on and takes yours to be in the same units; where it is not, use --rescale.
    """
    # As it is meant where the command was typed, not in the project's folder.
    source = file.absolute()
    output, plot = _target("--output", output, ".csv"), _target("--plot", plot, ".png", ".svg")
    from anamnesis import numerics

    numerics.pin()
    from anamnesis.forecasting import observed

    series = observed.read(source, date, value, fill)
    loaded = _model(model, "forecasting")
    from anamnesis.forecasting.forecaster import onwards

    found = onwards(loaded, series.values, steps, rescale)
    rows = [[series.date(len(series.values) + step), f"{each:.6g}"] for step, each in enumerate(found.ahead)]
    if plot is not None:
        from anamnesis.forecasting.picture import draw

        drawn = draw(plot.suffix[1:].lower(), series, found, loaded.card["experiment"])
        _write("--plot", plot, drawn)
    if output is not None:
        from anamnesis.training.results import csv_text

        _write("--output", output, csv_text([("date", "forecast"), *rows]).encode())
    if series.filled:
        print(f"note: {series.filled:,} missing values lie on straight lines", file=sys.stderr)
    _table(["date", "forecast"], rows, numbers=1)


@app.command(
    epilog="Examples: anamnesis classify --model news-lstm 'Oil prices rose after the ministers met.'\n\n"
    "anamnesis classify --model news-birnn --top 3 < documents.txt\n\n"
    "anamnesis classify --model films-cnn-lstm predictions/films-cnn-lstm/films/*.gif"
)
def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT|FILM.gif]...",
            help="Documents, each in quotes; or names of files, where the model tells films.",
            show_default="the lines of standard input",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="An experiment, or a model of the registry, as in the other commands.",
            show_default="the champion, if one classifier of documents is registered",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Show so many labels of each text, the likeliest first, with their probabilities.",
            show_default="the likeliest label alone",
        ),
    ] = None,
) -> None:
    """Tell the label of documents, passages or films: one a line, in the order in which they come, a blank line for a
    blank one.

    The model says what the labels are: topics of news, authors, or which digit moves where.
    """
    given = _utf8(texts) if texts else _lines("text")
    # As names are meant where the command was typed, not in the project's folder.
    here = Path.cwd()
    loaded = _model(model, "classification", "passage")
    from anamnesis.corpora.cleaning import clean

    films = loaded.card.get("reads") == "films"
    there = [number for number, text in enumerate(given) if text.strip()]
    asked: list[Any] = [here / given[number] if films else given[number] for number in there]
    found = dict(zip(there, loaded.classify(asked) if asked else [], strict=True))
    for number, text in enumerate(given):
        likeliest = [(clean(label), probability) for label, probability in found.get(number, [])[: top or 1]]
        if top is None:
            print(likeliest[0][0] if likeliest else "")
        elif likeliest:
            _heading(text)
            _table(["label", "probability"], [[label, f"{share:.4f}"] for label, share in likeliest], numbers=1)


@app.command(
    epilog="Examples: anamnesis promote language-sherlock\n\n"
    "anamnesis promote language-sherlock --force --reason 'smaller and nearly as good'"
)
def promote(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as language-sherlock.")],
    force: Annotated[
        bool, typer.Option("--force/--no-force", help="Promote it whatever the scores say; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the model.")] = "",
) -> None:
    """Make the challenger of a registered model its champion, if it is better on the same test data."""
    if force and not reason.strip():
        raise ParamsError("--force needs --reason 'why'")
    _enter()
    from anamnesis.tracking.promotion import promote as move

    print(move(model, force, reason.strip() or None))


@app.command(epilog="Example: anamnesis sync")
def sync() -> None:
    """Rebuild the runs and registered models in MLflow from the results on disk.

    For when the tracking database was deleted, or the results came from elsewhere. What is there already stays as it
    is: a second time adds nothing.
    """
    print(_sync(_enter()))


@app.command(
    epilog="Examples: anamnesis repro\n\nanamnesis repro -j 4 sherlock-lstm novel-lstm\n\nanamnesis repro tokenize"
)
def repro(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE|EXPERIMENT]...",
            help="Only these and what they need: experiments, kinds of stages (train) or single ones "
            "(train@sherlock-lstm).",
            show_default="everything",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=0, help="Stages at once; 0: as many as cores.")] = 0,
) -> None:
    """Run what has changed of the pipeline, independent stages side by side.

    As `dvc repro`, with the same results byte for byte, but faster. Ctrl-C stops everything cleanly; run it again
    to go on. Each stage's output is in .anamnesis/logs.
    """
    from rich.console import Console

    from anamnesis.repro import run

    root = _enter()
    _note_stale(root)
    changed = run(root, targets or [], jobs or _cores(), Console())
    if changed or not _synced(root):
        print(_sync(root))
    if not targets:
        leaderboard()
        page = (root / "reports" / "index.html").resolve().relative_to(home(root))
        print(f"\nNext: `make ui` (or `anamnesis ui`) shows runs and models; the report is {page}")


@app.command(epilog="Example: anamnesis leaderboard")
def leaderboard() -> None:
    """Print the experiments of each corpus, the best first."""
    root = _enter()
    from anamnesis.report.terminal import print_leaderboard

    print_leaderboard(root)


@app.command(epilog="Example: anamnesis ui --port 5001")
def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Open the MLflow pages on this project's runs and models, until Ctrl-C."""
    from anamnesis.tracking.pages import serve

    serve(_enter(), host, port)


@app.command(epilog="Examples: anamnesis profile\n\nanamnesis profile seed")
def profile(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROFILE]", help="A file of the folder profiles, without .yaml.", show_default="list them"
        ),
    ] = None,
) -> None:
    """Make or refresh the folder of a profile: the same experiments with other budgets, its results apart.

    What profiles/PROFILE.yaml says is merged over params.yaml. Results that the folder holds stay.
    """
    # Whatever --profile says: this is about folders that may not be there yet.
    top = home(find_root())
    if name is None:
        _table(["profile", "folder", "state"], [[each, *_state(top, each)] for each in profile_names(top)])
        return
    check_profile(top, name)
    if name == STANDARD:
        print(f"{name} is the project's own folder, with params.yaml as it comes\nNext: make repro")
        return
    from anamnesis import profiles

    folder = profile_folder(top, name).relative_to(top)
    written = profiles.make(top, name)
    print(f"{folder}: wrote {', '.join(written)}" if written else f"{folder} is up to date")
    print(f"Next: make repro PROFILE={name}, or anamnesis --profile {name} repro, or dvc --cd {folder} repro")


def _state(top: Path, profile: str) -> tuple[str, str]:
    """Where a profile's folder is, and how it is."""
    from anamnesis import params, profiles

    folder = profile_folder(top, profile)
    shown = str(folder.relative_to(top))
    if folder == top:
        return shown, "params.yaml as it comes"
    if not (folder / "params.yaml").is_file():
        return shown, f"not made yet: anamnesis profile {profile}"
    try:
        changed = profiles.changed(top, profile)
    except ParamsError as error:
        return shown, str(error)
    if changed:
        return shown, f"not up to date: anamnesis profile {profile}"
    return shown, f"ready: {len(params.load(folder / 'params.yaml').experiments)} experiments"


def _root() -> Path:
    """The folder of the project, or of the profile that the command is about."""
    return find_root(profile=_profile)


def _command() -> str:
    """How to call this command about the same folder."""
    return f"anamnesis --profile {_profile}" if _profile else "anamnesis"


def _enter() -> Path:
    """Make that folder the working directory, where MLflow and DVC look for their files."""
    root = _root()
    os.chdir(root)
    return root


def _given(texts: list[str] | None, what: str) -> list[str]:
    """The texts of the command line, or else the lines of standard input that are not blank.

    Raises:
        ParamsError: there is none; the line says that no `what` was given.
        AnamnesisError: a text is not UTF-8.
    """
    given = _utf8(texts) if texts else [line for line in _lines(what) if line.strip()]
    if not given:
        raise ParamsError(f"no {what}: standard input holds no line with text")
    return given


def _lines(what: str) -> list[str]:
    """The lines of standard input, blank ones among them, without their ends.

    Raises:
        ParamsError: standard input is a terminal; the line says that no `what` was given.
        AnamnesisError: a line is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise ParamsError(f"no {what}: give some in quotes, or a line each on standard input")
    data = sys.stdin.buffer.read()
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnamnesisError(
            f"standard input, line {line}: found the byte 0x{data[error.start]:02x}; allowed: text in UTF-8"
        ) from None
    # What follows the last line's end is no line.
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _utf8(texts: list[str]) -> list[str]:
    """Texts of the command line, in which bytes that are not UTF-8 have become halves of surrogate pairs.

    Raises:
        AnamnesisError: there is one.
    """
    for number, text in enumerate(texts, start=1):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise AnamnesisError(f"text {number}: character {error.start + 1} is not UTF-8") from None
    return texts


# What a command asks of a model: the task it was trained for, and what it learned.
LEARNED = {
    "next-token": ("language", "the next token"),
    "cloze": ("language", "to fill blanks"),
    "translation": ("translation", "to translate"),
    "classification": ("classification", "to classify"),
    "passage": ("language", "to classify"),
    "captioning": ("captioning", "to caption"),
    "forecasting": ("forecasting", "to forecast"),
}
# The leaderboards that are not called as the task is.
CALLED = {"forecasting": "forecast", "captioning": "caption"}


def _model(name: str | None, kind: str = "next-token", *others: str) -> Any:
    """The model of an experiment or of a reference into the registry, checked and loaded.

    Args:
        name: None: the champion of the only registered model of the leaderboard of `kind`.
        kind: an entry of `LEARNED`.
        others: further entries that will do.

    Raises:
        AnamnesisError: it learned something else, is not trained, or is damaged.
    """
    from anamnesis import numerics

    numerics.pin()
    root = _enter()
    if name is None:
        from anamnesis.tracking.registry import only

        name = f"{only(CALLED.get(kind, kind))}@champion"
    if "@" in name or "/" in name:
        from anamnesis.tracking.registry import resolve

        folder = resolve(name)
    else:
        from anamnesis import params

        params.lookup(params.load(root / "params.yaml").experiments, name, "experiment")
        folder = root / "models" / name
        if not (folder / "model.json").exists():
            raise AnamnesisError(f"{name} is not trained yet: {_command()} repro {name}")
    from anamnesis.training.saved import read_card

    card = read_card(folder)
    found = card.get("objective", card.get("task"))
    if found not in (kind, *others):
        raise AnamnesisError(
            f"{name} did not learn {LEARNED[kind][1]}; `anamnesis list` shows what each experiment is about"
        )
    return import_module(f"anamnesis.{LEARNED[found][0]}.serving").load(folder)


def _note_stale(root: Path) -> None:
    """Say which files of a profile's folder are not what their sources make; they may have been changed on purpose."""
    name = profile_of(root)
    if root.resolve() == home(root):
        return
    from anamnesis import profiles

    for file in profiles.changed(home(root), name):
        print(f"note: profiles/{name}/{file} is not what `anamnesis profile {name}` writes now", file=sys.stderr)


def _sync(root: Path) -> str:
    from anamnesis.tracking.store import synced_file
    from anamnesis.tracking.sync import sync as bring

    said = str(bring(root))
    files.write_json(synced_file(root), _results(root))
    return said


def _synced(root: Path) -> bool:
    """Whether the last `sync` saw these results and its database is still there."""
    from anamnesis.tracking.store import synced_file

    here = "MLFLOW_TRACKING_URI" in os.environ or (home(root) / "mlflow.db").exists()
    return here and _read(synced_file(root)) == _results(root)


def _results(root: Path) -> dict[str, str]:
    lock = root / "dvc.lock"
    return {
        "tracking": os.environ.get("MLFLOW_TRACKING_URI", ""),
        "results": files.sha256_file(lock) if lock.exists() else "",
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read(path: Path) -> Any:
    """A JSON file's content, or an empty mapping where there is none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _number(value: float | int | None) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def _spread(path: Path, number: int) -> list[dict[str, str]]:
    """Rows of a csv file at equal distances, its first among them."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [rows[index * len(rows) // number] for index in range(min(number, len(rows)))]


def _width(loaded: Any, beam: int | None, n_best: int | None) -> int:
    """The beam's width, as asked for or as the model's card says; `n_best` must not be above it."""
    width: int = beam or loaded.card["search"]["beam"]
    if n_best is not None and n_best > width:
        raise ParamsError(f"--n-best: found {n_best}; allowed: from 1 to the beam's width, which is {width}")
    return width


def _scored(text: str, scores: Sequence[float | None], found: Sequence[str], what: str) -> None:
    """What was found for a text, each with its score or none: a table on a terminal, SCORE TAB FOUND elsewhere."""
    rows = [("" if score is None else f"{score:.4f}", each) for score, each in zip(scores, found, strict=True)]
    if sys.stdout.isatty():
        print(text)
        _table(["score", what], rows, right=[0])
    else:
        for row in rows:
            print("\t".join(row))


def _target(option: str, path: Path | None, *endings: str) -> Path | None:
    """Where the file that an option names is to be written: as meant where the command was typed, not in the project's
    folder."""
    if path is not None and path.suffix.lower() not in endings:
        raise ParamsError(f"{option}: found {path.name!r}; allowed: a name that ends with {' or '.join(endings)}")
    return path and path.absolute()


def _write(option: str, path: Path, content: bytes) -> None:
    """Write the file that an option names."""
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise AnamnesisError(f"{option}: {path} cannot be written: {error.strerror}") from None


def _heading(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(f"\n{text}", style="bold"), soft_wrap=True)


def _in_line(pairs: Sequence[tuple[str, str]]) -> None:
    """Words, each with its number, in one line: the numbers dim on a terminal, the pairs between tabs elsewhere."""
    if not sys.stdout.isatty():
        print("\t".join(f"{word} {number}" for word, number in pairs))
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text("  ").join(Text.assemble(word, (f" {number}", "dim")) for word, number in pairs))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0, right: Sequence[int] = ()) -> None:
    """A table on a terminal, tab-separated lines elsewhere.

    Args:
        numbers: so many last columns are flush right, as are those of the indices `right`.
    """
    if not sys.stdout.isatty():
        for row in (header, *rows):
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(header):
        justify: Literal["left", "right"] = "right" if index >= len(header) - numbers or index in right else "left"
        # What a row is about must be legible on a narrow terminal, whatever has to give way.
        table.add_column(name, justify=justify, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


if __name__ == "__main__":
    main()
