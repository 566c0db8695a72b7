"""Figures of the chapter on what the loss leaks.

`trainings`, `variants` and what the tables make of them are those of `studies.leak.tables`. Points
and lines are means over trainings, bars their range; marks are filled at interior positions, open
at the last one. Functions return the axes.
"""

import numpy as np

from .style import (
    BASELINE_COLOR,
    MODEL_COLOR,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    axes_or_new,
    legend_below,
    ticks_at,
)

#: Colours and markers: of the sizes, and of the three variants, the darker the less they see.
COLORS = SIZE_COLORS | {
    "bidirectional": MODEL_COLOR,
    "causal, own statistics": "#A66A00",
    "causal, fixed constants": "#5C3A00",
}
MARKERS = SIZE_MARKERS | dict(zip(list(COLORS)[-3:], "os^", strict=True))
#: Width of the running mean over positions.
SMOOTHED = 9
OVER_FLOOR = "error / exact floor"


def _floor(ax, value=1, between=None):
    ax.axhline(value, color=REFERENCE_COLOR, lw=1.4, zorder=1)
    if value:
        ax.axhspan(0, value, color=BASELINE_COLOR, alpha=0.12, lw=0, zorder=0)
    if between is not None:
        ax.axhline(between, color=REFERENCE_COLOR, lw=1.2, ls="--", zorder=1)


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
        mfc="none" if is_open else COLORS[name],
        capsize=2,
        lw=1.4,
        label=f"{name}{label}",
    )


def plot_losses(curves, between, ax=None):
    """L_traj over the honest value while training: {size: list of `tables.floors_by_step`}.

    A line for each training; dotted in the colour of its size where windows grow; dashed at
    `between`, the least of whoever sees all frames but the next.
    """
    ax = axes_or_new(ax, aspect=0.5)
    _floor(ax, 1, between)
    for size, trainings in curves.items():
        for number, curve in enumerate(trainings):
            ax.plot(
                curve["shown"] / 1000,
                curve["trajectory_loss"] / curve["honest"],
                color=SIZE_COLORS[size],
                ls=SIZE_LINES[size],
                lw=1.4,
                label=None if number else size,
            )
        for end in trainings[0]["stage_ends"][:-1] / 1000:
            ax.axvline(end, color=SIZE_COLORS[size], lw=1, ls=":")
    ax.set(yscale="log", xlim=(0, None), ylim=(0.03, 3), xlabel="trajectories shown (thousands)")
    ticks_at(ax.yaxis, [0.05, 0.1, 0.2, 0.5, 1, 2])
    ax.set_ylabel(r"$L_\mathrm{traj}$ / honest value")
    legend_below(ax, 3)
    return ax


def plot_over_training(variants, ax=None):
    """Error over floor of the variants while training."""
    ax = axes_or_new(ax)
    _floor(ax)
    for name, curves in variants.items():
        steps = np.array([point["step"] for point in curves[0]])
        after = steps > 0
        for place in ("interior", "last"):
            ratios = np.array([[p[place]["ratio"][0] for p in curve] for curve in curves])
            label = "" if place == "interior" else ", last position"
            _over_trainings(ax, steps[after], ratios[:, after], name, label, place == "last")
    ax.set(xscale="log", ylim=(0.9, 2), xlabel="training step", ylabel=OVER_FLOOR)
    ticks_at(ax.xaxis, [50, 100, 200, 500, 1000])
    return ax


def plot_by_distance(variants, ax=None):
    """Error over floor of trained variants against the distance from the end of what is shown."""
    ax = axes_or_new(ax)
    _floor(ax)
    for name, curves in variants.items():
        profiles = [curve[-1]["by_distance"] for curve in curves]
        distance = [point["distance"] for point in profiles[0]]
        ratios = [[point["ratio"][0] for point in profile] for profile in profiles]
        _over_trainings(ax, distance, ratios, name)
    ax.set(xscale="log", ylim=(0.9, 1.15), xlabel="frames to the end (1: last position)")
    ax.set_ylabel(OVER_FLOOR)
    ticks_at(ax.xaxis, [1, 2, 4, 8, 16, 32])
    return ax


def plot_by_length(trainings, quantity="noise_seen", between=None, ax=None):
    """ "noise_seen" or "ratio" (error over floor) against the length of the window; dashed at
    `between`, as in `plot_losses`."""
    ax = axes_or_new(ax)
    _floor(ax, 0 if quantity == "noise_seen" else 1, between)
    for shift, (name, seeds) in zip((0.94, 1.0, 1.06), trainings.items(), strict=False):
        lengths = [content["lengths"] for content in seeds.values()]
        n_frames = np.array([row["n_frames"] for row in lengths[0]])
        for place, label in (("interior", ", interior"), ("last", ", last")):
            values = [[row[place][quantity][0] for row in rows] for rows in lengths]
            _over_trainings(ax, n_frames * shift, values, name, label, place == "last")
    ax.set(xscale="log", xlabel="frames in the window")
    ax.set_ylabel("share of the noise seen" if quantity == "noise_seen" else OVER_FLOOR)
    ticks_at(ax.xaxis, n_frames)
    return ax


def plot_by_position(trainings, windows, axes):
    """Error over floor (left) and attention on the next frame (right) against the position.

    A row for each size; running means over `SMOOTHED` positions, a line for each training. The last
    position is left out of the attention. `windows`, {size: lengths in training}, are dotted.
    """
    kernel = np.ones(SMOOTHED) / SMOOTHED
    for row, (size, seeds) in zip(axes, trainings.items(), strict=True):
        for content in seeds.values():
            near = content["attention"][-1]["near"]
            attention = near[len(near) // 2 + 1][:-1]  # the offset after 0
            for ax, values in zip(row, (content["position"]["ratio"], attention), strict=True):
                smooth = np.convolve(np.array(values, float), kernel, mode="valid")
                at = np.arange(len(smooth)) + SMOOTHED // 2
                ax.plot(at, smooth, color=COLORS[size], lw=1.2)
        for ax in row:
            for n_frames in windows[size]:
                ax.axvline(n_frames - 1, color=BASELINE_COLOR, lw=1, ls=":")
        _floor(row[0])
        row[0].set(ylabel=OVER_FLOOR, ylim=(0, 1.6))
        row[0].set_title(size, loc="left")
        row[1].set(ylim=(0, 1.02), ylabel="attention")
    for ax in axes[-1]:
        ax.set_xlabel("position in the window (frames)")
    return axes


def plot_ablation(trainings, ax=None):
    """Interior error while some heads are flattened.

    Filled marks: those that look at the next frame; open ones: other heads of the same layers.
    """
    ax = axes_or_new(ax, aspect=0.5)
    _floor(ax)
    for shift, (name, seeds) in zip((-0.06, 0, 0.06), trainings.items(), strict=False):
        rows = [content["ablation"]["rows"] for content in seeds.values()]
        numbers = [row["n_heads"] for row in rows[0]]
        at = np.arange(len(numbers)) + shift
        for kind, label in (("finders", "next frame"), ("others", "others")):
            values = [[row[kind][0] for row in training] for training in rows]
            _over_trainings(ax, at, values, name, f": {label}", kind == "others")
    ax.set_xticks(range(len(numbers)), numbers)
    ax.set(xlabel="heads flattened", ylabel=OVER_FLOOR)
    legend_below(ax, 3)
    return ax
