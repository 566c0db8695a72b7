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
        color = SIZE_COLORS[size]
        ax.plot(n_frames, speed, SIZE_MARKERS[size], color=color, label=size)
        fine = np.geomspace(min(n_frames), max(n_frames), 50)
        ax.plot(fine, laws[size].frames_per_s(fine), SIZE_LINES[size], color=color, lw=1)
    _tick(ax, n_frames)
    ax.set(yscale="log", xlabel="frames of a trajectory", ylabel="frames per second")
    return ax


def plot_growth(amounts, seconds, exponent, label, ax=None):
    """Measured time against an amount, with proportional growth through the largest one."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    ax.plot(amounts, seconds, "o", color=MODEL_COLOR, label=f"measured, power {exponent:.2f}")
    law = np.asarray(amounts) * seconds[-1] / amounts[-1]
    ax.plot(amounts, law, color=REFERENCE_COLOR, lw=1, label="proportional")
    _tick(ax, amounts)
    ax.set(yscale="log", xlabel=label, ylabel="seconds")
    ax.legend(loc="upper left")
    return ax


def plot_ratios(ratios, goal, ax=None):
    """How many times faster than the plain configuration, by size, with the range of rounds."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for place, row in enumerate(ratios):
        ax.bar(place, row["median"], color=SIZE_COLORS[row["size"]], width=0.6)
        ax.plot([place, place], row["range"], color=REFERENCE_COLOR, lw=1)
    ax.axhline(goal, color=REFERENCE_COLOR, ls="--", lw=1, label="goal")
    ax.set_xticks(range(len(ratios)), [row["size"] for row in ratios])
    ax.set_ylabel("times the plain configuration")
    ax.legend(loc="best")
    return ax
