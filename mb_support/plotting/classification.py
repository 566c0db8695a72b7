"""Figures of the classification chapter: scores, slices, and where the errors are."""

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

#: Colour and name of the parts of `slices.causes_of_decline`: no colour means anything else.
CAUSES = {
    "short": ("#999999", "missed from frame 0"),
    "view": (PALETTE["yellow"], "change at a later start"),
    "moved": (PALETTE["orange"], "particle moved on"),
}


def _style_of(name):
    # colour and marker of a size, "small, fixed set" like small; grey diamonds for the rest
    size = name.split(",")[0]
    return dict(color=SIZE_COLORS.get(size, BASELINE_COLOR), marker=SIZE_MARKERS.get(size, "D"))


def _rows(ax, names):
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="x")


def _bars(value, low, high):
    # lower and upper error bars, (2, n), never negative from rounding
    return np.maximum(np.array([value - low, high - value], float), 0.0)


def plot_scores(measured, seeds, poster, ceiling, ax=None):
    """Accuracies (value, low, high) with the ideal observer's, one row for each classifier.

    "small, fixed set" has the colour of its size and an open marker; the accuracies of its `seeds`
    are small marks beneath; the poster's figures are open diamonds.
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.09 * len(measured))
    diamond = dict(marker="d", mfc="white", mec=PALETTE["black"], ms=7, ls="", zorder=5)
    for row, (name, (value, low, high)) in enumerate(measured.items()):
        style = _style_of(name)
        color = style.pop("color")
        face = "white" if name.split(",")[0] in SIZE_COLORS and "," in name else color
        ax.plot([low, high], [row, row], color=color, lw=3, solid_capstyle="butt")
        ax.plot(value, row, mfc=face, mec="black", ms=8, mew=0.6, **style)
        if name in seeds:
            rows = np.full(len(seeds[name]), row + 0.3)
            ax.plot(seeds[name], rows, marker="|", color=color, ls="", ms=7, mew=1.4)
        if name in poster:
            ax.plot(poster[name], row - 0.24, **diamond)
    ax.plot([], [], label="the poster's figure", **diamond)
    ax.axvspan(*ceiling[1:], color=REFERENCE_COLOR, alpha=0.12, lw=0)
    ax.axvline(ceiling[0], color=REFERENCE_COLOR, lw=1.4, label="ideal observer")
    _rows(ax, [f"{name} ({len(seeds[name])})" if name in seeds else name for name in measured])
    ax.set_xlabel("accuracy on unseen trajectories")
    ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return ax


def plot_readings(limits, poster, ours, ax=None):
    """Highest accuracy possible, (value, low, high), by reading of the task, beside the poster's
    figures and `ours`, of two classifiers by name."""
    ax = axes_or_new(ax, width=1.0, aspect=0.5)
    for size, figure in poster.items():
        style = dict(color=SIZE_COLORS[size], ls=SIZE_LINES[size], lw=1.6)
        ax.axvline(figure, label=f"poster's {size}", **style)
    for row, (value, low, high) in enumerate(limits.values()):
        ax.plot([low, high], [row, row], color=REFERENCE_COLOR, lw=3, solid_capstyle="butt")
        ax.plot(value, row, marker="|", color=REFERENCE_COLOR, ms=14, mew=2, ls="")
    ax.plot([], [], color=REFERENCE_COLOR, lw=3, label="highest possible")
    for shift, (name, accuracies) in zip((0.2, 0.38), ours.items(), strict=True):
        rows = np.array([list(limits).index(reading) for reading in accuracies]) + shift
        label = f"our {name}"
        ax.plot(list(accuracies.values()), rows, ls="", ms=7, label=label, **_style_of(name))
    _rows(ax, list(limits))
    ax.set_xlabel("accuracy")
    ax.legend(loc="lower center", bbox_to_anchor=(0.3, 1.0), ncols=3)
    return ax


def plot_accuracy_by_start(tables, frames, limit, observer, copying, ax=None):
    """Accuracy for the label by the frame at which a slice begins, under its exact limit.

    `tables` has a `slices.slice_table` of one length for each size; `copying` is the accuracy of
    the state of that frame; `observer` has (value, error) of the ideal observer.
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    place = {int(frame): number for number, frame in enumerate(frames)}
    ax.plot(limit, color=REFERENCE_COLOR, lw=3, label="exact limit")
    ax.plot(copying, color=BASELINE_COLOR, lw=1.5, ls=":", label="copying the state")  # on top
    for number, (name, table) in enumerate(tables.items()):
        shift = 0.2 * (number - (len(tables) - 1) / 2)
        bars = _bars(table["label"], table["label_low"], table["label_high"])
        at = table["start"].map(place) + shift
        style = _style_of(name) | dict(ls="", ms=6, capsize=2, label=name)
        ax.errorbar(at, table["label"], bars, **style)
    if observer:
        at = [place[start] for start in observer]
        values, errors = zip(*observer.values(), strict=True)
        style = dict(color=REFERENCE_COLOR, ls="", marker="o", mfc="white", ms=6, zorder=4)
        ax.errorbar(at, values, errors, label="ideal observer", **style)
    ax.set_xticks(range(len(place)), place)
    ax.set(xlabel="first frame of the slice", ylabel="accuracy")
    ax.grid(axis="y")
    return ax


