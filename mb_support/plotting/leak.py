"""Figures of the chapter on what the loss leaks.

`trainings`, `variants` and what the tables make of them are those of `leak_tables`. Points and
lines are means over trainings, bars their range; marks are filled inside, open at the last
position. Functions return the axes.
"""

import numpy as np
from matplotlib.ticker import ScalarFormatter

from .style import BASELINE_COLOR, PALETTE, REFERENCE_COLOR, SIZE_COLORS, SIZE_MARKERS, axes_or_new

#: Colours and markers: of the sizes, and of the three variants.
COLORS = SIZE_COLORS | {
    "bidirectional": PALETTE["orange"],
    "causal, own statistics": PALETTE["blue"],
    "causal, fixed constants": PALETTE["vermillion"],
}
MARKERS = SIZE_MARKERS | dict(zip(list(COLORS)[-3:], "os^", strict=True))
#: Width of the running mean over positions.
SMOOTHED = 9


def _floor(ax, value=1):
    ax.axhline(value, color=REFERENCE_COLOR, lw=1.4, zorder=1)
    if value:
        ax.axhspan(0, value, color=REFERENCE_COLOR, alpha=0.06, lw=0, zorder=0)


def _finish(ax, xlabel, ticks=None, ylabel="error / exact floor"):
    # ticks, if there are any, are marked on a logarithmic axis
    if ticks is not None:
        ax.set_xscale("log")
        ax.set_xticks(ticks, ticks)
        ax.minorticks_off()
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.legend(fontsize=7)
    return ax


def _over_trainings(ax, x, values, name, label="", is_open=False):
    values = np.array(values, float)  # (training, x)
    mean = values.mean(axis=0)
    ax.errorbar(
        x,
        mean,
        [mean - values.min(axis=0), values.max(axis=0) - mean],
        color=COLORS[name],
        marker=MARKERS[name],
        ls=":" if is_open else "-",
        mfc="white" if is_open else COLORS[name],
        capsize=2,
        lw=1.2,
        label=f"{name}{label}",
    )


def plot_losses(curves, title="", ax=None):
    """L_traj of the trainings of a size between the exact values: a list of `floors_by_step`."""
    ax = axes_or_new(ax, width=0.5, aspect=0.9)
    shown, first = curves[0]["shown"] / 1000, curves[0]
    for name, line in (("honest", "-"), ("reader", "--")):
        ax.plot(shown, first[name], color=REFERENCE_COLOR, ls=line, lw=1.4, label=name)
    for end in first["stage_ends"][:-1] / 1000:
        ax.axvline(end, color=BASELINE_COLOR, lw=0.8, ls=":")
    for number, curve in enumerate(curves):
        ax.plot(
            curve["shown"] / 1000,
            curve["trajectory_loss"],
            color=COLORS[title],
            lw=1.0,
            label=None if number else "trainings",
        )
    ax.set_yscale("log")
    ax.set_xlim(left=0)
    ax.set_xlabel("trajectories shown (thousands)")
    ax.set_ylabel(r"$L_\mathrm{traj}$")
    ax.set_title(title)
    return ax


def plot_over_training(variants, ax=None):
    """Error over floor of the variants while training."""
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for name, curves in variants.items():
        steps = np.array([point["step"] for point in curves[0]])
        after = steps > 0
        for place, label in (("interior", "inside"), ("last", "last")):
            ratios = np.array([[p[place]["ratio"][0] for p in curve] for curve in curves])
            _over_trainings(ax, steps[after], ratios[:, after], name, f", {label}", place == "last")
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain = ScalarFormatter()
    ax.yaxis.set(major_formatter=plain, minor_formatter=plain)  # 2, not 2 x 10^0
    return _finish(ax, "training step")


def plot_by_distance(variants, ax=None):
    """Error over floor of trained variants against the distance from the end of what is shown."""
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for name, curves in variants.items():
        profiles = [curve[-1]["by_distance"] for curve in curves]
        distance = [point["distance"] for point in profiles[0]]
        ratios = [[point["ratio"][0] for point in profile] for profile in profiles]
        _over_trainings(ax, distance, ratios, name)
    return _finish(ax, "frames to the end (1: nothing ahead is shown)", (1, 2, 4, 8, 16, 32))


def plot_by_length(trainings, quantity="noise_seen", ax=None):
    """ "noise_seen" or "ratio" (error over floor) against the length of the window."""
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax, 0 if quantity == "noise_seen" else 1)
    for shift, (name, seeds) in zip((0.96, 1.0, 1.04), trainings.items(), strict=False):
        lengths = [content["lengths"] for content in seeds.values()]
        n_frames = np.array([row["n_frames"] for row in lengths[0]])
        for place, label in (("interior", "inside"), ("last", "last")):
            values = [[row[place][quantity][0] for row in rows] for rows in lengths]
            _over_trainings(ax, n_frames * shift, values, name, f", {label}", place == "last")
    ylabel = "share of the noise seen" if quantity == "noise_seen" else "error / exact floor"
    return _finish(ax, "frames in the window", n_frames, ylabel)


def plot_by_position(seeds, quantity, windows=(), size="", ax=None):
    """ "error" over floor of a size, or "attention" on the next frame, against the position.

    Running means over `SMOOTHED` positions, a line for each training; the last position is left
    out of the attention. The lengths of the `windows` in training are marked by dotted lines.
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.6)
    kernel = np.ones(SMOOTHED) / SMOOTHED
    for content in seeds.values():
        if quantity == "error":
            values = np.array(content["position"]["ratio"], float)
        else:
            near = content["attention"][-1]["near"]
            values = np.array(near[len(near) // 2 + 1][:-1], float)  # the offset after 0
        at = np.arange(len(values) - SMOOTHED + 1) + SMOOTHED // 2
        ax.plot(at, np.convolve(values, kernel, mode="valid"), color=COLORS[size], lw=1.0)
    for n_frames in windows:
        ax.axvline(n_frames - 1, color=BASELINE_COLOR, lw=0.8, ls=":")
    if quantity == "error":
        _floor(ax)
        ax.set_ylabel("error / exact floor")
        ax.set_title(size)
    else:
        ax.set_ylim(0, 1)
        ax.set_ylabel("attention on next frame")
        ax.set_xlabel("position in the window (frames)")
    return ax


def plot_ablation(trainings, ax=None):
    """Error inside while some heads are flattened.

    Filled marks: those that look at the next frame; open ones: other heads of the same layers.
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.75)
    _floor(ax)
    for shift, (name, seeds) in zip((-0.06, 0, 0.06), trainings.items(), strict=False):
        rows = [content["ablation"]["rows"] for content in seeds.values()]
        numbers = [row["n_heads"] for row in rows[0]]
        at = np.arange(len(numbers)) + shift
        for kind, label in (("finders", "next frame"), ("others", "other heads")):
            values = [[row[kind][0] for row in training] for training in rows]
            _over_trainings(ax, at, values, name, f", {label}", kind == "others")
    ax.set_xticks(range(len(numbers)), numbers)
    return _finish(ax, "heads flattened")
