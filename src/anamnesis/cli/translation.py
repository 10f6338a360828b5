"""The command that translates, and shows where the model looked."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import inputs, models, output_files, printing, search
from anamnesis.cli.search import Beam
from anamnesis.errors import AnamnesisError, ParamsError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis translate 'The file could not be found.' 'Could not open file %s.' --n-best 3\n\n"
    "anamnesis translate --model en-nl-attention < docs/examples/messages.txt\n\n"
    "anamnesis translate --model translation-en-nl@champion 'Click here to continue.' --attention-file click.png"
)
def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...", help="Sentences, each in quotes.", show_default="the lines of standard input"
        ),
    ] = None,
    model: Annotated[str | None, models.option("translation model")] = None,
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

    The models of this project know messages of programs, best of three to fifteen words, not letters or novels. A note
    on standard error names the placeholders (%s, {name}), tags and addresses that a translation has lost.

    With --n-best or --attention a text has several lines, and a blank line stands between two texts. Scores and weights
    are tables on a terminal; elsewhere a line is SCORE TAB TRANSLATION, and attention a row of weights between tabs
    for each token of the translation, under the tokens of the text.
    """
    given = inputs.utf8(texts) if texts else inputs.lines("text")
    inputs.note_files(texts or [])
    attention_file = output_files.target("--attention-file", attention_file, ".png")
    if attention_file is not None and len(given) != 1:
        raise ParamsError(f"--attention-file: found {len(given)} texts; allowed: one text, for one picture")
    loaded = models.load(model, "translation")
    width = search.width(loaded, beam, n_best)
    drawn = attention or attention_file is not None
    if drawn and loaded.card["architecture"] != "attention":
        raise AnamnesisError(f"{loaded.card['experiment']} has no attention to show; `anamnesis list` says which have")
    from anamnesis.data.text.cleaning import clean
    from anamnesis.data.text.placeholders import lost
    from anamnesis.tasks.translation import heatmap

    results = loaded.translate(given, width, n_best or 1)
    # All that can go wrong comes before the first line.
    maps = heatmap.of(loaded, given, [found[0] for found in results]) if drawn else [None] * len(given)
    if attention_file is not None:
        if maps[0] is None:
            raise ParamsError("--attention-file: found a text with nothing in it; allowed: one that can be translated")
        output_files.write("--attention-file", attention_file, heatmap.as_png(maps[0]))
    for number, (text, found, seen) in enumerate(zip(given, results, maps, strict=True)):
        if number and (n_best or attention):
            print()
        written = [clean(each.text) for each in found]
        if n_best:
            search.print_scored(text, [each.score for each in found], written, "translation")
        else:
            printing.write(written[0])
        if attention and seen is not None and sys.stdout.isatty():
            printing.write(f"\n{heatmap.as_text(seen)}")
        elif attention and seen is not None:
            rows = zip(seen.target, seen.weights.tolist(), strict=True)
            printing.table(["", *seen.source], [[token, *(f"{weight:.4f}" for weight in row)] for token, row in rows])
    for number, (text, found) in enumerate(zip(given, results, strict=True), start=1):
        if missing := lost(clean(text), clean(found[0].text)):
            where = f" of text {number}" if len(given) > 1 else ""
            print(f"note: the translation{where} lost {', '.join(missing)}", file=sys.stderr)
