"""The command that translates sentences and shows the attention."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from anamnesis.cli import inputs, models, output_files, printing, search
from anamnesis.cli.search import Beam, NBest
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
    n_best: NBest = None,
    attention: Annotated[
        bool,
        typer.Option("--attention", help="Also show the attention of each word of the best translation to the source."),
    ] = False,
    attention_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw the attention for one text as a picture.", show_default=False),
    ] = None,
) -> None:
    """Translate sentences: one line for each, in their order, a blank line for a blank one.

    The models of this project know messages of programs, best of three to fifteen words, not letters or novels. A note
    on standard error names the placeholders (%s, {name}), tags and addresses that a translation has lost.

    With --n-best or --attention a text has several lines, and a blank line separates two texts. Scores and weights are
    tables on a terminal; elsewhere a line is SCORE TAB TRANSLATION, and attention is a row of weights between tabs for
    each token of the translation, under the tokens of the text.
    """
    sentences = inputs.check_utf8(texts) if texts else inputs.read_lines("text")
    inputs.warn_about_files(texts or [])
    attention_file = output_files.resolve("--attention-file", attention_file, ".png")
    if attention_file is not None and len(sentences) != 1:
        raise ParamsError(f"--attention-file: found {len(sentences)} texts; allowed: one text, for one picture")
    translator = models.load(model, "translation")
    width = search.beam_width(translator, beam, n_best)
    with_attention = attention or attention_file is not None
    if with_attention and translator.card["architecture"] != "attention":
        raise AnamnesisError(
            f"{translator.card['experiment']} has no attention to show; `anamnesis list` says which have"
        )
    # Everything that can fail comes before the first line.
    results = translator.translate(sentences, width, n_best or 1)
    maps: Sequence[Any] = [None] * len(sentences)
    if with_attention:
        from anamnesis.tasks.translation import heatmap

        maps = heatmap.attention_maps(translator, sentences, [each[0] for each in results])
    if attention_file is not None:
        if maps[0] is None:
            raise ParamsError("--attention-file: found a text with nothing in it; allowed: one that can be translated")
        output_files.write("--attention-file", attention_file, heatmap.as_png(maps[0]))
    from anamnesis.data.text.cleaning import clean
    from anamnesis.data.text.placeholders import lost

    for number, (text, best, weights) in enumerate(zip(sentences, results, maps, strict=True)):
        if number and (n_best or attention):
            print()
        translations = [clean(each.text) for each in best]
        if n_best:
            search.print_scored(text, [each.score for each in best], translations, "translation")
        else:
            printing.write(translations[0])
        if attention and weights is not None and sys.stdout.isatty():
            printing.write(f"\n{heatmap.as_text(weights)}")
        elif attention and weights is not None:
            rows = zip(weights.target, weights.weights.tolist(), strict=True)
            printing.table(["", *weights.source], [[token, *(f"{each:.4f}" for each in row)] for token, row in rows])
    for number, (text, best) in enumerate(zip(sentences, results, strict=True), start=1):
        if missing := lost(clean(text), clean(best[0].text)):
            where = f" of text {number}" if len(sentences) > 1 else ""
            print(f"note: the translation{where} lost {', '.join(missing)}", file=sys.stderr)
