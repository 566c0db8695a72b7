"""Figures of the generation chapter: trajectories and their continuations, errors, long runs."""

import numpy as np

from .style import (
    BASELINE_COLOR,
    DENSITY_CMAP,
    MODEL_COLOR,
    PALETTE,
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
#: Colour and line style by frames per step, in ascending order.
BLOCK_COLORS = (MODEL_COLOR, PALETTE["blue"], PALETTE["vermillion"])
BLOCK_LINES = ("-", "--", "-.")


def plot_continuation(actual, generated, n_prompt, coordinate, exact=None, color=None, ax=None):
    """One coordinate of a trajectory and of its continuation by the model.

    Parameters
    ----------
    actual : (n_frames, 2) ndarray
        What the simulation did, prompt included.
    generated : (n_frames, 2) ndarray
        From `generation.generate`, prompt included. What leaves the surroundings of `actual` is
        cut off.
    n_prompt : int
        Frames of the prompt.
    coordinate : {0, 1}
        0 for x, 1 for y.
    exact : (horizons, means, variances), optional
        Exact conditional mean of the coordinate at some horizons after the prompt and its
        variance: a black line with a band of one standard deviation.
    color : str, optional
        Of the continuation.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.3)
    frames = np.arange(len(actual))
    ax.axvspan(0, n_prompt - 1, color="#F0F0F0", lw=0)
    ax.plot(frames, actual[:, coordinate], color=ACTUAL_COLOR, lw=0.9, label="actual")
    if exact is not None:
        horizons, means, variances = exact
        at, spread = n_prompt - 1 + np.asarray(horizons), np.sqrt(variances)
        ax.plot(at, means, color=REFERENCE_COLOR, lw=1.1, label="exact mean")
        ax.fill_between(at, means - spread, means + spread, color=REFERENCE_COLOR, alpha=0.1, lw=0)
    after = slice(n_prompt - 1, None)  # from the prompt's last frame on
    ax.plot(
        frames[after],
        generated[after, coordinate],
        color=color or MODEL_COLOR,
        lw=1.5,
        label="generated",
    )
    ax.set_xlim(0, len(actual) - 1)
    low, high = actual[:, coordinate].min(), actual[:, coordinate].max()
    ax.set_ylim(low - 0.8 * (high - low), high + 0.8 * (high - low))  # runaways leave the panel
    ax.set_ylabel("xy"[coordinate])
    return ax


def plot_continuations(actual, runs, n_prompt, exact, axes):
    """The poster's figure: one row for each run, x to the left and y to the right.

    Parameters
    ----------
    actual : (n_frames, 2) ndarray
        Prompt and what the simulation did next.
    runs : dict of (str, int) to (n_frames, 2) ndarray
        Continuations by (model size, frames per step).
    n_prompt : int
    exact : ExactForecast
        From the prompt's last frame alone; the first of its points is drawn.
    axes : (len(runs), 2) array of matplotlib.axes.Axes

    Returns
    -------
    (len(runs), 2) array of matplotlib.axes.Axes
    """
    for row, ((size, per_step), generated) in zip(axes, runs.items(), strict=True):
        for coordinate, ax in enumerate(row):
            spread = (
                exact.horizons,
                exact.means[0, :, coordinate],
                exact.variances[0, :, coordinate],
            )
            color = SIZE_COLORS.get(size, MODEL_COLOR)
            plot_continuation(actual, generated, n_prompt, coordinate, spread, color, ax)
            ax.set_title(f"{size}, {per_step} per step", fontsize=8.5, pad=3)
    for ax in axes[-1]:
        ax.set_xlabel("frame")
    figure = axes[0, 0].figure
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def plot_skill(lengths, skills, exact, ax=None):
    """How much better than the last frame one-step forecasts are, by length of the window.

    Parameters
    ----------
    lengths : (n,) sequence of int
        Frames of a window.
    skills : dict of str to (n, 3) ndarray
        For each model size: value, low, high.
    exact : (value, low, high)
        Of the exact conditional mean on the same trajectories: a black line with its band.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.6)
    ax.axhspan(*exact[1:], color=REFERENCE_COLOR, alpha=0.12, lw=0)
    ax.axhline(exact[0], color=REFERENCE_COLOR, lw=1.4, label="exact mean")
    ax.axhline(0, color=BASELINE_COLOR, ls=":", label="last frame")
    for shift, (size, values) in zip((1, 1.04, 1.08), skills.items(), strict=False):
        value, low, high = np.asarray(values).T
        ax.errorbar(
            np.asarray(lengths) * shift,
            value,
            np.maximum([value - low, high - value], 0),
            color=SIZE_COLORS.get(size, MODEL_COLOR),
            ls=SIZE_LINES.get(size, "-"),
            marker=SIZE_MARKERS.get(size, "o"),
            capsize=2,
            label=size,
        )
    ax.set_xscale("log")
    ax.set_xticks(lengths, lengths)
    ax.minorticks_off()
    ax.set_xlabel("frames in the window")
    ax.set_ylabel("error saved")
    ax.legend()
    return ax


