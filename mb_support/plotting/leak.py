"""Figures of the chapter on what the loss leaks."""

import numpy as np
from matplotlib.ticker import ScalarFormatter

from .style import (
    BASELINE_COLOR,
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
    "causal": ("causal, own statistics", PALETTE["blue"], "s"),
    "causal_fixed": ("causal, fixed constants", PALETTE["vermillion"], "^"),
}
#: Width of the running mean over positions.
SMOOTHED = 9


def _look(name):
    if name in VARIANTS:
        label, color, marker = VARIANTS[name]
        return dict(label=label, color=color, marker=marker)
    return dict(label=name, color=SIZE_COLORS[name], marker=SIZE_MARKERS[name])


def _floor(ax, value=1):
    ax.axhline(value, color=REFERENCE_COLOR, lw=1.4, zorder=1)
    if value:
        ax.axhspan(0, value, color=REFERENCE_COLOR, alpha=0.06, lw=0, zorder=0)


def _over_seeds(ax, x, values, inside=True, line="-", **look):
    # mean over trainings with their range; filled marks inside, open ones at the last position
    values = np.array(values, float)  # (training, x)
    mean = values.mean(axis=0)
    ax.errorbar(
        x,
        mean,
        [mean - values.min(axis=0), values.max(axis=0) - mean],
        ls=line if inside else ":",
        mfc=look["color"] if inside else "white",
        capsize=2,
        lw=1.2,
        **look,
    )


def _plain_ticks(axis):
    plain = ScalarFormatter()
    axis.set(major_formatter=plain, minor_formatter=plain)  # 2, not 2 x 10^0


def plot_losses(curves, title="", ax=None):
    """L_traj of the trainings of a size, between the exact values for its windows.

    Parameters
    ----------
    curves : list of dict
        From `leak_tables.floors_by_step`, one for each training.
    title : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.9)
    color = SIZE_COLORS.get(title, PALETTE["orange"])
    for number, curve in enumerate(curves):
        shown = curve["shown"] / 1000
        if number == 0:
            for name, line in (("honest", "-"), ("reader", "--")):
                ax.plot(shown, curve[name], color=REFERENCE_COLOR, ls=line, lw=1.4, label=name)
            for end in curve["stage_ends"][:-1] / 1000:
                ax.axvline(end, color=BASELINE_COLOR, lw=0.8, ls=":")
        label = "trainings" if number == 0 else None
        ax.plot(shown, curve["trajectory_loss"], color=color, lw=1.0, label=label)
    ax.set_yscale("log")
    ax.set_xlim(left=0)
    ax.set_xlabel("trajectories shown (thousands)")
    ax.set_ylabel(r"$L_\mathrm{traj}$")
    ax.set_title(title)
    return ax


def plot_over_training(variants, ax=None):
    """Error over floor while training: filled marks inside, open ones at the last position.

    Parameters
    ----------
    variants : dict of str to list of list of dict
        From `leak_study.load_variants`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for name, curves in variants.items():
        look = _look(name)
        steps = np.array([point["step"] for point in curves[0]])
        for place in ("interior", "last"):
            ratios = np.array([[p[place]["ratio"][0] for p in curve] for curve in curves])
            is_inside = place == "interior"
            label = f"{look['label']}, {'inside' if is_inside else 'last'}"
            after = steps > 0
            _over_seeds(ax, steps[after], ratios[:, after], is_inside, **(look | {"label": label}))
    ax.set_xscale("log")
    ax.set_yscale("log")
    _plain_ticks(ax.yaxis)
    ax.set_xlabel("training step")
    ax.set_ylabel("error / exact floor")
    ax.legend(fontsize=7)
    return ax


