"""The errors of forecasts one step ahead."""

import math

import numpy as np

from anamnesis.metrics.results import round_score
from anamnesis.tasks.forecasting.model.examples import Values


def scores(forecasts: Values, values: Values, before: Values) -> dict[str, float]:
    """Errors of forecasts one step ahead, to 6 significant digits.

    Args:
        forecasts: (values,).
        values: the true values (values,).
        before: the value before each (values,), the forecast of the baseline that repeats the last value.

    Returns:
        rmse and mae in the units of the data; skill, 1 - MSE / MSE of the baseline: 1 is perfect, 0 as good as the
        baseline. Where the baseline makes no error there is no skill.
    """
    mse, baseline = (float(np.square(each - values).mean()) for each in (forecasts, before))
    errors = {"rmse": round_score(math.sqrt(mse)), "mae": round_score(float(np.abs(forecasts - values).mean()))}
    return errors | ({"skill": round_score(1 - mse / baseline)} if baseline > 0 else {})
