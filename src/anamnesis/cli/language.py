"""The commands that ask a language model: to write, to score sentences, to fill blanks."""

import json
import sys
from typing import Annotated

import typer

from anamnesis.cli import inputs, models, printing
from anamnesis.cli.models import ModelName
from anamnesis.errors import AnamnesisError, ParamsError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis generate shakespeare-lstm --prompt 'DUKE.' --temperature 0.6\n\n"
    "anamnesis generate language-sherlock@champion --prompt 'It was ' --length 80"
)
def generate(
    model: ModelName,
    prompt: Annotated[
        str | None, typer.Option(help="Text the model reads first and goes on from.", show_default="as in params.yaml")
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens (characters or words) to write.", show_default="as in params.yaml"),
    ] = None,
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
    loaded = models.load(model, "language")
    from anamnesis.tasks.language.generation import generate as write

    habits = loaded.card.get("sampling") or {}
    start = habits.get("prompt", "") if prompt is None else prompt
    heat = habits.get("temperature", 1.0) if temperature is None else temperature
    tokens = habits.get("length", 200) if length is None else length
    likeliest = habits.get("top_k") if top_k is None else top_k
    printing.write(start, end="")
    drawn = {"temperature": heat, "top_k": likeliest, "seed": seed, "noise": habits.get("noise", 0.0)}
    for piece in write(loaded, start, tokens, greedy=greedy, **drawn):
        printing.write(piece, end="")
    print()


@commands.command(
    epilog="Examples: anamnesis score sherlock-lstm 'The game is afoot.' 'Afoot game the is.'\n\n"
    "anamnesis score sherlock-lstm < docs/examples/sentences.txt"
)
def score(
    model: ModelName,
    sentences: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SENTENCE]...",
            help="Each in quotes.",
            show_default="the lines of standard input that are not blank",
        ),
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Also show how much each token surprised the model, in nats.")
    ] = False,
) -> None:
    """Say how likely a trained language model finds sentences, and how much each word surprises it.

    The log-probability is natural. An unknown token also costs so many nats for each of its characters, as in bits per
    character, so that words that the model does not know are not likely ones; all numbers include this price. The
    perplexity is that of a token, so that sentences of any length compare: the lower, the more expected. A word's
    surprise is the sum of its tokens', so that all of them add up to minus the log-probability; with characters, the
    space after a word is part of it.
    """
    given = inputs.given(sentences, "sentence")
    loaded = models.load(model, "language")
    from anamnesis.data.text.leftovers import spelling
    from anamnesis.tasks.language.scoring import alphabet
    from anamnesis.tasks.language.scoring import score as rate

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
    if any(result.unknown_tokens for result in results):
        price = f"{spelling(1, 0, alphabet(loaded)):.2f} nats for each character of an unknown token"
        print(f"note: log-probability and perplexity include {price}", file=sys.stderr)
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
    epilog="Examples: anamnesis fill novel-cloze-birnn 'Mr. ____ was very handsome.'\n\n"
    "anamnesis fill cloze-novel@champion 'Mr. ____ was very handsome.' --top 10"
)
def fill(
    model: ModelName,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Each in quotes, with one blank: two underscores or more.",
            show_default="the lines of standard input that are not blank",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many words to show, the likeliest first.")] = 5,
) -> None:
    """Let a model that learnt to fill blanks say which words fit, each with its probability."""
    given = inputs.given(texts, "text")
    loaded = models.load(model, "cloze")
    from anamnesis.tasks.cloze.fill import fill as guess

    failed = False
    for text in given:
        try:
            words = guess(loaded, text, top)
        except AnamnesisError as error:
            printing.error(error)
            failed = True
            continue
        printing.heading(text)
        printing.table(
            ["word", "probability"], [[word, f"{probability:.4f}"] for word, probability in words], numbers=1
        )
    if failed:
        raise typer.Exit(1)
