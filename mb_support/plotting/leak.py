"""Figures of the chapter on what the loss leaks."""

import numpy as np
from matplotlib.ticker import ScalarFormatter

from .style import (
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    axes_or_new,
)

#: Label, colour and marker of the three small models that differ in what a position may see.
VARIANTS = {
    "bidirectional": ("bidirectional", PALETTE["orange"], "o"),
    "causal": ("causal, own statistics", PALETTE["purple"], "s"),
    "causal_fixed": ("causal, fixed constants", PALETTE["green"], "^"),
}


def _look(name):
    if name in VARIANTS:
        label, color, marker = VARIANTS[name]
        return dict(label=label, color=color, marker=marker)
    return dict(label=name, color=SIZE_COLORS[name], marker=SIZE_MARKERS[name])


def below_floor(ratios):
    """Labels of the variants whose error is below the floor by more than two standard errors.

    Parameters
    ----------
    ratios : dict of str to (value, standard error)
        Error over floor, by variant.

    Returns
    -------
    str
        Joined by semicolons, as labels have commas; "none" if there is none.
    """
    below = [VARIANTS[name][0] for name, (ratio, error) in ratios.items() if ratio + 2 * error < 1]
    return "; ".join(below) or "none"


def _floor(ax):
    ax.axhline(1, color=REFERENCE_COLOR, lw=1.4, zorder=1)
    ax.axhspan(0, 1, color=REFERENCE_COLOR, alpha=0.06, lw=0, zorder=0)


def plot_over_training(curves, ax=None):
    """Error over floor while training: filled marks inside, open ones at the last position.

    Parameters
    ----------
    curves : dict of str to list of dict
        By variant: "step", and "interior" and "last" with their "ratio" (value, standard error).
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for name, curve in curves.items():
        look = _look(name)
        steps = np.array([point["step"] for point in curve])
        keep = steps > 0
        for place, line, face in (("interior", "-", look["color"]), ("last", ":", "white")):
            ratio, error = np.array([point[place]["ratio"] for point in curve])[keep].T
            ax.errorbar(
                steps[keep],
                ratio,
                2 * error,
                ls=line,
                mfc=face,
                capsize=2,
                lw=1.2,
                **(look | {"label": f"{look['label']}, {'inside' if line == '-' else 'last'}"}),
            )
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain = ScalarFormatter()
    ax.yaxis.set(major_formatter=plain, minor_formatter=plain)  # 2, not 2 x 10^0
    ax.set_xlabel("training step")
    ax.set_ylabel("error / exact floor")
    ax.legend(fontsize=7)
    return ax


def plot_by_distance(profiles, ax=None):
    """Error over floor against the distance of a position from the end of what is shown.

    Parameters
    ----------
    profiles : dict of str to list of dict
        By variant or size: "distance" (1 is the last position) and "ratio".
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for name, profile in profiles.items():
        distance = np.array([point["distance"] for point in profile])
        ratio, error = np.array([point["ratio"] for point in profile]).T
        ax.errorbar(
            distance,
            ratio,
            2 * error,
            ls=SIZE_LINES.get(name, "-"),
            capsize=2,
            lw=1.2,
            **_look(name),
        )
    ax.set_xscale("log")
    ticks = (1, 2, 4, 8, 16, 32)
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    ax.set_xlabel("frames to the end (1: nothing ahead is shown)")
    ax.set_ylabel("error / exact floor")
    ax.legend(fontsize=7)
    return ax


def plot_by_length(sizes, quantity="noise_seen", ax=None):
    """A measure of the leak against the number of frames shown, inside and at the last position.

    Parameters
    ----------
    sizes : dict of str to list of dict
        By size: "n_frames", and "interior" and "last" with the quantity.
    quantity : {"noise_seen", "ratio"}
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    ax.axhline(0 if quantity == "noise_seen" else 1, color=REFERENCE_COLOR, lw=1.4, zorder=1)
    for shift, (name, points) in zip((0.97, 1.0, 1.03), sizes.items(), strict=False):
        look = _look(name)
        n_shown = np.array([point["n_frames"] - 1 for point in points])
        for place, line, face in (("interior", "-", look["color"]), ("last", ":", "white")):
            value, error = np.array([point[place][quantity] for point in points]).T
            label = f"{name}, {'inside' if line == '-' else 'last'}"
            ax.errorbar(
                n_shown * shift,
                value,
                2 * error,
                ls=line,
                mfc=face,
                capsize=2,
                lw=1.2,
                **(look | {"label": label}),
            )
    ax.set_xscale("log")
    ax.set_xticks(n_shown, n_shown)
    ax.minorticks_off()
    ax.set_xlabel("frames shown")
    ax.set_ylabel("share of the noise seen" if quantity == "noise_seen" else "error / exact floor")
    ax.legend(fontsize=7)
    return ax


def plot_rollouts(rollouts, ax=None):
    """Error of continued trajectories against how far they are continued.

    Parameters
    ----------
    rollouts : dict of str to list of dict
        By variant: "horizon", and "model", "exact" and "copy" (value, standard error).
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    for name, points in rollouts.items():
        horizon = [point["horizon"] for point in points]
        value, error = np.array([point["model"] for point in points]).T
        ax.errorbar(horizon, value, 2 * error, capsize=2, lw=1.2, **_look(name))
    if rollouts:
        value, _ = np.array([point["exact"] for point in points]).T
        ax.plot(horizon, value, color=REFERENCE_COLOR, lw=1.4, label="exact mean")
        value, _ = np.array([point["copy"] for point in points]).T
        ax.plot(horizon, value, color=PALETTE["grey"], ls=":", label="last frame")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("frames ahead")
    ax.set_ylabel("squared error, length$^2$")
    ax.legend(fontsize=7)
    return ax
