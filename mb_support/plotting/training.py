"""Figures of the training chapter: learning curves, fixed against fresh data, the data curve.

`curves` are lists of `training_study.learning_curve`, one for each seed, by size.
"""

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from .style import BASELINE_COLOR, SIZE_COLORS, SIZE_LINES, SIZE_MARKERS, axes_or_new

LOSS_LABELS = {
    "trajectory_loss": r"$L_\mathrm{traj}$ (both coordinates)",
    "classification_loss": "cross-entropy of the state",
}


def _lines(curves):
    # (curve, line format, style) of every training; the legend counts them
    for size, seeds in curves.items():
        for number, curve in enumerate(seeds):
            label = f"{size} ({len(seeds)})" if number == 0 else None
            yield curve, SIZE_LINES[size], dict(color=SIZE_COLORS[size], lw=1, label=label)


def _log_scale(ax):
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def plot_loss(curves, term, window=4, ax=None):
    """One term of the training loss against the trajectories shown, one line a training.

    `term` is a key of `LOSS_LABELS`; drawn is a running mean over `window` logged values.
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for curve, line, style in _lines(curves):
        n = min(window, len(curve["shown"]))
        smooth = np.convolve(curve[term], np.ones(n) / n, mode="valid")
        ax.plot(curve["shown"][n - 1 :], smooth, line, **style)
    _thousands(ax)
    ax.set_ylabel(LOSS_LABELS[term])
    _log_scale(ax)
    return ax


def plot_accuracy(curves, chance, ax=None):
    """Validation error against the trajectories shown, one line a training, below chance."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, seeds in curves.items():
        for curve, line, style in _lines({size: seeds}):
            error = 1 - curve["accuracy"]
            ax.plot(curve["scored"], error, line, marker=SIZE_MARKERS[size], ms=3, **style)
    ax.axhline(1 - chance, color=BASELINE_COLOR, lw=1, label="more frequent state")
    _log_scale(ax)
    _thousands(ax)
    ax.set_ylabel("validation error")
    return ax


def plot_fixed(curves, n_distinct, quantity, ax=None):
    """Validation "accuracy" or "cross_entropy" against passes over a set of `n_distinct`.

    One line a training; dotted beside the cross-entropy is that on the training set.
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for curve, line, style in _lines(curves):
        ax.plot(curve["scored"] / n_distinct, curve[quantity], line, **style)
        if quantity == "cross_entropy":
            style["label"] = style["label"] and "on the training set"
            ax.plot(curve["shown"] / n_distinct, curve["classification_loss"], ":", **style)
    ax.set_xlabel("passes over the fixed set")
    if quantity == "cross_entropy":
        ax.set_yscale("log")
    ax.set_ylabel({"accuracy": "validation accuracy", "cross_entropy": "cross-entropy"}[quantity])
    return ax


def plot_data_curve(table, ax=None):
    """Validation error of the small model against the number of distinct trajectories.

    `table` is that of `training_study.data_curve`; dashed is the recipe, with fresh ones only.
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.7)
    finite = table[np.isfinite(table["n_distinct"])]
    style = dict(color=SIZE_COLORS["small"], marker=SIZE_MARKERS["small"], ms=4, capsize=2)
    ax.errorbar(finite["n_distinct"], 1 - finite["accuracy"], finite["error"], **style)
    for row in table[~np.isfinite(table["n_distinct"])].itertuples():
        error = 1 - row.accuracy
        ax.axhline(error, color=SIZE_COLORS["small"], ls="--", lw=1)
        place = dict(xycoords=("axes fraction", "data"), va="bottom")
        ax.annotate(f"all fresh ({row.n_seeds} trainings)", (0.02, error), **place)
    ax.set_xscale("log")
    ax.set_xlim(50, 200_000)  # also where no point has been made yet
    ax.set_yscale("log")
    ax.set_xlabel("distinct training trajectories")
    ax.set_ylabel("validation error")
    return ax


def _thousands(ax):
    ax.set_xlabel("trajectories shown (thousands)")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
