"""The commands that use language models: `generate` and `score`."""

import json
import sys
from typing import Annotated

import typer

from anamnesis.cli import inputs, models, printing
from anamnesis.cli.models import ModelName
from anamnesis.errors import ParamsError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis generate shakespeare-lstm --prompt 'DUKE.' --temperature 0.6\n\n"
    "anamnesis generate language-sherlock@champion --prompt 'It was ' --length 80"
)
def generate(
    model: ModelName,
    prompt: Annotated[str | None, typer.Option(help="The start of the text.", show_default="as in params.yaml")] = None,
    length: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens (characters or words) to generate.", show_default="as in params.yaml"),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Divides the logits; below 1, probable tokens become more probable.", show_default="as in params.yaml"
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k", min=1, help="Draw among this many most probable tokens.", show_default="as in params.yaml"
        ),
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always take the most probable token.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed generates the same text.")] = 0,
) -> None:
    """Generate text with a trained language model, and print each token as it comes."""
    if greedy and (temperature is not None or top_k is not None):
        raise ParamsError("--greedy draws nothing: it goes without --temperature and --top-k")
    if temperature is not None and not temperature > 0:
        raise ParamsError(f"--temperature: found {temperature:g}; allowed: above 0; --greedy is the limit at 0")
    loaded = models.load(model, "language")
    from anamnesis.tasks.language.model.generation import generate as write

    given = {"prompt": prompt, "length": length, "temperature": temperature, "top_k": top_k}
    arguments = loaded.card["sampling"] | {name: value for name, value in given.items() if value is not None}
    printing.write(arguments["prompt"], end="")
    for piece in write(loaded, greedy=greedy, seed=seed, **arguments):
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
    tokens: Annotated[bool, typer.Option("--tokens", help="Also print the surprise of each token in nats.")] = False,
) -> None:
    """Score sentences with a trained language model: their log-probabilities, and the surprise at each word.

    The log-probability is in nats. An unknown token also pays a price for each of its characters, as in bits per
    character, so that unknown words are not probable ones; all numbers include this price. The perplexity is that of a
    token, so that sentences of different lengths compare; lower is more probable. The surprise of a word is the sum of
    its tokens', and all words add up to minus the log-probability; with characters, a word includes the space after it.
    """
    given = inputs.read_texts(sentences, "sentence")
    loaded = models.load(model, "language")
    from anamnesis.tasks.language import scoring

    results = scoring.score(loaded, given)
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
        price = f"{scoring.spelling_price(loaded):.2f} nats for each character of an unknown token"
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
