"""The command that forecasts a user's series."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from anamnesis.cli import models, output_files, printing
from anamnesis.errors import AnamnesisError

commands = typer.Typer()
# Series in the model's own units stay within a few standard deviations of its training series.
FAR = 6


@commands.command(
    epilog="Examples: anamnesis forecast docs/examples/visitors.csv --model sunspots-lstm3 --rescale\n\n"
    "anamnesis forecast docs/examples/visitors.csv --model forecasting-sunspots@champion --rescale "
    "--plot visitors.png\n\n"
    "anamnesis forecast docs/examples/visitors.csv --model sines-fc20 --rescale --date month --value visitors "
    "--output forecast.csv"
)
def forecast(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="A table with a column of dates and one of numbers.")
    ],
    model: Annotated[str | None, models.option("forecaster")] = None,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column with the dates, such as 2020-01 or 2020-01-31, or whole numbers.",
            show_default="the only column with dates",
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column with the values.", show_default="the only column with numbers"),
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
    """Forecast the next values of your own series, with their dates.

    The model reads its own forecasts, so each step is less certain than the one before. It expects values in the units
    of the series that it was trained on; for other units, use --rescale.
    """
    # A relative path is relative to the folder where the command was typed, not to the project's.
    source = file.absolute()
    output, plot = (
        output_files.resolve("--output", output, ".csv"),
        output_files.resolve("--plot", plot, ".png", ".svg"),
    )
    from anamnesis import numerics

    numerics.pin()
    from anamnesis.tasks.forecasting import observed

    series = observed.read(source, date, value, fill)
    loaded = models.load(model, "forecasting")
    from anamnesis.tasks.forecasting.continuation import continue_series, distance

    if loaded.words is not None:
        raise AnamnesisError(f"{loaded.card['experiment']} forecasts words; `forecast` needs a model of values")
    continuation = continue_series(loaded, series.values, steps, rescale)
    rows = [[series.date(len(series.values) + step), f"{each:.6g}"] for step, each in enumerate(continuation.ahead)]
    if plot is not None:
        from anamnesis.tasks.forecasting.picture import draw

        drawn = draw(plot.suffix[1:].lower(), series, continuation, loaded.card["experiment"])
        output_files.write("--plot", plot, drawn)
    if output is not None:
        from anamnesis.metrics.results import csv_text

        output_files.write("--output", output, csv_text([("date", "forecast"), *rows]).encode())
    if series.filled:
        print(f"note: {series.filled:,} missing values lie on straight lines", file=sys.stderr)
    if not rescale and (far := distance(loaded, series.values)) > FAR:
        print(
            f"warning: the values lie {far:,.0f} standard deviations from the mean of the series that "
            f"{loaded.card['experiment']} was trained on; --rescale standardises them by their own mean and scale",
            file=sys.stderr,
        )
    printing.table(["date", "forecast"], rows, numbers=1)
