"""Windows, baselines and forecasts of many steps against loops, closed forms and arithmetic by hand."""

import csv

import numpy as np
import pytest
import torch
import toys as toy

from anamnesis import models
from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import SeriesTokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.continuation import continue_series
from anamnesis.tasks.forecasting.model import forecaster
from anamnesis.tasks.forecasting.model.examples import windows
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running, least_squares, linear, neural
from anamnesis.tasks.forecasting.model.network import new_network
from anamnesis.tasks.forecasting.model.values import with_past
from anamnesis.tasks.forecasting.settings import Connected, Recurrent


def write_store(root, splits, name="series"):
    """Write data/tokens/NAME of values, at the times 0, 1, 2, ... in the order of the splits."""
    root.mkdir(parents=True, exist_ok=True)
    sources, time = {}, 0
    for split, values in splits.items():
        sources[split] = root / f"{split}.csv"
        with open(sources[split], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("time", "value"), *enumerate(map(float, values), time)])
        time += len(values)
    store.write(root / "data" / "tokens" / name, SeriesTokens(corpus="waves", kind="series"), sources)
    return root / "data" / "tokens" / name


def ar2(coefficients, intercept, number, noise):
    """x_t = intercept + a x_{t-1} + b x_{t-2} + noise, one step after the other."""
    chance = np.random.default_rng(0)
    series = [0.3, -0.2]
    for _ in range(number):
        series.append(intercept + coefficients[0] * series[-1] + coefficients[1] * series[-2] + chance.normal(0, noise))
    return np.array(series[2:])


def test_the_past_precedes_a_split_in_time_and_is_never_of_the_test_split_for_validation(tmp_path):
    folder = write_store(tmp_path, {"train": [3.0, 1.0, 4.0], "valid": [9.0, 2.0], "test": [1.0, 5.0]}, "usual")
    assert with_past(folder, "valid", 2).tolist() == [1, 4, 9, 2]
    assert with_past(folder, "test", 3).tolist() == [4, 9, 2, 1, 5]
    # Where there is no past, the mean of the training values.
    assert with_past(folder, "test", 7).tolist() == [8 / 3, 8 / 3, 3, 1, 4, 9, 2, 1, 5]
    # As in the corpus of sines: train, then test, then valid.
    folder = write_store(tmp_path, {"train": [3.0, 1.0, 4.0], "test": [1.0, 5.0], "valid": [9.0, 2.0]})
    assert with_past(folder, "test", 2).tolist() == [1, 4, 1, 5]
    assert with_past(folder, "valid", 3).tolist() == [8 / 3, 8 / 3, 8 / 3, 9, 2]
    folder = write_store(tmp_path, {"valid": [6.0, 7.0], "train": [3.0, 1.0, 2.0], "test": [8.0]}, "later")
    assert with_past(folder, "valid", 2).tolist() == [2, 2, 6, 7]
    assert with_past(folder, "test", 4).tolist() == [7, 3, 1, 2, 8]


def test_least_squares_solve_the_normal_equations_and_recover_a_process_without_noise():
    series = ar2((0.6, -0.3), 0.5, 400, 0.2)
    coefficients, intercept = least_squares(windows(series, 2))
    design = np.column_stack([series[:-2], series[1:-1], np.ones(398)])
    closed = np.linalg.solve(design.T @ design, design.T @ series[2:])
    np.testing.assert_allclose([*coefficients, intercept], closed, rtol=1e-9)
    series = ar2((1.2, -0.7), 0.4, 60, 0.0)
    coefficients, intercept = least_squares(windows(series[:30], 2))
    # The oldest value comes first.
    np.testing.assert_allclose([*coefficients, intercept], [-0.7, 1.2, 0.4], rtol=1e-7)
    model = Forecaster({}, 2, linear(coefficients, intercept))
    np.testing.assert_allclose(free_running(model, series[None, :30], 30)[0], series[30:], atol=1e-8)


def test_two_values_for_each_sine_wave_determine_the_next():
    # A sum of n sine waves follows a linear recurrence of order 2n (Prony 1795).
    time = 2 * np.pi * np.arange(700)
    series = np.sin(time / 41.3) + 0.6 * np.sin(time / 18.7 + 1) + 0.3 * np.sin(time / 7.9 + 2)
    for window, exact in ((6, True), (5, False)):
        model = Forecaster({}, window, linear(*least_squares(windows(series[:500], window))))
        examples = windows(series[500:], window)
        error = np.abs(model.predict(examples.windows) - examples.targets).max()
        assert (error < 1e-9) == exact


