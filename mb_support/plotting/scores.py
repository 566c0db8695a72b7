"""Figures of the classification chapter: scores, confusion, slices, and where the errors are."""

import numpy as np

from .style import (
    BASELINE_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    STATE_COLORS,
    STATE_MARKERS,
    STATE_NAMES,
    axes_or_new,
)

#: Colours of the parts of `slices.causes_of_decline`: none of them means anything else.
CAUSE_COLORS = {"short": "#BDBDBD", "view": PALETTE["yellow"], "moved": PALETTE["orange"]}
CAUSE_LABELS = {
    "short": "slice too short",
    "view": "relaxation out of view",
    "moved": "particle moved on",
}


def _size_of(name):
    # "small, fixed set" is drawn as small
    return name.split(",")[0]


def plot_scores(measured, seeds=None, poster=None, ceiling=None, ax=None):
    """Accuracies with their intervals, one row for each classifier.

    Parameters
    ----------
    measured : dict of str to (value, low, high)
        Drawn from top to bottom; model sizes in their own colours, everything else in grey. A name
        such as "small, fixed set" has the colour of its size and an open marker.
    seeds : dict of str to (n,) array_like of float, optional
        Accuracy of each training, as small marks beneath its row.
    poster : dict of str to float, optional
        The poster's figure of each size, as an open diamond.
    ceiling : (value, low, high), optional
        What an ideal observer reaches, as a black line with its band.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.9, aspect=0.5)
    for row, (name, (value, low, high)) in enumerate(measured.items()):
        size = _size_of(name)
        color, marker = SIZE_COLORS.get(size, BASELINE_COLOR), SIZE_MARKERS.get(size, "D")
        face = "white" if size in SIZE_COLORS and size != name else color
        ax.plot([low, high], [row, row], color=color, lw=2.5, solid_capstyle="butt")
        ax.plot(value, row, marker=marker, mfc=face, mec="black", ms=7, mew=0.6)
        if seeds and name in seeds:
            rows = np.full(len(seeds[name]), row + 0.28)
            ax.plot(seeds[name], rows, marker="|", color=color, ls="", ms=6, mew=1.2)
        if poster and name in poster:
            ax.plot(poster[name], row - 0.28, marker="d", mfc="none", mec=PALETTE["black"], ls="")
    if poster:
        ax.plot([], [], marker="d", mfc="none", mec=PALETTE["black"], ls="", label="poster")
    if ceiling is not None:
        ax.axvspan(*ceiling[1:], color=REFERENCE_COLOR, alpha=0.12, lw=0)
        ax.axvline(ceiling[0], color=REFERENCE_COLOR, lw=1.2, label="ideal observer")
    ax.set_yticks(range(len(measured)), list(measured))
    ax.set_ylim(len(measured) - 0.4, -0.6)
    ax.set_xlabel("accuracy on unseen trajectories")
    ax.grid(axis="x")
    if poster or ceiling is not None:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_readings(limits, poster, ours, ax=None):
    """What is possible under several readings of the task, beside the poster's figures.

    Parameters
    ----------
    limits : dict of str to (value, low, high)
        Highest possible accuracy by reading, in black, from top to bottom.
    poster : dict of str to float
        The poster's figure of each size, as a vertical line.
    ours : dict of str to dict of str to float
        By name of a classifier, its accuracy under some of the readings.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.42)
    for size, figure in poster.items():
        style = dict(color=SIZE_COLORS.get(size), ls=SIZE_LINES.get(size, "-"), lw=1.2)
        ax.axvline(figure, label=f"poster's {size}", **style)
    for row, (value, low, high) in enumerate(limits.values()):
        ax.plot([low, high], [row, row], color=REFERENCE_COLOR, lw=3, solid_capstyle="butt")
        ax.plot(value, row, marker="|", color=REFERENCE_COLOR, ms=14, mew=2, ls="")
    ax.plot([], [], color=REFERENCE_COLOR, lw=3, label="highest possible")
    for name, accuracies in ours.items():
        size = _size_of(name)
        rows = [list(limits).index(reading) for reading in accuracies]
        ax.plot(
            list(accuracies.values()),
            np.array(rows) + 0.25,
            marker=SIZE_MARKERS.get(size, "D"),
            color=SIZE_COLORS.get(size, BASELINE_COLOR),
            ls="",
            label=name,
        )
    ax.set_yticks(range(len(limits)), list(limits))
    ax.set_ylim(len(limits) - 0.5, -0.5)
    ax.set_xlabel("accuracy")
    ax.grid(axis="x")
    ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)
    return ax


