"""Figures of the generation chapter: trajectories and their continuations, errors, long runs."""

import numpy as np
from matplotlib import pyplot as plt

from .pictures import leave_blank
from .style import (
    BASELINE_COLOR,
    DENSITY_CMAP,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    axes_or_new,
    legend_below,
    map_axes,
    ticks_at,
)

#: Line styles of the baselines, which share one colour.
BASELINE_LINES = {"last frame": ":", "mean of the prompt": "--"}


def plot_continuations(actual, runs, n_prompt, exact, axes):
    """The poster's figure: one row of axes for each size, x to the left and y to the right.

    `actual`, (n_frames, 2), is the end of the prompt, `n_prompt` frames, and what the simulation
    did next; `runs` are continuations, {size: {word: (n_frames, 2)}}. `exact`, (horizons, means,
    variances), the latter (n_horizons, 2), is a black line with a band of one standard deviation.
    """
    frames = np.arange(len(actual)) - n_prompt + 1  # 0 is the last frame of the prompt
    after = slice(n_prompt - 1, None)
    horizons, means, variances = exact
    spread, margin = np.sqrt(variances), 0.3 * np.ptp(actual, axis=0)
    lowest, highest = actual.min(axis=0) - margin, actual.max(axis=0) + margin
    for row, (size, generated) in zip(axes, runs.items(), strict=True):
        for k, ax in enumerate(row):
            ax.axvspan(frames[0], 0, color=BASELINE_COLOR, alpha=0.12, lw=0)
            ax.plot(frames, actual[:, k], color=BASELINE_COLOR, lw=0.8, label="actual")
            low, high = (means + sign * spread for sign in (-1, 1))
            ax.fill_between(
                horizons, low[:, k], high[:, k], color=REFERENCE_COLOR, alpha=0.12, lw=0
            )
            ax.plot(horizons, means[:, k], color=REFERENCE_COLOR, lw=1.4, label="exact mean")
            for (word, path), line in zip(generated.items(), ("-", "--"), strict=True):
                style = {"color": SIZE_COLORS[size], "lw": 2, "ls": line}
                ax.plot(frames[after], path[after, k], label=word, **style)
            ax.set(xlim=(frames[0], frames[-1]), ylim=(lowest[k], highest[k]), ylabel="xy"[k])
        row[0].set_title(size, loc="left")
    for ax in axes[-1]:
        ax.set_xlabel("frames after the prompt")
    legend_below(axes[0, 0])
    return axes


def plot_saved(windows, saved, exact, ax=None):
    """How much better than the last frame one-step forecasts are, by length of the window.

    `saved` holds intervals by size, as `tables.saved`: points and lines are means, bars the range
    over trainings. `exact`, (value, low, high), is a black line with its band.
    """
    ax = axes_or_new(ax, aspect=0.5)
    ax.axhspan(*exact[1:], color=REFERENCE_COLOR, alpha=0.12, lw=0)
    ax.axhline(exact[0], color=REFERENCE_COLOR, lw=1.4, label="exact mean")
    ax.axhline(0, color=BASELINE_COLOR, ls=":", label="last frame")
    for shift, (size, values) in zip((0.97, 1, 1.03), saved.items(), strict=False):
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
    legend_below(ax, 5)
    return ax


def plot_error_growth(horizons, models, baselines, title="", ax=None):
    """Error of continuations over that of the exact mean, against how far ahead they look.

    The first three are from `tables.growth`; bands are ranges over trainings.
    """
    ax = axes_or_new(ax)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1.6, label="exact mean")
    for name, error in baselines.items():
        ax.plot(horizons, error, color=BASELINE_COLOR, ls=BASELINE_LINES[name], label=name)
    for size, values in models.items():
        each, color = values[..., 0], SIZE_COLORS[size]
        style = {"ls": SIZE_LINES[size], "marker": SIZE_MARKERS[size], "ms": 3}
        ax.plot(horizons, each.mean(axis=0), color=color, label=size, **style)
        low, high = each.min(axis=0), each.max(axis=0)
        ax.fill_between(horizons, low, high, color=color, alpha=0.2, lw=0)
    ax.set(xscale="log", yscale="log", xlabel="frames ahead", ylabel="error / exact error")
    ax.set_ylim(0.8, 12)  # whoever runs away leaves the panel
    for axis in (ax.xaxis, ax.yaxis):
        ticks_at(axis, [1, 2, 5, 10, 20, 50])
    ax.set_title(title, loc="left")
    ax.grid()
    return ax


def plot_growth_panels(panels, axes):
    """`plot_error_growth` of {title: what `tables.growth` gives}; the last axes hold the legend."""
    *drawn, last = axes.flat
    for ax, (title, found) in zip(drawn, panels.items(), strict=True):
        plot_error_growth(*found, title, ax)
    drawn[1].set_ylabel("")
    last.axis("off")
    last.legend(*drawn[0].get_legend_handles_labels(), loc="center")
    return axes


def plot_trails(trajectories, solver, title="", ax=None):
    """Paths, (n, n_frames, 2), that end in a dot, over the Boltzmann density of a GridSolver.

    The title, "actual" or a size, decides the colour.
    """
    ax = leave_blank(map_axes(axes_or_new(ax)))
    color, density = SIZE_COLORS.get(title, BASELINE_COLOR), solver.stationary_density()
    with np.errstate(divide="ignore"):
        log_density = np.log10(density / density.max())
    levels = [-4, -3, -2, -1, 0]
    # pale without being transparent, so that they are the same on a dark page
    pale = 0.65 + 0.35 * plt.get_cmap(DENSITY_CMAP)([0.125, 0.375, 0.625, 0.875])[:, :3]
    ax.contourf(solver.x, solver.y, log_density.T, levels, colors=pale)
    for path in np.asarray(trajectories):
        ax.plot(*path.T, color=color, lw=0.8)
        ax.plot(*path[-1], marker="o", color=color, mec="black", mew=0.8, ms=5)
    ax.set_xlim(solver.x[0], solver.x[-1])  # the map: what leaves it ends at the edge
    ax.set_ylim(solver.y[0], solver.y[-1])
    ax.set_title(title)
    ax.label_outer()
    return ax
