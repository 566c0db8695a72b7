"""Figures of the collective variable chapter: layers, errors, calibration, memory."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .style import (
    BASELINE_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    axes_or_new,
)

#: The two kinds of dynamics of the memory figure.
DYNAMICS_COLORS = {"overdamped": PALETTE["green"], "underdamped": PALETTE["purple"]}
DYNAMICS_MARKERS = {"overdamped": "o", "underdamped": "s"}


def _plain_ticks(axis):
    # 0.01, 0.03, 0.1: powers of ten are too far apart, and all digits too close together
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axis.set_minor_formatter(NullFormatter())


def plot_errors(errors, sizes=(), hollow=(), best=None, ax=None):
    """Errors of several methods, one row each: every training, and the interval of their mean.

    Parameters
    ----------
    errors : dict of str to Estimate
        From top to bottom.
    sizes : dict of str to str, optional
        Of the methods that read encodings, the size of the model: its colour and marker. All others
        are grey.
    hollow : collection of str
        Methods whose markers are open.
    best : Estimate, optional
        The least error possible: a black line, with a band for its interval.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, sizes = axes_or_new(ax, width=0.5, aspect=1.1), dict(sizes)
    for height, (name, error) in enumerate(errors.items()):
        size = sizes.get(name)
        color = SIZE_COLORS.get(size, BASELINE_COLOR)
        ax.plot([error.low, error.high], [height, height], color=color, lw=1.2, zorder=1)
        ax.plot(
            error.trainings, [height] * len(error.trainings), ls="", color=color,
            marker=SIZE_MARKERS.get(size, "D"), mfc="white" if name in hollow else color,
        )  # fmt: skip
    if best is not None:
        ax.axvline(best.value, color=REFERENCE_COLOR, lw=1.2)
        ax.axvspan(best.low, best.high, color=REFERENCE_COLOR, alpha=0.15, lw=0)
    ax.set_yticks(range(len(errors)), list(errors))
    ax.set_ylim(len(errors) - 0.5, -0.5)
    ax.set_xscale("log")
    _plain_ticks(ax.xaxis)
    ax.grid(axis="x")
    return ax


def plot_layers(values, references=(), best=None, ax=None):
    """A number for each layer of each size, with what needs no transformer as lines.

    Parameters
    ----------
    values : dict of str to (n_layers + 1, 3) array_like
        For each size: mean, least and greatest over trainings, for the embedding and each layer.
    references : dict of str to float, optional
        Horizontal grey lines.
    best : float, optional
        The least value possible: a black line.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.9)
    for size, rows in values.items():
        value, low, high = np.asarray(rows, dtype=float).T
        depth = np.linspace(0, 1, len(value))  # sizes have different numbers of layers
        ax.plot(
            depth, value, color=SIZE_COLORS[size], ls=SIZE_LINES[size], marker=SIZE_MARKERS[size],
            label=size,
        )  # fmt: skip
        ax.fill_between(depth, low, high, color=SIZE_COLORS[size], alpha=0.25, lw=0)
    for style, (name, value) in zip(("--", ":", "-."), dict(references).items(), strict=False):
        ax.axhline(value, color=BASELINE_COLOR, ls=style, lw=1.2, label=name)
    if best is not None:
        ax.axhline(best, color=REFERENCE_COLOR, lw=1.2, label="best possible")
    ax.set_xticks([0, 1], ["embedding", "last layer"])
    ax.set_xlabel("depth")
    ax.set_yscale("log")
    _plain_ticks(ax.yaxis)
    return ax


def plot_calibration(curves, ax=None):
    """Mean predicted against exact committor, with a band for the spread.

    Parameters
    ----------
    curves : dict of str to dict
        From `calibration_curve`; names of sizes are drawn in their colours, "best possible" in
        black, others in grey.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.9)
    ax.plot([0, 1], [0, 1], color=REFERENCE_COLOR, lw=0.8, label="exact")
    for name, curve in curves.items():
        other = REFERENCE_COLOR if name == "best possible" else BASELINE_COLOR
        color = SIZE_COLORS.get(name, other)
        ax.plot(
            curve["committor"], curve["mean"], color=color, ls=SIZE_LINES.get(name, ":"),
            marker=SIZE_MARKERS.get(name, "D"), label=name,
        )  # fmt: skip
        ax.fill_between(
            curve["committor"], curve["low"], curve["high"], color=color, alpha=0.15, lw=0
        )
    ax.set_xlabel("exact committor $q$")
    ax.set_ylabel("predicted")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    return ax


def plot_memory(curves, quantity, bounds, free_flight=None, ax=None):
    """Held-out error against window length, between the exact limits.

    Parameters
    ----------
    curves : dict of str to pandas.DataFrame
        From `memory_curve`, for "overdamped" and "underdamped".
    quantity : {"outcome", "next_frame"}
    bounds : dict of str to dict of str to (float, float)
        For each dynamics, exact limits and their standard errors by what is known: a black line
        each, with a band of 95 %.
    free_flight : dict of int to float, optional
        Exact errors without a force, by window length: a dotted black line.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.9)
    for name, table in curves.items():
        rows = table[table.window_length > 0]
        color, marker = DYNAMICS_COLORS[name], DYNAMICS_MARKERS[name]
        ax.errorbar(
            rows.window_length, rows[quantity], yerr=1.96 * rows[f"{quantity}_error"],
            color=color, marker=marker, capsize=2, label=name,
        )  # fmt: skip
        for style, (known, (value, error)) in zip(("-", "--"), bounds[name].items(), strict=False):
            label = f"limit given {known}"
            is_new = label not in ax.get_legend_handles_labels()[1]
            ax.axhline(
                value, color=REFERENCE_COLOR, ls=style, lw=1.0, label=label if is_new else None
            )
            ax.axhspan(
                value - 1.96 * error, value + 1.96 * error, color=REFERENCE_COLOR, alpha=0.1, lw=0
            )
    if free_flight is not None:
        ax.plot(
            list(free_flight), list(free_flight.values()), color=REFERENCE_COLOR, ls=":", lw=1.3,
            zorder=3, label="free flight, exact",
        )  # fmt: skip
    ax.set_xscale("log", base=2)
    lengths = np.concatenate([table.window_length for table in curves.values()])
    ticks = [int(length) for length in np.unique(lengths[lengths > 0])]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("frames in the window")
    return ax