def plot_confusion(matrix, title="", ax=None):
    """A confusion matrix as counts.

    Parameters
    ----------
    matrix : (2, 2) array_like of int
        Row = true state, column = predicted state.
    title : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    matrix = np.asarray(matrix)
    ax = axes_or_new(ax, width=0.35, aspect=1.0)
    ax.imshow(matrix / matrix.sum(axis=1, keepdims=True), cmap="Greys", vmin=0, vmax=1.3)
    for i in range(2):
        for j in range(2):
            color = "white" if matrix[i, j] > 0.8 * matrix[i].sum() else "black"
            ax.text(j, i, f"{matrix[i, j]}", ha="center", va="center", color=color, fontsize=12)
    ax.set_xticks([0, 1], STATE_NAMES)
    ax.set_yticks([0, 1], STATE_NAMES)
    ax.set_xlabel("predicted state")
    ax.set_ylabel("true state")
    ax.spines[["top", "right"]].set_visible(True)
    ax.set_title(title)
    return ax


def plot_accuracy_by_start(
    tables, frames, limit, column="label", observer=None, copying=None, ax=None
):
    """Accuracy against the frame at which a slice begins, under its exact limit.

    Parameters
    ----------
    tables : dict of str to DataFrame
        For each model size, or other name, rows of `slices.slice_table` of one length.
    frames : (n,) ndarray
        Frames of the limit.
    limit : (n,) ndarray or None
        Exact limit; None where there is none but 1.
    column : {"label", "own"}
        Accuracy for the trajectory's label, or for the state of the slice's first frame.
    observer : dict of int to (value, error), optional
        Accuracy of the ideal observer by first frame, as black circles.
    copying : (n,) ndarray, optional
        Accuracy of taking the state of the slice's first frame for the label, as a grey line.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    if limit is not None:
        ax.plot(frames, limit, color=REFERENCE_COLOR, lw=1.4, label="exact limit")
    if copying is not None:
        ax.plot(frames, copying, color=BASELINE_COLOR, lw=2.4, alpha=0.5, ls=":", label="copying")
    for name, table in tables.items():
        color = SIZE_COLORS.get(name, BASELINE_COLOR)
        error = [table[column] - table[f"{column}_low"], table[f"{column}_high"] - table[column]]
        ax.errorbar(
            table["start"],
            table[column],
            _bars(error),
            color=color,
            ls=SIZE_LINES.get(name, ":"),
            marker=SIZE_MARKERS.get(name, "D"),
            capsize=2,
            label=name,
        )
    if observer:
        values, errors = zip(*observer.values(), strict=True)
        style = dict(color=REFERENCE_COLOR, ls="", marker="o", mfc="white", ms=4, zorder=4)
        ax.errorbar(list(observer), values, errors, label="ideal observer", **style)
    ax.set_xlabel("first frame of the slice")
    ax.set_ylabel("accuracy")
    ax.grid(axis="y")
    return ax


def _bars(pair):
    """Lower and upper error bars, (2, n), never negative from rounding."""
    return np.maximum(np.array([np.asarray(side, float) for side in pair]), 0.0)