def plot_error_growth(horizons, models, baselines, floor, ax=None):
    """Mean squared error of forecasts against how far ahead they look.

    Parameters
    ----------
    horizons : (n,) ndarray
        Frames ahead.
    models : dict of str to (mean, low, high), each (n,) ndarray
        Errors of models with their bands; a name that begins with a model size takes its colour.
    baselines : dict of str to (n,) ndarray
        Errors of forecasts without a model.
    floor : (n,) ndarray
        Exact floor, in black: nothing lies below it on average.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    ax.plot(horizons, floor, color=REFERENCE_COLOR, lw=1.6, label="exact floor")
    for name, error in baselines.items():
        line = BASELINE_LINES.get(name, "-.")
        ax.plot(horizons, error, color=BASELINE_COLOR, ls=line, label=name)
    for number, (name, (mean, low, high)) in enumerate(models.items()):
        size = name.split(",")[0]
        color = SIZE_COLORS.get(size, BLOCK_COLORS[number % len(BLOCK_COLORS)])
        ax.plot(horizons, mean, color=color, ls=SIZE_LINES.get(size, "-"), label=name)
        ax.fill_between(horizons, low, high, color=color, alpha=0.2, lw=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(top=min(ax.get_ylim()[1], 30 * max(floor)))  # whoever runs away leaves the panel
    ax.set_xlabel("frames ahead")
    ax.set_ylabel("mean squared error (length²)")
    ax.grid(which="major")
    return ax


def plot_density_of_coordinate(edges, exact, histograms, coordinate=0, ax=None):
    """Where long trajectories spend their time, along one coordinate, beside the exact density.

    Parameters
    ----------
    edges : (n_bins + 1,) ndarray
    exact : (n_bins,) ndarray
        Boltzmann density of the coordinate, 1/length.
    histograms : dict of str to (n_bins,) ndarray
        Densities of simulated and generated frames.
    coordinate : {0, 1}
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    middle = (edges[1:] + edges[:-1]) / 2
    ax.fill_between(middle, exact, color=REFERENCE_COLOR, alpha=0.12, lw=0)
    ax.plot(middle, exact, color=REFERENCE_COLOR, lw=1.2, label="Boltzmann")
    number = 0
    for name, density in histograms.items():
        if name == "actual":
            color, line = ACTUAL_COLOR, "-"
        else:
            color, line = BLOCK_COLORS[number % 3], BLOCK_LINES[number % 3]
            number += 1
        ax.stairs(density, edges, color=color, ls=line, lw=1.4, label=name)
    visited = middle[exact > 1e-4 * exact.max()]
    ax.set_xlim(visited[0], visited[-1])
    ax.set_xlabel(f"{'xy'[coordinate]} (reduced length)")
    ax.set_ylabel("density")
    return ax


def plot_trails(trajectories, x, y, density, title="", color=None, ax=None):
    """Paths in the plane over the Boltzmann density.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) ndarray
        Drawn as thin lines that end in a dot.
    x : (n_x,) ndarray
    y : (n_y,) ndarray
    density : (n_x, n_y) ndarray
        Stationary density on the nodes.
    title : str
    color : str, optional
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.4, aspect=1.0)
    with np.errstate(divide="ignore"):
        log_density = np.log10(density / density.max())
    levels = [-4, -3, -2, -1, 0]
    ax.contourf(x, y, log_density.T, levels, cmap=DENSITY_CMAP, alpha=0.35, extend="neither")
    for path in trajectories:
        ax.plot(*path.T, color=color or MODEL_COLOR, lw=0.6, alpha=0.8)
        ax.plot(*path[-1], marker="o", color=color or MODEL_COLOR, mec="black", mew=0.6, ms=4)
    ax.set_aspect("equal")
    ax.set_xlim(-2.4, 1.2)  # the plateau beyond the start box, where some trajectories dwell
    ax.set_ylim(-0.4, 2.2)
    ax.set_xlabel("x (reduced length)")
    ax.set_ylabel("y (reduced length)")
    ax.set_title(title)
    return ax
