"""Figures of the training chapter: learning curves by size, and a run made with the book."""

import numpy as np

from .style import BASELINE_COLOR, SIZE_COLORS, SIZE_LINES, SIZE_MARKERS, axes_or_new

LOSS_LABELS = {
    "trajectory_loss": r"$L_\mathrm{traj}$ (both coordinates)",
    "classification_loss": "cross-entropy of the state",
}


def plot_loss(curves, term, window=8, ax=None):
    """One term of the loss against the frames seen, as logged and as a running mean, by size.

    Parameters
    ----------
    curves : dict of str to dict
        Size to `recipes.learning_curve`.
    term : {"trajectory_loss", "classification_loss"}
    window : int
        Logged values in the running mean.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, curve in curves.items():
        color = SIZE_COLORS[size]
        ax.plot(curve["frames"], curve[term], color=color, alpha=0.3, lw=0.7)
        run = np.searchsorted(curve["run_ends"], curve["frames"])
        for number in np.unique(run):  # each is another task, with a mean of its own
            frames, values = curve["frames"][run == number], curve[term][run == number]
            n = min(window, len(values))
            smooth = np.convolve(values, np.ones(n) / n, mode="valid")
            ax.plot(
                frames[n - 1 :],
                smooth,
                SIZE_LINES[size],
                color=color,
                label=size if number == run[0] else None,
                marker="o" if len(smooth) == 1 else None,  # a line through one point is invisible
                ms=4,
            )
        mark_runs(curve, size, ax)
    ax.set_xlabel("frames seen")
    ax.set_ylabel(LOSS_LABELS[term])
    ax.set_yscale("log")
    return ax


def mark_runs(curve, size, ax):
    """Mark where one run ends and the next begins (dotted), and where guidance ends (dashed)."""
    for end in curve["run_ends"][:-1]:
        ax.axvline(end, color=SIZE_COLORS[size], ls=":", lw=1)
    for end in curve["guidance_ends"]:
        ax.axvline(end, color=SIZE_COLORS[size], ls=(0, (4, 3)), lw=0.8)


def plot_accuracy(curves, chance, ax=None):
    """Validation accuracy against the frames seen, with standard errors as bands.

    Parameters
    ----------
    curves : dict of str to dict
        Size to `recipes.learning_curve`.
    chance : float
        Accuracy of guessing the more frequent state.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, curve in curves.items():
        x, y, error = curve["scored_frames"], curve["accuracy"], curve["accuracy_error"]
        color = SIZE_COLORS[size]
        ax.fill_between(x, y - error, y + error, color=color, alpha=0.25, lw=0)
        ax.plot(x, y, SIZE_LINES[size], color=color, marker=SIZE_MARKERS[size], ms=3.5, label=size)
    ax.axhline(chance, color=BASELINE_COLOR, lw=1, label="more frequent state")
    ax.set_xlabel("frames seen")
    ax.set_ylabel("validation accuracy")
    ax.legend(loc="lower right")
    return ax
