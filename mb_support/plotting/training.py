"""Figures of the training chapter: learning curves, fixed against fresh data, the data curve."""

import numpy as np

from .style import BASELINE_COLOR, SIZE_COLORS, SIZE_LINES, SIZE_MARKERS, axes_or_new

LOSS_LABELS = {
    "trajectory_loss": r"$L_\mathrm{traj}$ (both coordinates)",
    "classification_loss": "cross-entropy of the state",
}


def plot_loss(curves, term, window=4, ax=None):
    """One term of the training loss against the trajectories shown, one line a training.

    Parameters
    ----------
    curves : dict of str to list of dict
        Size to `training_study.learning_curve` of each seed.
    term : {"trajectory_loss", "classification_loss"}
    window : int
        Logged values in the running mean.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, seeds in curves.items():
        for number, curve in enumerate(seeds):
            n = min(window, len(curve["shown"]))
            smooth = np.convolve(curve[term], np.ones(n) / n, mode="valid")
            ax.plot(
                curve["shown"][n - 1 :],
                smooth,
                SIZE_LINES[size],
                color=SIZE_COLORS[size],
                lw=1,
                label=size if number == 0 else None,
            )
    _thousands(ax)
    ax.set_ylabel(LOSS_LABELS[term])
    ax.set_yscale("log")
    return ax


def plot_accuracy(curves, chance, ax=None):
    """Validation accuracy against the trajectories shown, one line a training.

    Parameters
    ----------
    curves : dict of str to list of dict
        Size to `training_study.learning_curve` of each seed.
    chance : float
        Accuracy of guessing the more frequent state.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, seeds in curves.items():
        for number, curve in enumerate(seeds):
            ax.plot(
                curve["scored"],
                1 - curve["accuracy"],
                SIZE_LINES[size],
                color=SIZE_COLORS[size],
                marker=SIZE_MARKERS[size],
                ms=3,
                lw=1,
                label=size if number == 0 else None,
            )
    ax.axhline(1 - chance, color=BASELINE_COLOR, lw=1, label="more frequent state")
    ax.set_yscale("log")
    _thousands(ax)
    ax.set_ylabel("validation error")
    ax.legend(loc="lower left")
    return ax


def plot_fixed(curves, n_distinct, quantity, ax=None):
    """A score against passes over a fixed training set, one line a training.

    Parameters
    ----------
    curves : dict of str to list of dict
        Size to `training_study.learning_curve` of each seed.
    n_distinct : int
        Trajectories of the fixed set.
    quantity : {"accuracy", "cross_entropy"}
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, seeds in curves.items():
        for number, curve in enumerate(seeds):
            ax.plot(
                curve["scored"] / n_distinct,
                curve[quantity],
                SIZE_LINES[size],
                color=SIZE_COLORS[size],
                lw=1,
                label=f"{size}, validation" if number == 0 else None,
            )
            if quantity == "cross_entropy":
                ax.plot(
                    curve["shown"] / n_distinct,
                    curve["classification_loss"],
                    ":",
                    color=SIZE_COLORS[size],
                    lw=1,
                    label=f"{size}, training" if number == 0 else None,
                )
    ax.set_xlabel("passes over the fixed set")
    if quantity == "cross_entropy":
        ax.set_yscale("log")
    ax.set_ylabel({"accuracy": "validation accuracy", "cross_entropy": "cross-entropy"}[quantity])
    return ax


def plot_data_curve(table, ceiling=None, ax=None):
    """Validation error of the small model against the number of distinct trajectories.

    Parameters
    ----------
    table : DataFrame
        From `training_study.data_curve`.
    ceiling : float, optional
        Accuracy of the ideal observer.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.7)
    finite = table[np.isfinite(table["n_distinct"])]
    style = dict(color=SIZE_COLORS["small"], marker=SIZE_MARKERS["small"], ms=4, capsize=2)
    ax.errorbar(finite["n_distinct"], 1 - finite["accuracy"], finite["error"], **style)
    for row in table[~np.isfinite(table["n_distinct"])].itertuples():
        ax.axhline(1 - row.accuracy, color=SIZE_COLORS["small"], ls="--", lw=1)
        ax.annotate(
            "all fresh", (0.02, 1 - row.accuracy), xycoords=("axes fraction", "data"), va="bottom"
        )
    if ceiling is not None:
        ax.axhline(1 - ceiling, color="black", lw=1)
        ax.annotate(
            "ideal observer", (0.02, 1 - ceiling), xycoords=("axes fraction", "data"), va="bottom"
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("distinct training trajectories")
    ax.set_ylabel("validation error")
    return ax


def _thousands(ax):
    ax.set_xlabel("trajectories shown (thousands)")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
