"""Figures of trajectories, of where they start, and of what their statistics say."""

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

from .style import (
    BASELINE_COLOR,
    DENSITY_CMAP,
    MODEL_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    STATE_COLORS,
    STATE_MARKERS,
    STATE_NAMES,
    axes_or_new,
    map_axes,
)

#: Without its dark end, which is lost on a dark page.
_TIME_CMAP = ListedColormap(mpl.colormaps[DENSITY_CMAP](np.linspace(0.25, 0.95, 256)))
_INTEGRATOR_LOOKS = {
    "overdamped": ("Euler–Maruyama", PALETTE["orange"], "o"),
    "leimkuhler_matthews": ("Leimkuhler–Matthews", PALETTE["brown"], "s"),
}


def plot_starts(starts, labels, ridge=None, box=None, ax=None):
    """Where trajectories of each label start, with the line that separates the states."""
    ax = map_axes(axes_or_new(ax, width=0.6, aspect=0.85))
    starts, labels = np.asarray(starts), np.asarray(labels)
    for state, name in enumerate(STATE_NAMES):
        ax.scatter(
            *starts[labels == state].T, s=7, lw=0, alpha=0.7, color=STATE_COLORS[state],
            marker=STATE_MARKERS[state], label=f"label {name}",
        )  # fmt: skip
    low, high = (starts.min(axis=0), starts.max(axis=0)) if box is None else np.asarray(box)
    if ridge is not None:
        ax.plot(*np.transpose(ridge), color=REFERENCE_COLOR, lw=1.2, label="basin boundary")
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return ax


def plot_trace(times, coordinate, states, label="x (reduced length)", ax=None):
    """One coordinate of a trajectory against time, coloured by the state of each frame."""
    ax = axes_or_new(ax, width=1.0, aspect=0.25)
    times, coordinate, states = (np.asarray(a) for a in (times, coordinate, states))
    points = np.stack([times, coordinate], axis=-1)
    segments = np.stack([points[:-1], points[1:]], axis=1)
    colors = np.array(STATE_COLORS)[states[1:]]
    ax.add_collection(LineCollection(segments, colors=colors, linewidths=0.8))
    ax.autoscale_view()
    ax.set(xlabel="time (reduced)", ylabel=label, xlim=(times[0], times[-1]))
    return ax


def plot_path(trajectory, times, x, y, energy, highest=100.0, ax=None):
    """Path of one (n_frames, 2) trajectory, coloured by time, over contours of `energy`."""
    ax = map_axes(axes_or_new(ax, width=0.75, aspect=0.8))
    trajectory, times = np.asarray(trajectory), np.asarray(times)
    levels = np.linspace(np.floor(np.min(energy) / 10) * 10, highest, 18)
    ax.contour(x, y, np.transpose(energy), levels=levels, colors=BASELINE_COLOR, linewidths=0.4)
    segments = np.stack([trajectory[:-1], trajectory[1:]], axis=1)
    lines = LineCollection(segments, cmap=_TIME_CMAP, linewidths=0.7, alpha=0.9)
    lines.set_array(times[1:])
    ax.add_collection(lines)
    ax.plot(*trajectory[0], "o", ms=8, mfc="white", mec="black", label="first frame")
    ax.plot(*trajectory[-1], "X", ms=9, mfc="white", mec="black", label="last frame")
    bar = ax.figure.colorbar(lines, ax=ax, label="time (reduced)")
    bar.outline.set_visible(False)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.legend(loc="lower left")
    return ax


def plot_marginal(table, label, ax=None):
    """Table of `studies.data.marginal`: a simulated density with two errors over the exact."""
    ax = axes_or_new(ax, width=0.6)
    simulated, band = table["simulated"], 2 * table["error"]
    ax.fill_between(
        table["centre"], simulated - band, simulated + band, step="mid", alpha=0.35, lw=0,
        color=MODEL_COLOR,
    )  # fmt: skip
    ax.step(table["centre"], simulated, where="mid", color=MODEL_COLOR, label="simulated")
    ax.plot(table["centre"], table["exact"], color=REFERENCE_COLOR, lw=1.1, label="exact")
    ax.set(xlabel=label, ylabel="density (per reduced length)", ylim=(0, None))
    ax.legend()
    return ax


def plot_ratios(table, names, ax=None):
    """Simulated over exact values with two standard errors, one line for each row."""
    ax = axes_or_new(ax, width=0.75, aspect=0.45)
    rows = np.arange(len(table))[::-1]
    ax.axvline(1, color=REFERENCE_COLOR, lw=1.2)
    ax.errorbar(
        table["simulated"] / table["exact"], rows, xerr=2 * table["error"] / table["exact"],
        fmt="o", color=MODEL_COLOR, capsize=3,
    )  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.set(yticks=rows, yticklabels=names, xlabel="simulated / exact", ylim=(-0.6, len(rows) - 0.4))
    return ax


def plot_step_error(table, ax=None):
    """Table of `studies.data.step_error_table`: error against time step, with two errors."""
    ax = axes_or_new(ax, width=0.75, aspect=0.6)
    for integrator, part in table.groupby("integrator", sort=False):
        label, color, marker = _INTEGRATOR_LOOKS[integrator]
        ax.errorbar(
            part["dt"], part["bias"].abs(), yerr=2 * part["error"], fmt=marker, color=color,
            capsize=3, label=label,
        )  # fmt: skip
    euler = table[table["integrator"] == "overdamped"]
    slope = abs(euler["bias"].iloc[-1]) / euler["dt"].iloc[-1]
    label = "first order"
    ax.plot(euler["dt"], slope * euler["dt"], color=REFERENCE_COLOR, lw=1.1, label=label)
    ax.set(xscale="log", xlabel="time step (reduced)", yscale="log")
    ax.set(ylabel="|error of mean V| (reduced energy)", ylim=(table["error"].min() / 2, None))
    ax.legend()
    return ax


def plot_speed(table, column="million steps a second", ax=None):
    """Table of `studies.data.speed_table`, a column of it, as bars on a logarithmic axis."""
    ax = axes_or_new(ax, width=0.9, aspect=0.42)
    shown = table.sort_values(column)
    is_ours = shown["program"].str.startswith("ours")
    colors = np.where(is_ours, MODEL_COLOR, BASELINE_COLOR)
    bars = ax.barh(shown["program"], shown[column], color=colors)
    ax.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    ax.set(xscale="log", xlabel="million steps per second")
    ax.margins(x=0.15)
    return ax
