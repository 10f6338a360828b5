"""The commands that ask a language model: to write, to score sentences, to fill blanks."""

import json
import sys
from typing import Annotated

import typer

from anamnesis.cli import inputs, models, printing
from anamnesis.cli.models import ModelName
from anamnesis.errors import ParamsError

commands = typer.Typer()


@commands.command(
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
    loaded = models.load(model)
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


@commands.command(
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
    given = inputs.given(sentences, "sentence")
    loaded = models.load(model)
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
    printing.table(["log-probability", "perplexity", "tokens", "unknown", "sentence"], rows, right=range(4))
    printing.heading("surprise of each word, in nats")
    for result in results:
        printing.in_line([(word, f"{surprise:.2f}") for word, surprise in result.words])
    if tokens:
        for sentence, result in pairs:
            printing.heading(sentence)
            spelled = [json.dumps(token, ensure_ascii=False) for token in result.tokens]
            surprises = [f"{surprise:.3f}" for surprise in result.surprisals]
            printing.table(
                ["token", "surprise"], [list(row) for row in zip(spelled, surprises, strict=True)], numbers=1
            )


@commands.command(
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
    given = inputs.given(texts, "text")
    loaded = models.load(model, "cloze")
    from anamnesis.language.cloze.fill import fill as guess

    for text, words in [(text, guess(loaded, text, top)) for text in given]:
        printing.heading(text)
        printing.table(
            ["word", "probability"], [[word, f"{probability:.4f}"] for word, probability in words], numbers=1
        )
