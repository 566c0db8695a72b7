"""Figures of the collective variable chapter."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..statistics import Z
from .style import (
    BASELINE_COLOR,
    COMMITTOR_CMAP,
    MODEL_COLOR,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    map_axes,
)

#: Markers, lines and colours of the two kinds of dynamics.
DYNAMICS = {"overdamped": ("o-", MODEL_COLOR), "underdamped": ("s--", "#7A4A00")}


def _plain_ticks(axis):
    # 0.01, 0.03, 0.1 where there is room for more than powers of ten
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high < 100 * low else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axis.set_minor_formatter(NullFormatter())


def plot_errors(errors, methods, best, constant, ax):
    """Errors of several methods, a row each: every training, and the mean's interval.

    Those that read encodings have the colour and marker of their size, open if the model is not
    trained or not told the truth. The error called `best` is a black line with a band.
    """
    rows = {name: error for name, error in errors.items() if name != best}
    for height, (name, error) in enumerate(rows.items()):
        size, is_trained = methods[name].size, methods[name].is_trained
        color = SIZE_COLORS.get(size, BASELINE_COLOR)
        ax.plot([error.low, error.high], [height, height], color=color, lw=1.2, zorder=1)
        ax.plot(
            error.trainings, [height] * len(error.trainings), ls="", color=color,
            marker=SIZE_MARKERS.get(size, "D"), mfc="white" if size and not is_trained else color,
        )  # fmt: skip
    ax.axvline(errors[best].value, color=REFERENCE_COLOR, lw=1.2)
    ax.axvspan(errors[best].low, errors[best].high, color=REFERENCE_COLOR, alpha=0.15, lw=0)
    ax.axvline(constant, color=REFERENCE_COLOR, lw=1.0, ls="--")
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xscale("log")
    _plain_ticks(ax.xaxis)
    ax.grid(axis="x")


def plot_layers(values, references, best, ax):
    """A number for each layer, {size: (n_layers + 1, 3) of mean, least, greatest}.

    `references` are {name: value}, grey lines; `best`, the least possible, is a black one.
    """
    for size, rows in values.items():
        value, low, high = np.asarray(rows, dtype=float).T
        depth = np.linspace(0, 1, len(value))  # sizes have different numbers of layers
        ax.plot(
            depth, value, color=SIZE_COLORS[size], ls=SIZE_LINES[size], marker=SIZE_MARKERS[size],
            label=size,
        )  # fmt: skip
        ax.fill_between(depth, low, high, color=SIZE_COLORS[size], alpha=0.25, lw=0)
    for style, (name, value) in zip(("--", ":", "-."), references.items(), strict=False):
        ax.axhline(value, color=BASELINE_COLOR, ls=style, lw=1.2, label=name)
    ax.axhline(best, color=REFERENCE_COLOR, lw=1.2, label="best possible")
    ax.set_xticks([0, 1], ["embedding", "last layer"])
    ax.set_xlabel("depth")
    ax.set_yscale("log")
    _plain_ticks(ax.yaxis)


def plot_calibration(curves, ax):
    """Mean predicted against exact committor, with a band for the spread.

    Sizes have their colours, "best possible" is black, all others are grey.
    """
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
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, columnspacing=1.0)


def plot_isolines(learned, exact, extent, ax):
    """Isolines q = 0.1, 0.3, ..., 0.9 of two fields, (n_y, n_x), on a map of the exact one.

    `extent` is of x and of y, ((low, high), (low, high)).
    """
    x, y = (np.linspace(*ends, n) for ends, n in zip(extent, np.shape(exact)[::-1], strict=True))
    levels = np.arange(0.1, 1, 0.2)
    ax.contourf(x, y, np.clip(exact, 0, 1), np.linspace(0, 1, 21), cmap=COMMITTOR_CMAP, alpha=0.6)
    ax.contour(x, y, exact, levels, colors=REFERENCE_COLOR, linewidths=2.2)
    ax.contour(x, y, learned, levels, colors=MODEL_COLOR, linewidths=1.2, linestyles="--")
    ax.plot([], [], color=REFERENCE_COLOR, lw=2.2, label="exact")
    ax.plot([], [], color=MODEL_COLOR, lw=1.2, ls="--", label="network")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2)
    return map_axes(ax)


def plot_errors_by_temperature(errors, published, ax):
    """Errors of every network by kT, {label: {kT: [...]}}, and published ones, {label: {kT: e}}."""
    for (label, values), marker in zip(errors.items(), "os", strict=False):
        for kT, found in values.items():
            ax.plot([kT] * len(found), found, ls="", marker=marker, color=MODEL_COLOR, label=label)
            label = None
    for (label, values), marker in zip(published.items(), "os", strict=False):
        ax.plot(
            values.keys(), values.values(), ls=":", marker=marker, mfc="white",
            color=BASELINE_COLOR, label=label,
        )  # fmt: skip
    ax.set_yscale("log")
    _plain_ticks(ax.yaxis)
    ax.set_xticks(sorted({kT for values in errors.values() for kT in values}))
    ax.set_xlabel("$kT$ (reduced energy)")
    ax.grid(axis="y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), handletextpad=0.5)


def plot_memory(curves, limits, quantity, ax, free_flight=None):
    """Held-out error, "outcome" or "next_frame", against window length, between the exact limits.

    `curves` and `limits` are from `past_windows.compare_dynamics`; limits have bands of 95 %.
    `free_flight` holds exact errors without a force, by window length.
    """
    for name, table in curves.items():
        rows, (line, color) = table[table.window_length > 0], DYNAMICS[name]
        ax.errorbar(
            rows.window_length, rows[quantity], yerr=Z * rows[f"{quantity}_error"],
            fmt=line, color=color, capsize=2, label=name,
        )  # fmt: skip
        for style, (known, limit) in zip(("-", "--"), limits[name].items(), strict=False):
            (value, error), label = limit[quantity], f"limit given {known}"
            if label in ax.get_legend_handles_labels()[1]:
                label = None
            ax.axhline(value, color=REFERENCE_COLOR, ls=style, lw=1.0, label=label)
            ax.axhspan(value - Z * error, value + Z * error, color=REFERENCE_COLOR, alpha=0.1, lw=0)
    if free_flight is not None:
        ax.plot(
            list(free_flight), list(free_flight.values()), color=REFERENCE_COLOR, ls=":", lw=1.3,
            zorder=3, label="free flight, exact",
        )  # fmt: skip
    if quantity == "next_frame":
        ax.set_yscale("log")
        _plain_ticks(ax.yaxis)
    ax.set_xscale("log", base=2)
    lengths = np.concatenate([table.window_length for table in curves.values()])
    ticks = [int(length) for length in np.unique(lengths[lengths > 0])]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("frames in the window")
