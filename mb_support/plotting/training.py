"""Figures of training: the curves of a run."""

import numpy as np

from .style import BASELINE_COLOR, SIZE_COLORS, SIZE_LINES, SIZE_MARKERS, axes_or_new


def _series(curve, name):
    # (frames or steps, values) of the entries of a log that hold `name`
    return np.array([(entry["step"], entry[name]) for entry in curve if name in entry]).T


def plot_loss_curve(record, term, window=10, ax=None):
    """One term of the loss along a run, smoothed, in the colour of its size.

    Parameters
    ----------
    record : dict
        Content of ``training.json``.
    term : {"trajectory_loss", "classification_loss"}
    window : int
        Logged values in a running mean.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    size = record["config"]["size"]
    steps, values = _series(record["curve"], term)
    window = min(window, len(values))
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    ax.plot(steps, values, color=SIZE_COLORS[size], alpha=0.25, linewidth=0.8)
    ax.plot(steps[window - 1 :], smooth, SIZE_LINES[size], color=SIZE_COLORS[size], label=size)
    ax.set_yscale("log")
    ax.set_xlabel("optimisation step")
    return ax


def plot_validation_curve(record, ax=None):
    """Validation accuracy along a run, with the standard error of each score.

    Parameters
    ----------
    record : dict
        Content of ``training.json``.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    size, n = record["config"]["size"], record["config"]["n_validation"]
    steps, accuracy = _series(record["curve"], "eval_accuracy")
    error = np.sqrt(accuracy * (1 - accuracy) / n)
    color = SIZE_COLORS[size]
    ax.fill_between(steps, accuracy - error, accuracy + error, color=color, alpha=0.25)
    ax.plot(steps, accuracy, SIZE_LINES[size], color=color, marker=SIZE_MARKERS[size], label=size)
    ax.set_xlabel("optimisation step")
    ax.set_ylabel("validation accuracy")
    return ax


def mark_stages(record, ax):
    """Vertical lines where the window length of the curriculum changes."""
    step = 0
    for n_frames, n_steps in record["config"]["stages"]:
        if step:
            ax.axvline(step, color=BASELINE_COLOR, linewidth=0.8, linestyle=":")
        ax.annotate(
            f"{n_frames} frames",
            (step, 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            color=BASELINE_COLOR,
            fontsize=8,
        )
        step += n_steps
    return ax