def plot_causes(causes, frames, limit, ax=None):
    """Error of a slice, split into its causes.

    Parameters
    ----------
    causes : DataFrame
        From `slices.causes_of_decline`.
    frames : (n,) ndarray
        Frames of the limit.
    limit : (n,) ndarray
        Exact limit of the accuracy: 1 less this is what having moved on must cost.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    place = np.arange(len(causes))
    above, below = np.zeros(len(causes)), np.zeros(len(causes))
    for name, color in CAUSE_COLORS.items():
        part = causes[name].to_numpy(float)
        bottom = np.where(part >= 0, above, below)
        ax.bar(place, part, 0.7, bottom, color=color, label=CAUSE_LABELS[name])
        above, below = above + np.maximum(part, 0), below + np.minimum(part, 0)
    ax.plot(place, causes["error"], color="black", marker="_", ms=16, mew=2, ls="", label="error")
    exact = 1 - np.interp(causes["start"], frames, limit)
    ax.plot(place, exact, color=REFERENCE_COLOR, marker="x", ls=":", label="least possible error")
    ax.axhline(0, color="black", lw=0.8)
    ax.set_xticks(place, causes["start"])
    ax.set_xlabel("first frame of the slice")
    ax.set_ylabel("share of trajectories")
    return ax


def plot_errors_on_map(starts, labels, is_right, separatrix, ax=None):
    """Where trajectories began, with those that were classified wrongly brought out.

    Parameters
    ----------
    starts : (n, 2) ndarray
        First frames.
    labels : (n,) ndarray of int
    is_right : (n,) ndarray of bool
    separatrix : (x, y)
        Points of the curve between the states.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=1.0)
    for state, name in enumerate(STATE_NAMES):
        here = (labels == state) & is_right
        ax.plot(*starts[here].T, ls="", marker=".", ms=3, color=STATE_COLORS[state], alpha=0.35)
        wrong = (labels == state) & ~is_right
        ax.plot(
            *starts[wrong].T,
            ls="",
            marker=STATE_MARKERS[state],
            ms=6,
            color=STATE_COLORS[state],
            mec="black",
            mew=0.8,
            label=f"{name}, missed",
        )
    ax.plot(*separatrix, color=REFERENCE_COLOR, lw=1.2)
    ax.set_aspect("equal")
    ax.set_xlim(starts[:, 0].min() - 0.05, starts[:, 0].max() + 0.05)
    ax.set_ylim(starts[:, 1].min() - 0.05, starts[:, 1].max() + 0.05)
    ax.set_xlabel("x of the first frame (length)")
    ax.set_ylabel("y of the first frame (length)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_accuracy_by_stay(tables, ax=None):
    """Accuracy against the number of frames spent in the first state before leaving it.

    Parameters
    ----------
    tables : dict of str to DataFrame
        For each model size, from `classification.accuracy_by_group`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=1.0)
    edges = sorted({edge for table in tables.values() for edge in table["from"]})
    for shift, (name, table) in zip(_shifts(len(tables)), tables.items(), strict=True):
        place = np.array([edges.index(edge) for edge in table["from"]]) + shift
        error = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
        ax.errorbar(
            place,
            table["accuracy"],
            _bars(error),
            color=SIZE_COLORS.get(name, BASELINE_COLOR),
            marker=SIZE_MARKERS.get(name, "D"),
            ls="",
            capsize=2,
            label=name,
        )
    last = next(iter(tables.values()))
    names = dict(zip(last["from"], last["to"], strict=True))
    ax.set_xticks(
        range(len(edges)),
        [f"{edge:g}" if names.get(edge, 0) == edge + 1 else f"{edge:g}+" for edge in edges],
    )
    ax.set_xlabel("frames in the first state before leaving it")
    ax.set_ylabel("accuracy")
    ax.grid(axis="y")
    ax.legend(loc="lower right")
    return ax


def _shifts(n):
    return (np.arange(n) - (n - 1) / 2) * 0.18
