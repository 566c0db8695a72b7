"""The still picture of the explorable page."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mb_support.plotting.explorable import plot_reading

VIEW = ((-1.6, -0.4), (1.3, 2.1))


def test_bars_share_the_unit_between_the_two_states():
    trajectory = np.array([[-0.5, 1.4], [-0.4, 1.3], [-0.6, 1.5]])
    figure = plot_reading(trajectory, np.full((4, 3), 1 / 3), 0.25, 0.1, 0.02, VIEW)
    widths = [patch.get_width() for patch in figure.axes[1].patches]
    plt.close(figure)
    assert widths == pytest.approx([0.75, 0.25, 0.9, 0.1])


def test_attention_that_does_not_fit_the_trajectory_is_refused():
    with pytest.raises(ValueError, match="attention must have shape"):
        plot_reading(np.zeros((3, 2)), np.zeros((4, 5)), 0.5, 0.5, 0.02, VIEW)
