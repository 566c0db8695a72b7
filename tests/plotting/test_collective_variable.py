"""Figures of the collective variable chapter: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mb_support.plotting import collective_variable as plots
from mb_support.plotting.style import BASELINE_COLOR, REFERENCE_COLOR, SIZE_COLORS
from mb_support.studies.collective_variable.scores import Estimate
from mb_support.studies.collective_variable.tables import Method


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_layers_of_every_size_run_from_embedding_to_last(ax):
    rows = [[0.3, 0.2, 0.4], [0.2, 0.1, 0.3], [0.1, 0.05, 0.2]]
    values = {"small": rows, "large": [*rows, rows[-1]]}
    plots.plot_layers(values, {"trees": 0.1}, 0.02, ax)
    for line, n in zip(ax.lines[:2], (3, 4), strict=True):
        assert line.get_xdata()[0] == 0 and line.get_xdata()[-1] == 1
        assert len(line.get_ydata()) == n
    assert [line.get_color() for line in ax.lines[2:]] == [BASELINE_COLOR, REFERENCE_COLOR]
    np.testing.assert_array_equal(ax.lines[3].get_ydata(), [0.02, 0.02])


def test_every_training_has_its_marker_and_the_best_its_line(ax):
    errors = {
        "small": Estimate(0.15, 0.1, 0.2, (0.14, 0.16)),
        "small, untrained": Estimate(0.3, 0.2, 0.4, (0.3,)),
        "PCA": Estimate(0.3, 0.2, 0.4, (0.3,)),
    }
    methods = {
        "small": Method([], "small", True),
        "small, untrained": Method([], "small"),
        "PCA": Method([]),
    }
    best = {"best": Estimate(0.01, 0.005, 0.02, (0.01,))}
    plots.plot_errors(best | errors, methods, "best", 0.25, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(errors)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    bar, markers = ax.lines[:2]
    np.testing.assert_array_equal(bar.get_xdata(), [0.1, 0.2])
    np.testing.assert_array_equal(markers.get_xdata(), [0.14, 0.16])
    colors = [line.get_color() for line in ax.lines[1:6:2]]
    assert colors == [SIZE_COLORS["small"], SIZE_COLORS["small"], BASELINE_COLOR]
    faces = [line.get_markerfacecolor() for line in ax.lines[1:6:2]]
    assert faces == [SIZE_COLORS["small"], "white", BASELINE_COLOR]
    assert ax.lines[6].get_color() == REFERENCE_COLOR
    np.testing.assert_array_equal(ax.lines[6].get_xdata(), [0.01, 0.01])
    np.testing.assert_array_equal(ax.lines[7].get_xdata(), [0.25, 0.25])


def test_calibration_is_drawn_beside_the_diagonal(ax):
    curve = {"committor": [0.2, 0.8], "mean": [0.3, 0.7], "low": [0.1, 0.6], "high": [0.4, 0.9]}
    plots.plot_calibration({"small": curve, "best possible": curve, "trees": curve}, ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0, 1])
    assert ax.lines[0].get_color() == REFERENCE_COLOR
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), curve["mean"])
    expected = [SIZE_COLORS["small"], REFERENCE_COLOR, BASELINE_COLOR]
    assert [line.get_color() for line in ax.lines[1:]] == expected


def test_memory_shows_windows_and_limits_but_not_the_learner_told_the_velocity(ax):
    table = pd.DataFrame({"window_length": [1, 2, 0], "outcome": [0.5, 0.4, 0.3]})
    table["outcome_error"] = 0.01
    known = {"position": {"outcome": (0.5, 0.01)}, "position, velocity": {"outcome": (0.3, 0.01)}}
    limits = {"underdamped": known}
    plots.plot_memory({"underdamped": table}, limits, "outcome", ax, {1: 0.6, 2: 0.5})
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_xdata(), [1, 2])
    named = ax.get_legend_handles_labels()[1]
    assert {f"limit given {known}" for known in limits["underdamped"]} <= set(named)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]


def test_isolines_of_both_fields_lie_where_they_are(ax):
    x = np.linspace(0, 1, 11)
    exact = np.tile(x, (5, 1))
    plots.plot_isolines(exact + 0.05, exact, ((0, 1), (0, 2)), ax)
    _, black, coloured = ax.collections
    first = [lines.get_paths()[0].vertices[0, 0] for lines in (black, coloured)]
    np.testing.assert_allclose(first, [0.1, 0.05], atol=1e-9)


def test_every_network_has_its_marker_at_its_temperature(ax):
    errors = {"networks": {10: [1e-3, 2e-3], 15: [3e-3, 4e-3]}}
    plots.plot_errors_by_temperature(errors, {"published": {10: 5e-3}}, ax)
    assert [list(line.get_ydata()) for line in ax.lines] == [[1e-3, 2e-3], [3e-3, 4e-3], [5e-3]]
    assert ax.get_legend_handles_labels()[1] == ["networks", "published"]
    assert ax.lines[2].get_color() == BASELINE_COLOR