def plot_by_distance(profiles, ax=None):
    """Error over floor against the distance of a position from the end of what is shown.

    Parameters
    ----------
    profiles : dict of str to list of list of dict
        By variant or size, for each training: "distance" (1 is the last position) and "ratio".
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for name, trainings in profiles.items():
        distance = [point["distance"] for point in trainings[0]]
        ratios = [[point["ratio"][0] for point in profile] for profile in trainings]
        _over_seeds(ax, distance, ratios, line=SIZE_LINES.get(name, "-"), **_look(name))
    ax.set_xscale("log")
    ticks = (1, 2, 4, 8, 16, 32)
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    ax.set_xlabel("frames to the end (1: nothing ahead is shown)")
    ax.set_ylabel("error / exact floor")
    ax.legend(fontsize=7)
    return ax


def plot_by_length(trainings, quantity="noise_seen", ax=None):
    """A measure of the leak against the length of the window, inside and at the last position.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict
        From `leak_study.load_trainings`.
    quantity : {"noise_seen", "ratio"}
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax, 0 if quantity == "noise_seen" else 1)
    for shift, (name, seeds) in zip((0.96, 1.0, 1.04), trainings.items(), strict=False):
        look = _look(name)
        lengths = [content["lengths"] for content in seeds.values()]
        n_frames = np.array([row["n_frames"] for row in lengths[0]])
        for place in ("interior", "last"):
            is_inside = place == "interior"
            values = [[row[place][quantity][0] for row in rows] for rows in lengths]
            label = f"{name}, {'inside' if is_inside else 'last'}"
            _over_seeds(ax, n_frames * shift, values, is_inside, **(look | {"label": label}))
    ax.set_xscale("log")
    ax.set_xticks(n_frames, n_frames)
    ax.minorticks_off()
    ax.set_xlabel("frames in the window")
    ax.set_ylabel("share of the noise seen" if quantity == "noise_seen" else "error / exact floor")
    ax.legend(fontsize=7)
    return ax


def plot_by_position(seeds, quantity, windows=(), title="", ax=None):
    """Error over floor, or attention on the next frame, against the position in the window.

    Parameters
    ----------
    seeds : dict of int to dict
        The trainings of a size, as `leak_study.load_trainings` has them.
    quantity : {"error", "attention"}
        Running means over `SMOOTHED` positions; the last position is left out of the attention.
    windows : sequence of int
        Lengths of the windows in training, marked by dotted lines.
    title : str
        The size.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.6)
    color = SIZE_COLORS.get(title, PALETTE["orange"])
    kernel = np.ones(SMOOTHED) / SMOOTHED
    for content in seeds.values():
        if quantity == "error":
            values = np.array(content["position"]["ratio"], float)
        else:
            near = content["attention"][-1]["near"]
            values = np.array(near[len(near) // 2 + 1][:-1], float)  # the offset after 0
        at = np.arange(len(values) - SMOOTHED + 1) + SMOOTHED // 2
        ax.plot(at, np.convolve(values, kernel, mode="valid"), color=color, lw=1.0)
    for n_frames in windows:
        ax.axvline(n_frames - 1, color=BASELINE_COLOR, lw=0.8, ls=":")
    if quantity == "error":
        _floor(ax)
        ax.set_ylabel("error / exact floor")
    else:
        ax.set_ylim(0, 1)
        ax.set_ylabel("attention on next frame")
    ax.set_xlabel("position in the window (frames)")
    ax.set_title(title)
    return ax


def plot_ablation(trainings, ax=None):
    """Error inside while some heads are flattened: those that look at the next frame, and others.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict
        From `leak_study.load_trainings`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for shift, (name, seeds) in zip((-0.06, 0, 0.06), trainings.items(), strict=False):
        rows = [content["ablation"]["rows"] for content in seeds.values()]
        numbers = [row["n_heads"] for row in rows[0]]
        look = _look(name)
        for kind in ("finders", "others"):
            values = [[row[kind][0] for row in training] for training in rows]
            is_finder = kind == "finders"
            label = f"{name}, {'next frame' if is_finder else 'other heads'}"
            at = np.arange(len(numbers)) + shift
            _over_seeds(ax, at, values, is_finder, **(look | {"label": label}))
    ax.set_xticks(range(len(numbers)), numbers)
    ax.set_xlabel("heads flattened")
    ax.set_ylabel("error / exact floor")
    ax.legend(fontsize=7)
    return ax
