"""Figures of the collective variable chapter: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mb_support.plotting import collective_variable as plots
from mb_support.plotting.style import BASELINE_COLOR, REFERENCE_COLOR, SIZE_COLORS


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_layers_of_every_size_run_from_embedding_to_last(ax):
    rows = [[0.3, 0.2, 0.4], [0.2, 0.1, 0.3], [0.1, 0.05, 0.2]]
    drawn = plots.plot_layers({"small": rows, "large": [*rows, rows[-1]]}, {"trees": 0.1}, ax)
    assert drawn is ax
    for line, n in zip(ax.lines[:2], (3, 4), strict=True):
        assert line.get_xdata()[0] == 0 and line.get_xdata()[-1] == 1
        assert len(line.get_ydata()) == n
    assert ax.lines[2].get_color() == BASELINE_COLOR


def test_errors_are_listed_from_top_to_bottom_with_models_in_colour(ax):
    plots.plot_errors({"encodings, small": (0.1, 0.08, 0.2), "PCA": (0.3, 0.2, 0.4)}, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["encodings, small", "PCA"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    colors = [container.lines[0].get_color() for container in ax.containers]
    assert colors == [SIZE_COLORS["small"], BASELINE_COLOR]


def test_calibration_is_drawn_beside_the_diagonal(ax):
    curve = {"committor": [0.2, 0.8], "mean": [0.3, 0.7], "low": [0.1, 0.6], "high": [0.4, 0.9]}
    plots.plot_calibration({"small": curve}, ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0, 1])
    assert ax.lines[0].get_color() == REFERENCE_COLOR
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), curve["mean"])


def test_memory_shows_windows_and_limits_but_not_the_learner_told_the_velocity(ax):
    table = pd.DataFrame({"window_length": [1, 2, 0], "outcome": [0.5, 0.4, 0.3]})
    table["outcome_error"] = 0.01
    limits = {"underdamped": {"position": (0.5, 0.01), "position, velocity": (0.3, 0.01)}}
    plots.plot_memory({"underdamped": table}, "outcome", limits, {1: 0.6, 2: 0.5}, ax)
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_xdata(), [1, 2])
    named = ax.get_legend_handles_labels()[1]
    assert {f"limit given {known}" for known in limits["underdamped"]} <= set(named)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]