def plot_causes(causes, frames, limit, ax=None):
    """Error of a slice, split into its `slices.causes_of_decline`; 1 less the exact limit at
    `frames` is what having moved on must cost."""
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    place = np.arange(len(causes))
    above, below = np.zeros(len(causes)), np.zeros(len(causes))
    for name, (color, label) in CAUSES.items():
        part = causes[name].to_numpy(float)
        bottom = np.where(part >= 0, above, below)
        ax.bar(place, part, 0.7, bottom, color=color, label=label)
        above, below = above + np.maximum(part, 0), below + np.minimum(part, 0)
    ax.plot(place, causes["error"], color="black", marker="_", ms=14, mew=2, ls="", label="error")
    exact = 1 - np.interp(causes["start"], frames, limit)
    ax.plot(place, exact, color=REFERENCE_COLOR, marker="x", ms=7, ls="", label="least possible")
    ax.axhline(0, color="black", lw=0.8)
    ax.set_xticks(place, causes["start"])
    ax.set(xlabel="first frame of the slice", ylabel="share of trajectories")
    return ax


def plot_errors_on_map(starts, labels, is_right, separatrix, ax=None):
    """Where trajectories began, (n, 2), with those that were classified wrongly brought out."""
    ax = axes_or_new(ax, width=0.5, aspect=1.0)
    for state, name in enumerate(STATE_NAMES):
        here, color = labels == state, STATE_COLORS[state]
        right, wrong = starts[here & is_right].T, starts[here & ~is_right].T
        large = dict(marker=STATE_MARKERS[state], ms=6, mec="black", mew=0.8)
        ax.plot(*right, ls="", marker=".", ms=3, color=color, alpha=0.35)
        ax.plot(*wrong, ls="", color=color, label=f"{name}, missed", **large)
    ax.plot(*separatrix, color=REFERENCE_COLOR, lw=1.2)
    ax.set_aspect("equal")
    ax.set_xlim(starts[:, 0].min() - 0.05, starts[:, 0].max() + 0.05)
    ax.set_ylim(starts[:, 1].min() - 0.05, starts[:, 1].max() + 0.05)
    ax.set(
        xlabel="x of the first frame (reduced length)",
        ylabel="y of the first frame (reduced length)",
    )
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_accuracy_by_stay(tables, ax=None):
    """`classification.accuracy_by_group` for each size, by frames spent in the first state."""
    ax = axes_or_new(ax, width=0.5, aspect=1.0)
    edges = sorted({edge for table in tables.values() for edge in table["from"]})
    for number, (name, table) in enumerate(tables.items()):
        shift = 0.18 * (number - (len(tables) - 1) / 2)
        place = np.array([edges.index(edge) for edge in table["from"]]) + shift
        bars = _bars(table["accuracy"], table["low"], table["high"])
        ax.errorbar(place, table["accuracy"], bars, ls="", capsize=2, label=name, **_style_of(name))
    last = next(iter(tables.values()))
    ends = dict(zip(last["from"], last["to"], strict=True))
    names = [f"{e:g}" if ends.get(e, 0) == e + 1 else f"{e:g}+" for e in edges]
    ax.set_xticks(range(len(edges)), names)
    ax.set(xlabel="frames in the first state before leaving it", ylabel="accuracy")
    ax.grid(axis="y")
    ax.legend(loc="lower right")
    return ax
