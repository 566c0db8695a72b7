"""Figures of the generation chapter: trajectories and their continuations, errors, long runs."""

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from .style import (
    BASELINE_COLOR,
    DENSITY_CMAP,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    axes_or_new,
)

#: The actual trajectory: light enough to lie beneath a model.
ACTUAL_COLOR = "#8A8A8A"
#: Line styles of the baselines, which share one colour.
BASELINE_LINES = {"last frame": ":", "mean of the prompt": "--"}


def plot_continuations(actual, runs, n_prompt, exact, axes):
    """The poster's figure: one row of axes for each size, x to the left and y to the right.

    `actual`, (n_frames, 2), is the end of the prompt, `n_prompt` frames, and what the simulation
    did next; `runs` are continuations, {size: {word: (n_frames, 2)}}, cut off where they leave its
    surroundings. `exact`, (horizons, means, variances), the latter (n_horizons, 2), is a black
    line with a band of one standard deviation.
    """
    for row, (size, generated) in zip(axes, runs.items(), strict=True):
        for coordinate, ax in enumerate(row):
            _plot_continuation(actual, generated, n_prompt, coordinate, exact, size, ax)
    for ax in axes[-1]:
        ax.set_xlabel("frames after the prompt")
    figure = axes[0, 0].figure
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes


def _plot_continuation(actual, generated, n_prompt, coordinate, exact, size, ax):
    frames = np.arange(len(actual)) - n_prompt + 1  # 0 is the last frame of the prompt
    ax.axvspan(frames[0], 0, color="#F0F0F0", lw=0)
    ax.plot(frames, actual[:, coordinate], color=ACTUAL_COLOR, lw=0.9, label="actual")
    horizons, means, variances = exact
    mean, spread = means[:, coordinate], np.sqrt(variances[:, coordinate])
    ax.plot(horizons, mean, color=REFERENCE_COLOR, lw=1.1, label="exact mean")
    ax.fill_between(horizons, mean - spread, mean + spread, color=REFERENCE_COLOR, alpha=0.1, lw=0)
    after = slice(n_prompt - 1, None)  # from the prompt's last frame on
    for (name, path), line in zip(generated.items(), ("-", "--"), strict=True):
        ax.plot(
            frames[after],
            path[after, coordinate],
            color=SIZE_COLORS[size],
            lw=1.5,
            ls=line,
            label=name,
        )
    ax.set_xlim(frames[0], frames[-1])
    low, high = actual[:, coordinate].min(), actual[:, coordinate].max()
    ax.set_ylim(low - 0.8 * (high - low), high + 0.8 * (high - low))  # runaways leave the panel
    ax.set_ylabel("xy"[coordinate])
    ax.set_title(size, fontsize=8.5, pad=3)


def plot_saved(windows, saved, exact, ax=None):
    """How much better than the last frame one-step forecasts are, by length of the window.

    `saved` holds intervals by size, as `generation_tables.saved`: points and lines are means, bars
    the range over trainings. `exact`, (value, low, high), is a black line with its band.
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.6)
    ax.axhspan(*exact[1:], color=REFERENCE_COLOR, alpha=0.12, lw=0)
    ax.axhline(exact[0], color=REFERENCE_COLOR, lw=1.4, label="exact mean")
    ax.axhline(0, color=BASELINE_COLOR, ls=":", label="last frame")
    for shift, (size, values) in zip((1, 1.04, 1.08), saved.items(), strict=False):
        each = values[..., 0]
        mean = each.mean(axis=0)
        ax.errorbar(
            np.asarray(windows) * shift,
            mean,
            [mean - each.min(axis=0), each.max(axis=0) - mean],
            color=SIZE_COLORS[size],
            ls=SIZE_LINES[size],
            marker=SIZE_MARKERS[size],
            capsize=2,
            label=size,
        )
    ax.set_xscale("log")
    ax.set_xticks(windows, windows)
    ax.minorticks_off()
    ax.set_xlabel("frames in the window")
    ax.set_ylabel("error saved")
    ax.legend()
    return ax


def plot_error_growth(horizons, models, baselines, title="", ax=None):
    """Error of continuations over that of the exact mean, against how far ahead they look.

    The first three are from `generation_tables.growth`; bands are ranges over trainings.
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1.6, label="exact mean")
    for name, error in baselines.items():
        ax.plot(horizons, error, color=BASELINE_COLOR, ls=BASELINE_LINES[name], label=name)
    for size, values in models.items():
        each, color = values[..., 0], SIZE_COLORS[size]
        ax.plot(horizons, each.mean(axis=0), color=color, ls=SIZE_LINES[size], label=size)
        low, high = each.min(axis=0), each.max(axis=0)
        ax.fill_between(horizons, low, high, color=color, alpha=0.2, lw=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(0.5, min(ax.get_ylim()[1], 30))  # whoever runs away leaves the panel
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set(major_formatter=ScalarFormatter(), minor_formatter=NullFormatter())
    ax.set_xlabel("frames ahead")
    ax.set_ylabel("error / exact error")
    ax.set_title(title)
    ax.grid(which="major")
    return ax


def plot_trails(trajectories, solver, title="", ax=None):
    """Paths, (n, n_frames, 2), that end in a dot, over the Boltzmann density of a GridSolver.

    The title, "actual" or a size, decides the colour.
    """
    ax = axes_or_new(ax, width=0.4, aspect=1.0)
    color, density = SIZE_COLORS.get(title, ACTUAL_COLOR), solver.stationary_density()
    with np.errstate(divide="ignore"):
        log_density = np.log10(density / density.max())
    levels = [-4, -3, -2, -1, 0]
    ax.contourf(solver.x, solver.y, log_density.T, levels, cmap=DENSITY_CMAP, alpha=0.35)
    for path in np.asarray(trajectories):
        ax.plot(*path.T, color=color, lw=0.6, alpha=0.8)
        ax.plot(*path[-1], marker="o", color=color, mec="black", mew=0.6, ms=4)
    ax.set_aspect("equal")
    ax.set_xlim(solver.x[0], solver.x[-1])  # the map: what leaves it ends at the edge
    ax.set_ylim(solver.y[0], solver.y[-1])
    ax.set_xlabel("x (reduced length)")
    ax.set_ylabel("y (reduced length)")
    ax.set_title(title)
    return ax
