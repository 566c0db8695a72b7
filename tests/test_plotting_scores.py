"""Figures of generation and classification draw what they are given, where they are told."""

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from mb_support.forecast_scores import ExactForecast
from mb_support.plotting import forecasts, scores
from mb_support.plotting.style import SIZE_COLORS


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "start": [0, 10],
            "label": [0.9, 0.8],
            "label_low": [0.85, 0.75],
            "label_high": [0.93, 0.85],
        }
    )


def test_scores_show_value_poster_and_ceiling(ax):
    rows = {"small": (0.95, 0.93, 0.97), "trees": (0.9, 0.88, 0.92)}
    assert scores.plot_scores(rows, {"small": 0.915}, (0.99, 0.98, 1.0), ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["small", "trees"]
    positions = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata())]
    assert {0.95, 0.9, 0.915, 0.99} <= set(positions)


def test_confusion_shows_counts(ax):
    assert scores.plot_confusion([[5, 1], [2, 7]], "small", ax) is ax
    assert [text.get_text() for text in ax.texts] == ["5", "1", "2", "7"]


def test_slices_are_drawn_below_their_limit(ax, table):
    found = scores.plot_accuracy_by_start(
        {"small": table}, [0, 10], [1, 0.85], observer={10: (0.84, 0.01)}, ax=ax
    )
    assert found is ax and ax.lines[0].get_color() == "#000000"
    assert "ideal observer" in ax.get_legend_handles_labels()[1]


def test_causes_stack_to_the_error(ax):
    causes = pd.DataFrame(
        {"start": [0, 5], "error": [0.1, 0.2], "short": 0.1, "view": [0, -0.05], "moved": [0, 0.15]}
    )
    assert scores.plot_causes(causes, [0, 5], [1, 0.9], ax) is ax
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 2)
    np.testing.assert_allclose(heights.sum(axis=0), causes["error"])


def test_errors_and_stays_are_drawn(ax):
    starts, labels = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 2
    curve = np.array([-1, 1]), np.array([0, 1])
    assert scores.plot_errors_on_map(starts, labels, labels == 0, curve, ax) is ax
    groups = pd.DataFrame({"from": [1, 5], "to": [5, 9], "accuracy": [0.5, 1.0]})
    groups = groups.assign(low=groups["accuracy"] - 0.1, high=groups["accuracy"])
    assert scores.plot_accuracy_by_stay({"small": groups}, ax) is ax


def test_continuations_begin_at_the_last_frame_of_the_prompt():
    actual = np.random.default_rng(1).normal(size=(30, 2))
    exact = ExactForecast(np.array([1, 20]), np.zeros((1, 2, 2)), np.ones((1, 2, 2)))
    fig, axes = plt.subplots(1, 2, squeeze=False)
    forecasts.plot_continuations(actual, {("small", 1): actual + 1}, 10, exact, axes)
    drawn = [line for line in axes[0, 1].lines if line.get_color() == SIZE_COLORS["small"]]
    np.testing.assert_array_equal(drawn[0].get_xdata(), np.arange(9, 30))
    np.testing.assert_allclose(drawn[0].get_ydata(), actual[9:, 1] + 1)
    plt.close(fig)


def test_growth_skill_density_and_trails_return_their_axes(ax):
    horizons, ones = np.array([1, 10]), np.ones(2)
    growth = {"small": (ones, ones / 2, ones * 2)}
    assert forecasts.plot_error_growth(horizons, growth, {"last frame": ones}, ones, ax) is ax
    assert forecasts.plot_skill([5, 9], {"small": np.ones((2, 3))}, (0.1, 0.0, 0.2), ax) is ax
    edges = np.linspace(0, 1, 3)
    histograms = {"actual": ones, "1 per step": ones}
    assert forecasts.plot_density_of_coordinate(edges, ones, histograms, 1, ax) is ax
    x, y = np.linspace(-1, 1, 4), np.linspace(0, 1, 5)
    fig, other = plt.subplots()  # the first has logarithmic axes
    density = np.ones((4, 5)) + 0.5 * x[:, None]
    assert forecasts.plot_trails(np.zeros((1, 3, 2)), x, y, density, ax=other) is other
    plt.close(fig)
