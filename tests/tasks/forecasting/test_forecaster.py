"""Windows, floors and forecasts of many steps against loops, closed forms and arithmetic by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anamnesis.data.sources import sines
from anamnesis.data.sources.settings import Sines
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import forecaster
from anamnesis.tasks.forecasting.forecaster import Forecaster, free_running, least_squares, linear, onwards
from anamnesis.tasks.forecasting.windows import standard, windows

WAVES = {
    "kind": "sines",
    "waves": [
        {"amplitude": 1.0, "period": 41.3},
        {"amplitude": 0.6, "period": 18.7, "phase": 1.0},
        {"amplitude": 0.3, "period": 7.9, "phase": 2.0},
    ],
}


def ar2(coefficients: tuple[float, float], intercept: float, number: int, noise: float, seed: int = 0) -> np.ndarray:
    """x_t = intercept + a x_{t-1} + b x_{t-2} + noise, one step after the other."""
    chance = np.random.default_rng(seed)
    series = [0.3, -0.2]
    for _ in range(number):
        series.append(intercept + coefficients[0] * series[-1] + coefficients[1] * series[-2] + chance.normal(0, noise))
    return np.array(series[2:])


def test_window_5_on_500_points_gives_495_samples() -> None:
    read, targets = windows(np.arange(500.0), 5)
    assert read.shape == (495, 5)
    assert targets.shape == (495,)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 12))
def test_windows_are_those_of_a_loop(window: int, targets: int) -> None:
    values = np.random.default_rng(1).normal(size=window + targets)
    read, wanted = windows(values, window)
    assert len(read) == len(wanted) == targets
    for number, index in enumerate(range(window, len(values))):
        assert read[number].tolist() == values[index - window : index].tolist()
        assert wanted[number] == values[index]


def test_a_window_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="no value after a window of 10"):
        windows(np.arange(10.0), 10)


def test_a_constant_series_cannot_be_standardised() -> None:
    with pytest.raises(AnamnesisError, match="standard deviation of 0; allowed: above 0"):
        standard(np.full(9, 3.0))


def test_least_squares_are_the_normal_equations() -> None:
    series = ar2((0.6, -0.3), 0.5, 400, 0.2)
    coefficients, intercept = least_squares(series, 2)
    design = np.column_stack([series[:-2], series[1:-1], np.ones(398)])
    closed = np.linalg.solve(design.T @ design, design.T @ series[2:])
    np.testing.assert_allclose([*coefficients, intercept], closed, rtol=1e-9)
    # The oldest value comes first.
    np.testing.assert_allclose([*coefficients, intercept], [-0.3, 0.6, 0.5], atol=0.12)


def test_without_noise_the_process_is_found_and_runs_on_exactly() -> None:
    series = ar2((1.2, -0.7), 0.4, 60, 0.0)
    coefficients, intercept = least_squares(series[:30], 2)
    np.testing.assert_allclose([*coefficients, intercept], [-0.7, 1.2, 0.4], rtol=1e-7)
    model = Forecaster({}, 2, linear(coefficients, intercept))
    np.testing.assert_allclose(free_running(model, series[None, :30], 30)[0], series[30:], atol=1e-8)


def test_two_values_for_each_sine_wave_determine_the_next() -> None:
    # A sum of n sine waves follows a linear recurrence of order 2n (Prony 1795).
    series = np.array(sines.values(Sines.model_validate(WAVES), 700))
    for window, exact in ((6, True), (5, False)):
        model = Forecaster({}, window, linear(*least_squares(series[:500], window)))
        read, wanted = windows(series[500:], window)
        error = np.abs(model.predict(read) - wanted).max()
        assert (error < 1e-9) == exact


def test_the_floors_by_hand() -> None:
    read = np.array([[1.0, 2.0, 6.0], [4.0, 4.0, -5.0]])
    assert forecaster.last(read).tolist() == [6.0, -5.0]
    assert forecaster.average(read).tolist() == [3.0, 1.0]


def nonlinear(window: int) -> Forecaster:
    weights = np.random.default_rng(window).normal(size=window)
    return Forecaster({}, window, lambda read: np.tanh(read @ weights), mean=2.0, scale=3.0)


@pytest.mark.parametrize("window", [1, 3])
def test_free_running_is_a_loop_that_reads_its_own_forecasts(window: int) -> None:
    model = nonlinear(window)
    starts = np.random.default_rng(4).normal(2, 3, (5, window + 2))
    found = free_running(model, starts, 9)
    for start, row in zip(starts, found, strict=True):
        series = start.tolist()
        for _ in range(9):
            read = (np.array(series[-window:]) - 2) / 3
            series.append(float(model.step(read[None])[0]) * 3 + 2)
        np.testing.assert_allclose(row, series[-9:], rtol=1e-12)


def test_an_unstable_model_is_stopped_in_one_line() -> None:
    model = Forecaster({"experiment": "mine"}, 1, linear(np.array([1e9]), 0.0))
    with pytest.raises(AnamnesisError, match=r"^mine: forecasts of 50 steps grow without bound") as caught:
        free_running(model, np.ones((1, 1)), 50)
    assert "\n" not in str(caught.value)


def test_long_series_are_forecast_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = nonlinear(3), np.random.default_rng(5).normal(size=(50, 3))
    whole = model.predict(read)
    monkeypatch.setattr(forecaster, "BLOCK", 20)
    sizes: list[int] = []

    def step(block: np.ndarray) -> np.ndarray:
        sizes.append(len(block))
        return model.step(block)

    np.testing.assert_allclose(Forecaster({}, 3, step, 2.0, 3.0).predict(read), whole, rtol=1e-13)
    assert sizes == [6] * 8 + [2]


@pytest.mark.parametrize("rescale", [False, True])
def test_how_a_series_goes_on(rescale: bool) -> None:
    model, values = nonlinear(3), np.random.default_rng(6).normal(100, 7, 20)
    found = onwards(model, values, 4, rescale)
    mean, scale = (values.mean(), values.std()) if rescale else (2.0, 3.0)
    assert found.fit.shape == (17,)
    for index in range(3, 20):
        read = (values[index - 3 : index] - mean) / scale
        assert found.fit[index - 3] == pytest.approx(float(model.step(read[None])[0]) * scale + mean)
    read = (values[-3:] - mean) / scale
    assert found.ahead[0] == pytest.approx(float(model.step(read[None])[0]) * scale + mean)
    assert found.ahead.shape == (4,)


def test_in_other_units_a_rescaled_forecast_is_the_same() -> None:
    values = np.random.default_rng(7).normal(100, 7, 30)
    one, other = (onwards(nonlinear(3), each, 5, rescale=True).ahead for each in (values, values * 1000 - 3))
    np.testing.assert_allclose(other, one * 1000 - 3, rtol=1e-9)


def test_exactly_a_window_is_enough_and_less_is_not() -> None:
    found = onwards(nonlinear(3), np.arange(3.0), 2)
    assert (found.fit.shape, found.ahead.shape) == ((0,), (2,))
    with pytest.raises(AnamnesisError, match=r"^found 2 values; the model reads 3 to make one forecast$"):
        onwards(nonlinear(3), np.arange(2.0), 2)


def test_the_settings_fit_together(experiment: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="needs a `training` block"):
        experiment("fc", training=None)
    with pytest.raises(ValueError, match="remove `training`"):
        experiment("last", training={"epochs": 1, "learning_rate": 0.1})
    assert experiment("last").model.window == 1
