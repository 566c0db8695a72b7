"""Figures of the generation chapter: trajectories and their continuations, errors, long runs."""

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from .style import (
    BASELINE_COLOR,
    DENSITY_CMAP,
    MODEL_COLOR,
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


def plot_continuation(actual, generated, n_prompt, coordinate, exact=None, color=None, ax=None):
    """One coordinate of a trajectory and of its continuations by a model.

    Parameters
    ----------
    actual : (n_frames, 2) ndarray
        What the simulation did, the end of the prompt included.
    generated : dict of str to (n_frames, 2) ndarray
        Continuations by the length of their prompt, each with the same frames as `actual`. What
        leaves the surroundings of `actual` is cut off.
    n_prompt : int
        Frames of the prompt that are shown.
    coordinate : {0, 1}
        0 for x, 1 for y.
    exact : (horizons, means, variances), optional
        Exact conditional mean of the coordinate at some horizons after the prompt and its
        variance: a black line with a band of one standard deviation.
    color : str, optional
        Of the continuations.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.3)
    frames = np.arange(len(actual)) - n_prompt + 1  # 0 is the last frame of the prompt
    ax.axvspan(frames[0], 0, color="#F0F0F0", lw=0)
    ax.plot(frames, actual[:, coordinate], color=ACTUAL_COLOR, lw=0.9, label="actual")
    if exact is not None:
        horizons, means, variances = exact
        spread = np.sqrt(variances)
        ax.plot(horizons, means, color=REFERENCE_COLOR, lw=1.1, label="exact mean")
        ax.fill_between(
            horizons, means - spread, means + spread, color=REFERENCE_COLOR, alpha=0.1, lw=0
        )
    after = slice(n_prompt - 1, None)  # from the prompt's last frame on
    for (name, path), line in zip(generated.items(), ("-", "--", ":"), strict=False):
        ax.plot(
            frames[after],
            path[after, coordinate],
            color=color or MODEL_COLOR,
            lw=1.5,
            ls=line,
            label=name,
        )
    ax.set_xlim(frames[0], frames[-1])
    low, high = actual[:, coordinate].min(), actual[:, coordinate].max()
    ax.set_ylim(low - 0.8 * (high - low), high + 0.8 * (high - low))  # runaways leave the panel
    ax.set_ylabel("xy"[coordinate])
    return ax


def plot_continuations(actual, runs, n_prompt, exact, axes):
    """The poster's figure: one row for each size, x to the left and y to the right.

    Parameters
    ----------
    actual : (n_frames, 2) ndarray
        End of the prompt and what the simulation did next.
    runs : dict of str to dict of str to (n_frames, 2) ndarray
        Continuations by model size, then by the length of the prompt.
    n_prompt : int
        Frames of the prompt that are shown.
    exact : ExactForecast
        From the prompt's last frame alone; the first of its points is drawn.
    axes : (len(runs), 2) array of matplotlib.axes.Axes

    Returns
    -------
    (len(runs), 2) array of matplotlib.axes.Axes
    """
    for row, (size, generated) in zip(axes, runs.items(), strict=True):
        for coordinate, ax in enumerate(row):
            spread = (
                exact.horizons,
                exact.means[0, :, coordinate],
                exact.variances[0, :, coordinate],
            )
            color = SIZE_COLORS.get(size, MODEL_COLOR)
            plot_continuation(actual, generated, n_prompt, coordinate, spread, color, ax)
            ax.set_title(size, fontsize=8.5, pad=3)
    for ax in axes[-1]:
        ax.set_xlabel("frames after the prompt")
    figure = axes[0, 0].figure
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes


def plot_saved(windows, saved, exact, ax=None):
    """How much better than the last frame one-step forecasts are, by length of the window.

    Parameters
    ----------
    windows : (n,) sequence of int
        Frames of a window.
    saved : dict of str to (n_trainings, n, 3) ndarray
        For each model size: value, low, high. Points and lines are means, bars the range over
        trainings.
    exact : (value, low, high)
        Of the exact conditional mean: a black line with its band over trajectories.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.6)
    ax.axhspan(*exact[1:], color=REFERENCE_COLOR, alpha=0.12, lw=0)
    ax.axhline(exact[0], color=REFERENCE_COLOR, lw=1.4, label="exact mean")
    ax.axhline(0, color=BASELINE_COLOR, ls=":", label="last frame")
    for shift, (size, values) in zip((1, 1.04, 1.08), saved.items(), strict=False):
        each = np.asarray(values)[..., 0]
        mean = each.mean(axis=0)
        ax.errorbar(
            np.asarray(windows) * shift,
            mean,
            [mean - each.min(axis=0), each.max(axis=0) - mean],
            color=SIZE_COLORS.get(size, MODEL_COLOR),
            ls=SIZE_LINES.get(size, "-"),
            marker=SIZE_MARKERS.get(size, "o"),
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

    Parameters
    ----------
    horizons : (n,) ndarray
        Frames ahead.
    models : dict of str to (mean, low, high), each (n,) ndarray
        By model size, with their bands.
    baselines : dict of str to (n,) ndarray
        Of forecasts without a model.
    title : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1.6, label="exact mean")
    for name, error in baselines.items():
        line = BASELINE_LINES.get(name, "-.")
        ax.plot(horizons, error, color=BASELINE_COLOR, ls=line, label=name)
    for size, (mean, low, high) in models.items():
        color = SIZE_COLORS.get(size, MODEL_COLOR)
        ax.plot(horizons, mean, color=color, ls=SIZE_LINES.get(size, "-"), label=size)
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
    ax.set_xlim(x[0], x[-1])  # the map: what leaves it ends at the edge
    ax.set_ylim(y[0], y[-1])
    ax.set_xlabel("x (reduced length)")
    ax.set_ylabel("y (reduced length)")
    ax.set_title(title)
    return ax
