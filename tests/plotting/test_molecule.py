"""Figures of the molecule draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mb_support.plotting import molecule as plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_surface_leaves_what_was_never_visited_white_and_marks_the_states():
    energy = np.full((36, 36), 3.0)
    energy[0, 5] = np.inf
    minima = np.radians([[-70, -20], [-75, 150]])
    ax = plots.plot_surface(energy, "free energy (kT)", minima, highest=7)
    drawn = ax.collections[0].get_array().reshape(36, 36)
    assert np.ma.getmaskarray(drawn)[5, 0] and np.ma.getmaskarray(drawn).sum() == 1
    assert [text for text in ax.get_legend_handles_labels()[1]] == ["α-R", "β"]
    np.testing.assert_allclose(ax.lines[1].get_xydata()[0], [-75, 150])


def test_shots_are_drawn_at_the_share_that_reached_beta():
    shots = {"committor": [0.2, 0.7], "reached": [[15, 5], [5, 15]]}
    ax = plots.plot_shots(shots)
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.2, 0.25], [0.7, 0.75]])


def test_diffusion_is_compared_with_the_one_that_passages_need():
    diffusion = {"lag_times": [0.4, 1.6], "values": [0.5, 0.52], "errors": [0.02, 0.03]}
    ax = plots.plot_diffusion(diffusion, 0.55)
    assert 0.55 in ax.lines[-1].get_ydata() or 0.55 in ax.lines[0].get_ydata()
    assert ax.get_xlabel() == "lag (ps)"