def test_the_baselines_by_hand():
    values = np.array([[1.0, 2.0, 6.0], [4.0, 4.0, -5.0]])
    assert Forecaster({}, 3, forecaster.last).predict(values).tolist() == [6.0, -5.0]
    assert Forecaster({}, 3, forecaster.average).predict(values).tolist() == [3.0, 1.0]
    assert Forecaster({}, 3, forecaster.zero, mean=2.5, scale=7.0).predict(values).tolist() == [2.5, 2.5]


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_the_connected_network_is_its_formula(activation):
    network = new_network(Connected(architecture="fc", window=3, hidden=5, activation=activation))
    w, b, u, c = (value.detach().numpy().astype(np.float64) for value in network.parameters())
    values = np.random.default_rng(2).normal(5, 9, (4, 3))
    hidden = (values - 5) / 9 @ w.T + b
    hidden = np.tanh(hidden) if activation == "tanh" else np.where(hidden > 0, hidden, 0.1 * hidden)
    expected = (hidden @ u.T + c)[:, 0] * 9 + 5
    np.testing.assert_allclose(Forecaster({}, 3, neural(network), 5.0, 9.0).predict(values), expected, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
def test_a_recurrent_network_reads_the_oldest_value_first(architecture):
    network = new_network(Recurrent(architecture=architecture, window=4, hidden=3))
    values = torch.randn(6, 4)
    state = network.stack.initial_state(6)
    for column in range(4):
        outputs, state = network.stack(values[None, :, column : column + 1], state)
    torch.testing.assert_close(network(values), network.output(outputs[0])[:, 0])


def nonlinear(window):
    weights = np.random.default_rng(window).normal(size=window)
    return Forecaster({"experiment": "mine"}, window, lambda values: np.tanh(values @ weights), mean=2.0, scale=3.0)


def test_forecasts_that_grow_without_bound_are_refused():
    unstable = Forecaster({"experiment": "mine"}, 1, linear(np.array([1e9]), 0.0))
    with pytest.raises(AnamnesisError, match=r"^mine: forecasts of 50 steps grow without bound"):
        free_running(unstable, np.ones((1, 1)), 50)


def test_long_series_are_forecast_in_blocks(monkeypatch):
    model, values = nonlinear(3), np.random.default_rng(5).normal(size=(50, 3))
    whole = model.predict(values)
    monkeypatch.setattr(forecaster, "BLOCK", 20)
    sizes = []

    def step(block):
        sizes.append(len(block))
        return model.step(block)

    np.testing.assert_allclose(Forecaster({}, 3, step, 2.0, 3.0).predict(values), whole, rtol=1e-13)
    assert sizes == [6] * 8 + [2]


@pytest.mark.parametrize("rescale", [False, True])
def test_a_continuation_also_forecasts_the_known_values(rescale):
    model, values = nonlinear(3), np.random.default_rng(6).normal(100, 7, 20)
    found = continue_series(model, values, 4, rescale)
    mean, scale = (values.mean(), values.std()) if rescale else (2.0, 3.0)
    expected = [
        float(model.step((values[None, index - 3 : index] - mean) / scale)[0]) * scale + mean for index in range(3, 21)
    ]
    np.testing.assert_allclose([*found.fit, found.ahead[0]], expected)
    assert found.ahead.shape == (4,)
    # In other units, a rescaled forecast is the same.
    if rescale:
        np.testing.assert_allclose(continue_series(model, values * 9 - 5, 4, True).ahead, found.ahead * 9 - 5)
    assert continue_series(model, values[:3], 2).fit.shape == (0,)
    with pytest.raises(AnamnesisError, match=r"^found 2 values; the model reads 3 to make one forecast$"):
        continue_series(model, values[:2], 2)


def test_a_network_learns_what_no_linear_model_can(tmp_path):
    # The logistic map: uncorrelated values, each a parabola of the one before.
    series = [0.3]
    while len(series) < 400:
        series.append(3.9 * series[-1] * (1 - series[-1]))
    write_store(tmp_path, {"train": series[:300], "valid": series[300:350], "test": series[350:]})
    training = {"epochs": 40, "learning_rate": 0.02, "schedule": {"kind": "cosine"}, "checkpoint_steps": 1000}
    changes = {"fc": {"model": {"window": 1, "hidden": 8}, "training": training}, "ar": {"model": {"window": 1}}}
    examples, errors = windows(np.array(series[350:]), 1), {}
    for name, change in changes.items():
        settings = toy.settings(f"forecasting-{name}", **change)
        model = models.load(toy.train(f"forecasting-{name}", tmp_path, experiment=settings))
        errors[name] = np.square(model.predict(examples.windows) - examples.targets).mean()
    assert errors["fc"] < errors["ar"] / 25


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": range(4)}, r"found 4 values in train; `model\.window` asks for at least 5"),
        ({"valid": range(6)}, "found 6 values in valid; `steps` asks for at least 7"),
        ({"train": [2.5] * 30}, "train: found 30 values with a standard deviation of 0; allowed: above 0"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(tmp_path, splits, message):
    write_store(tmp_path, {"train": range(30), "valid": range(9), "test": range(9), **splits})
    with pytest.raises(AnamnesisError, match=message):
        toy.train("forecasting-ar", tmp_path)
