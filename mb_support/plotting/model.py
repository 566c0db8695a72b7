"""Figures of the chapter on model and loss."""

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .style import (
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    STATE_COLORS,
    STATE_MARKERS,
    STATE_NAMES,
    axes_or_new,
)

PART_COLORS = {
    "inputs_to_hidden_dim": PALETTE["black"],
    "embeddings": "#999999",
    "encoder": PALETTE["orange"],
    "feature_predictor": PALETTE["brown"],
    "state_classifier": PALETTE["yellow"],
}


def _box(ax, x, y, width, text, color="white"):
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - 0.32), width, 0.64, boxstyle="round,pad=0.02",
            fc=color, ec=PALETTE["black"] if color == "white" else "#444444", lw=0.8,
        )
    )  # fmt: skip
    # a label of its own colour stays dark on a dark page, where the box stays light
    label = None if color == "white" else dict(fc=color, ec="none", pad=1)
    ax.text(x, y, text, ha="center", va="center", fontsize=9.5, bbox=label)


def _arrow(ax, start, end):
    look = dict(arrowstyle="->", mutation_scale=10, lw=0.9, color=PALETTE["black"])
    ax.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **look))


def plot_architecture(ax=None):
    """The path of a trajectory through the model, from frames to both answers."""
    ax = axes_or_new(ax, width=0.95, aspect=0.62)
    _box(ax, 5, 0, 6.2, "raw frames  $x_1, \\dots, x_N$  (x, y)")
    _box(ax, 5, 1.1, 6.2, "standardise: mean 0, deviation 1 over frames")
    _box(ax, 5, 2.2, 6.2, "linear, 2 → h  +  position embedding, LayerNorm")
    for k in (2, 1, 0):
        _box(ax, 5 + 0.09 * k, 3.5 + 0.09 * k, 6.2, "", "#FFF3D6")
    _box(ax, 5, 3.5, 6.2, "encoder layers: attention, then MLP; + and LayerNorm", "#FFF3D6")
    _box(ax, 2.4, 5.0, 4.4, "f, on every frame:\nlinear, GELU, LayerNorm, linear", "#DCEBF7")
    _box(
        ax, 7.6, 5.0, 4.4, "g, on the mean over frames:\nlinear, GELU, LayerNorm, linear", "#FBF7CF"
    )
    _box(ax, 2.4, 6.1, 4.4, "next frames (raw coordinates)")
    _box(ax, 7.6, 6.1, 4.4, "log-odds of the state")
    for y in (0.34, 1.44):
        _arrow(ax, (5, y), (5, y + 0.42))
    _arrow(ax, (5, 2.54), (5, 3.16))
    _arrow(ax, (4.2, 4.03), (2.6, 4.66))
    _arrow(ax, (5.8, 4.03), (7.4, 4.66))
    for x in (2.4, 7.6):
        _arrow(ax, (x, 5.34), (x, 5.76))
    ax.set(xlim=(0.1, 9.9), ylim=(-0.5, 6.6))
    ax.axis("off")
    return ax


def plot_parameters(counts, ax=None):
    """Share of parameters by part, one bar for each size; a table of counts, a row for each."""
    ax = axes_or_new(ax, width=1.0, aspect=0.34)
    shares = 100 * counts.div(counts.sum(axis=1), axis=0)
    shares.plot.barh(stacked=True, ax=ax, width=0.6, color=PART_COLORS, ec="white", lw=0.5)
    ax.invert_yaxis()
    ax.set(xlabel="share of parameters (%)", ylabel="", xlim=(0, 100))
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return ax


def plot_readings(one, two, labels, ax=None):
    """Cross-entropy of each trajectory with one pass and with two, marked by label."""
    ax = axes_or_new(ax, width=0.55, aspect=0.9)
    one, two, labels = np.asarray(one), np.asarray(two), np.asarray(labels)
    ends = np.array([min(one.min(), two.min()), max(one.max(), two.max())])
    ax.plot(ends, ends, color=REFERENCE_COLOR, lw=1, label="equal")
    for state, (color, marker) in enumerate(zip(STATE_COLORS, STATE_MARKERS, strict=True)):
        chosen = labels == state
        ax.plot(
            one[chosen], two[chosen], ls="", marker=marker, color=color, alpha=0.7, ms=4,
            label=f"starts in {STATE_NAMES[state]}",
        )  # fmt: skip
    ax.set(xscale="log", yscale="log")
    ax.set(xlabel="cross-entropy, one pass", ylabel="cross-entropy, two passes")
    ax.set_aspect("equal")
    ax.legend()
    return ax


def plot_errors(errors, ax=None):
    """Largest error of the encodings; a table with a row for each implementation of attention."""
    ax = axes_or_new(ax, width=0.7, aspect=0.5)
    errors.plot.bar(ax=ax, width=0.66, color=SIZE_COLORS, rot=0)
    ax.set_ylabel("largest error of an encoding")
    ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
