"""Figures of classification draw what they are given, where they are told."""

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from mb_support.plotting import classification as scores
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
    rows = {"small": (0.95, 0.93, 0.97), "small, fixed": (0.9, 0.8, 0.92), "trees": (0.88,) * 3}
    seeds = {"small": [0.945, 0.955]}
    found = scores.plot_scores(rows, seeds, {"small": 0.915}, (0.99, 0.98, 1.0), ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert found is ax and names == ["small (2)", "small, fixed", "trees"]
    positions = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata())]
    assert {0.95, 0.9, 0.88, 0.915, 0.945, 0.99} <= set(positions)
    faces = {line.get_xdata()[0]: line.get_mfc() for line in ax.lines if line.get_marker() == "o"}
    assert faces == {0.95: SIZE_COLORS["small"], 0.9: "white"}


def test_readings_show_limits_figures_and_what_is_reached(ax):
    limits = {"cold": (0.99, 0.98, 1.0), "hot": (0.9, 0.9, 0.9)}
    ours = {"small": {"hot": 0.85}, "trees": {"cold": 0.95, "hot": 0.8}}
    assert scores.plot_readings(limits, {"small": 0.915}, ours, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == list(limits)
    drawn = {x for line in ax.lines for x in np.atleast_1d(line.get_xdata())}
    assert {0.99, 0.9, 0.915, 0.85, 0.95, 0.8} <= drawn


def test_slices_are_drawn_below_their_limit(ax, table):
    found = scores.plot_accuracy_by_start(
        {"small": table},
        [0, 10],
        [1, 0.85],
        {10: (0.84, 0.01)},
        [1, 0.84],
        ax,
    )
    assert found is ax and ax.lines[0].get_color() == "#000000"
    assert {"ideal observer", "small"} <= set(ax.get_legend_handles_labels()[1])


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
