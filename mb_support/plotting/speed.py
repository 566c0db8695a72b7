"""Figures of the chapter on scale: speeds by length, laws of growth, and comparisons."""

import numpy as np
from matplotlib.ticker import NullLocator

from .style import (
    BASELINE_COLOR,
    MODEL_COLOR,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    axes_or_new,
    log_ticks,
)


def _tick(ax, amounts):
    # a logarithmic axis labelled where it was measured
    ax.set_xscale("log")
    ax.set_xticks(amounts, [f"{amount:.0f}" for amount in amounts])
    ax.xaxis.set_minor_locator(NullLocator())


def plot_speeds(rows, ax=None):
    """Rows of the benchmark of simulators, as bars that span their rounds."""
    ax = axes_or_new(ax, width=0.9, aspect=0.5)
    rows = sorted(rows, key=lambda row: row["median_steps_per_s"])
    for place, row in enumerate(rows):
        color = MODEL_COLOR if row["name"].startswith("ours") else BASELINE_COLOR
        ax.barh(place, row["median_steps_per_s"], color=color, height=0.65)
        span = [row["lowest_steps_per_s"], row["highest_steps_per_s"]]
        ax.plot(span, [place, place], color=REFERENCE_COLOR, lw=1)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.set(xscale="log", xlabel="simulated steps per second")
    return ax


def plot_length_law(points, laws, ax=None):
    """Frames per second by number of frames, measured `points` and fitted `laws`, by size."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for size, (n_frames, speed) in points.items():
        color, (fixed, per_frame) = SIZE_COLORS[size], laws[size]
        ax.plot(n_frames, speed, SIZE_MARKERS[size], color=color, label=size)
        fine = np.geomspace(min(n_frames), max(n_frames), 50)
        ax.plot(fine, 1 / (fixed + per_frame * fine), SIZE_LINES[size], color=color, lw=1)
    _tick(ax, n_frames)
    ax.set(yscale="log", xlabel="frames of a trajectory", ylabel="frames per second")
    return ax


def plot_growth(amounts, seconds, exponent, label, ax=None):
    """Measured time against an amount, with proportional growth through the largest one."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    ax.plot(amounts, seconds, "o", color=MODEL_COLOR, label="measured")
    law = np.asarray(amounts) * seconds[-1] / amounts[-1]
    ax.plot(amounts, law, color=REFERENCE_COLOR, lw=1, label="proportional")
    _tick(ax, amounts)
    ax.set(yscale="log", xlabel=label, ylabel="seconds", title=f"measured power {exponent:.2f}")
    log_ticks(ax.yaxis, 1, 2, 5)
    ax.legend(loc="upper left")
    return ax


def plot_ratios(ratios, ax=None):
    """How many times as fast as each rival ours trains; thin lines span the rounds."""
    ax = axes_or_new(ax, width=0.8, aspect=0.5)
    rivals = list(dict.fromkeys(ratios.index.get_level_values(0)))
    for (rival, size), row in ratios.iterrows():
        place = rivals.index(rival) + 0.25 * (list(SIZE_COLORS).index(size) - 1)
        label = size if rival == rivals[0] else None
        ax.bar(place, row["times"] - 1, 0.22, bottom=1, color=SIZE_COLORS[size], label=label)
        ax.plot([place, place], [row["low"], row["high"]], color=REFERENCE_COLOR, lw=1)
        ax.text(
            place,
            1.05 * row["high"],
            f"{row['times']:.1f}",
            ha="center",
            va="bottom",
            fontsize="small",
        )
    ax.set_xticks(range(len(rivals)), rivals)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    ax.set(yscale="log", ylim=(0.5, 60), ylabel="our speed / that of the rival")
    ax.set_yticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5", "1", "2", "5", "10", "20", "50"])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.legend(loc="upper left")
    return ax
