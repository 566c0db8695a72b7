"""Figures of the page on systems of one's own."""

import numpy as np
import seaborn
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm

from .pictures import leave_blank
from .potential import plot_committor
from .style import (
    ENERGY_CMAP,
    MODEL_COLOR,
    REFERENCE_COLOR,
    STATE_COLORS,
    WEIGHT_CMAP,
    bar_of_weights,
    figure_size,
)

#: Of the weights that are told apart, in units of the uniform one.
LIMIT = 8


def plot_potential(solver, committor, disks, highest=12.0):
    """Energy over the minimum, in kT, beside the committor between two disks."""
    fig, (left, right) = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42), layout="constrained")
    energy = solver.beta * np.transpose(solver.potential(solver.positions))
    energy = np.ma.masked_greater(energy - energy.min(), highest)
    filled = left.contourf(
        solver.x, solver.y, energy, np.linspace(0, highest, 13), cmap=ENERGY_CMAP
    )
    for (centre, radius), color in zip(disks, STATE_COLORS, strict=True):
        left.add_patch(plt.Circle(centre, radius, fc=color, ec="white", lw=1.0))
    leave_blank(left).set(aspect="equal")
    left.grid(False)
    fig.colorbar(filled, ax=left, label="energy (kT)", shrink=0.75)
    reached = ~np.ma.getmaskarray(energy).T
    plot_committor(solver.x, solver.y, committor, disks, (0.5,), seen=reached, ax=right)
    for ax in (left, right):
        ax.set(xlim=solver.potential.box[:, 0], ylim=solver.potential.box[:, 1])
        ax.set(xlabel="x", ylabel="y")
    return left, right


def plot_model(trajectory, continued, n_prompt, weights):
    """First coordinate of a trajectory and of its continuation, beside a map of attention."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=figure_size(1.0, 0.4), layout="constrained", width_ratios=(1.4, 1)
    )
    frames = np.arange(len(trajectory))
    left.plot(frames, trajectory[:, 0], color=REFERENCE_COLOR, label="simulated")
    later = np.arange(n_prompt - 1, len(continued))
    left.plot(later, continued[n_prompt - 1 :, 0], color=MODEL_COLOR, label="continued")
    left.set(xlabel="frame", ylabel="x")
    left.legend()
    seaborn.heatmap(
        weights * len(weights), ax=right, cmap=WEIGHT_CMAP, norm=LogNorm(1 / LIMIT, LIMIT),
        square=True, xticklabels=20, yticklabels=20, cbar=False, rasterized=True,
    )  # fmt: skip
    bar_of_weights(right.collections[0], right, LIMIT, shrink=0.85)
    right.set(xlabel="attended frame", ylabel="attending frame")
    right.tick_params(axis="y", rotation=0)
    return left, right
