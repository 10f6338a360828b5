"""A series and its forecast as a picture."""

import io

import numpy as np

from anamnesis.tasks.forecasting.continuation import Continuation
from anamnesis.tasks.forecasting.observed import Observed

# Values of the series to show before the forecast: at least `SHOWN`, and `SHOWN_PER_STEP` for each step.
SHOWN, SHOWN_PER_STEP = 200, 3


def draw(kind: str, series: Observed, continuation: Continuation, model: str) -> bytes:
    """A picture of a series with forecasts one step ahead and, to the right of a line, of how it goes on.

    Args:
        kind: "png" or "svg".
        series: only the end of a long series is shown.
        continuation: the forecasts.
        model: the name of the model that made them.

    Returns:
        The content of the file, the same bytes for the same arguments.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    values, end = series.values, len(series.values)
    first = max(0, end - max(SHOWN, SHOWN_PER_STEP * len(continuation.ahead)))
    fit = continuation.fit[-(end - first) :]
    with mpl.rc_context({"svg.hashsalt": "anamnesis", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        axes.plot(np.arange(first, end), values[first:], color="0.2", linewidth=1.2, label="data")
        axes.plot(np.arange(end - len(fit), end), fit, color="tab:blue", linewidth=1, label="one step ahead")
        # From the last value on, so that the two lines meet.
        joined = np.concatenate([values[-1:], continuation.ahead])
        axes.plot(
            np.arange(end - 1, end + len(continuation.ahead)), joined, color="tab:red", linewidth=1.4, label="forecast"
        )
        axes.axvline(end - 0.5, color="0.6", linestyle=":", linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: series.date(round(place))))
        # A dollar sign in a name begins no formula.
        axes.set_ylabel(series.name, parse_math=False)
        axes.set_title(model, parse_math=False, loc="left", fontsize="medium")
        axes.legend(frameon=False, ncols=3, loc="upper right", bbox_to_anchor=(1, 1.12))
        buffer = io.BytesIO()
        canvas = FigureCanvasAgg(figure)
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        canvas.print_figure(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
