"""Figures of the training chapter: learning curves, fixed against fresh data, the data curve.

`curves` are lists of `studies.training.learning_curve`, one for each seed, by size.
"""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .style import BASELINE_COLOR, SIZE_COLORS, SIZE_LINES, SIZE_MARKERS, axes_or_new

LABELS = {
    "trajectory_loss": r"$L_\mathrm{traj}$ (both coordinates)",
    "classification_loss": "cross-entropy",
    "error": "validation error",
    "accuracy": "validation accuracy",
    "cross_entropy": "cross-entropy",
}


def _log_axis(axis):
    low, high = axis.get_view_interval()
    is_short = high < 4 * low  # no two of 1, 2, 5, 10, ... may lie between
    subs = (1, 2, 3, 5, 7) if high < 12 * low else (1, 2, 5)
    axis.set_major_locator(MaxNLocator(4) if is_short else LogLocator(subs=subs, numticks=15))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def plot_learning(curves, quantity, window=1, ax=None):
    """A loss or the validation "error" against the trajectories shown, a running mean over `window`
    values for each training, and a mark where it ends; log scales."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    place = "scored" if quantity == "error" else "shown"
    for size, seeds in curves.items():
        for number, curve in enumerate(seeds):
            values = 1 - curve["accuracy"] if quantity == "error" else curve[quantity]
            n = min(window, len(values))
            smooth = np.convolve(values, np.ones(n) / n, mode="valid")
            at = curve[place][n - 1 :] / 1000
            style = dict(color=SIZE_COLORS[size], marker=SIZE_MARKERS[size], markevery=[-1])
            style["label"] = f"{size} ({len(seeds)})" if number == 0 else None
            ax.plot(at, smooth, SIZE_LINES[size], lw=1.1, ms=6, mec="black", mew=0.5, **style)
    ax.set(xscale="log", yscale="log", ylabel=LABELS[quantity])
    ax.set_xlabel("trajectories shown (thousands)")
    _log_axis(ax.xaxis)
    _log_axis(ax.yaxis)
    ax.grid(axis="y")
    return ax


def plot_fixed(curves, n_distinct, quantity, ax=None):
    """Validation "accuracy" or "cross_entropy" against passes over a set of `n_distinct`; dotted
    beside the latter is that on the training set."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, seeds in curves.items():
        for number, curve in enumerate(seeds):
            style = dict(color=SIZE_COLORS[size], lw=1.1)
            name = f"{size} ({len(seeds)})" if number == 0 else None
            passes = curve["scored"] / n_distinct
            ax.plot(passes, curve[quantity], SIZE_LINES[size], label=name, **style)
            if quantity == "cross_entropy":
                # of many short means, ten are one
                n = min(10, len(curve["shown"]))
                smooth = np.convolve(curve["classification_loss"], np.ones(n) / n, mode="valid")
                name = f"{size}, training set" if number == 0 else None
                at = curve["shown"][n - 1 :] / n_distinct
                ax.plot(at, smooth, ":", label=name, **style)
    ax.set(xlabel="passes over the fixed set", ylabel=LABELS[quantity])
    if quantity == "cross_entropy":
        ax.set_yscale("log")
        _log_axis(ax.yaxis)
    ax.grid(axis="y")
    return ax


def plot_data_curve(table, ax=None):
    """Validation error of the small model by the number of distinct trajectories, from
    `studies.training.data_curve`; the open mark is the recipe, all fresh."""
    ax = axes_or_new(ax, width=0.8, aspect=0.6)
    color, marker = SIZE_COLORS["small"], SIZE_MARKERS["small"]
    style = dict(color=color, marker=marker, ms=7, capsize=3)
    rows, fresh = table[~table["is_fresh"]], table[table["is_fresh"]]
    ax.errorbar(rows["n_distinct"], 1 - rows["accuracy"], rows["error"], ls="-", **style)
    ax.errorbar(fresh["n_distinct"], 1 - fresh["accuracy"], fresh["error"], mfc="white", **style)
    for row in fresh.itertuples():
        ax.axhline(1 - row.accuracy, color=BASELINE_COLOR, ls="--", lw=1)
        note = f"every trajectory fresh ({row.n_seeds} trainings)"
        place = dict(xycoords=("axes fraction", "data"), textcoords="offset points")
        ax.annotate(note, (0.02, 1 - row.accuracy), xytext=(0, 5), **place)
    ax.set(xscale="log", yscale="log", xlim=(50, 300_000))  # also where no point has been made yet
    ax.set_xlabel("distinct training trajectories")
    ax.set_ylabel(LABELS["error"])
    ax.xaxis.set_major_formatter("{x:,.0f}")
    _log_axis(ax.yaxis)
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5), numticks=15))
    return ax
