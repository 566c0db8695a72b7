"""Figures of the potential, of exact fields over it, and of exact limits."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from .pictures import leave_blank
from .style import (
    BASELINE_COLOR,
    COMMITTOR_CMAP,
    DENSITY_CMAP,
    ENERGY_CMAP,
    MODEL_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    STATE_COLORS,
    STATE_MARKERS,
    axes_or_new,
    figure_size,
    map_axes,
)

_X_RANGE, _Y_RANGE = (-1.6, 1.3), (-0.4, 2.1)
_LINES = ("-", "--", "-.", ":")


def _framed(ax):
    ax.set(xlim=_X_RANGE, ylim=_Y_RANGE)
    return map_axes(ax)


def _add_bar(filled, ax, label, ticks, **options):
    bar = ax.figure.colorbar(filled, ax=ax, label=label, ticks=ticks, **options)
    bar.outline.set_visible(False)


def plot_surface(x, y, energy, points=None, box=None, ridge=None, highest=100.0, ax=None):
    """Potential energy as filled contours, blank above `highest`, with stationary `points`, the
    `box` of starts and the (n, 2) `ridge` between the states, where given."""
    ax = leave_blank(_framed(axes_or_new(ax, width=0.85, aspect=0.72)))
    levels = np.linspace(np.floor(np.min(energy) / 10) * 10, highest, 26)
    shown = np.ma.masked_greater(np.transpose(energy), highest)
    filled = ax.contourf(x, y, shown, levels=levels, cmap=ENERGY_CMAP)
    ax.contour(x, y, shown, levels=levels, colors="white", linewidths=0.3, alpha=0.6)
    _add_bar(filled, ax, "V (reduced energy)", np.arange(-150, 101, 50))
    if ridge is not None:
        rim = [withStroke(linewidth=2.6, foreground="#444444")]  # seen on white, too
        ax.plot(*np.transpose(ridge), color="white", lw=1.4, ls="--", path_effects=rim)
    if box is not None:
        (x_min, y_min), (x_max, y_max) = box
        frame = Rectangle((x_min, y_min), x_max - x_min, y_max - y_min)
        frame.set(fill=False, edgecolor=BASELINE_COLOR, lw=1.0, ls=":")
        ax.add_patch(frame)
    for name, point in () if points is None else points.iterrows():
        is_saddle = " to " in name
        ax.plot(point["x"], point["y"], "X" if is_saddle else "o", ms=7, mec="black", mfc="white")
        ax.annotate(
            name, (point["x"], point["y"]), (6, 6), textcoords="offset points", color="white",
            fontweight="bold",
        )  # fmt: skip
    return ax


def plot_free_energy(x, y, free_energy, highest=12.0, ax=None):
    """Free energy of a density in kT above its minimum, blank above `highest`."""
    ax = leave_blank(_framed(axes_or_new(ax, width=0.6, aspect=0.9)))
    levels = np.linspace(0, highest, 25)
    shown = np.ma.masked_greater(np.transpose(free_energy), highest)
    filled = ax.contourf(x, y, shown, levels=levels, cmap=f"{DENSITY_CMAP}_r")
    _add_bar(filled, ax, "$-\\ln p/p_{max}$", np.arange(0, highest + 1, 3), shrink=0.75)
    return ax


def plot_committor(
    x, y, committor, disks=(), isolines=(0.1, 0.5, 0.9), seen=None, ax=None, has_bar=True
):
    """A probability of B as a map, with labelled black `isolines`; blank where the field `seen` is
    False; `disks`, (centre, radius) of A and of B, as circles."""
    ax = _framed(axes_or_new(ax, width=0.6, aspect=0.9))
    shown = np.transpose(committor)
    if seen is not None:
        leave_blank(ax)
        shown = np.ma.masked_where(~np.transpose(seen), shown)
    levels = np.linspace(0, 1, 21)
    filled = ax.contourf(x, y, shown, levels=levels, cmap=COMMITTOR_CMAP)
    if len(isolines):
        lines = ax.contour(x, y, shown, levels=isolines, colors=REFERENCE_COLOR, linewidths=1.0)
        # each label where its line is closest to the middle of the map, clear of the frame
        vertices = [np.concatenate(segments) for segments in lines.allsegs if segments]
        middle = np.array([np.mean(ax.get_xlim()), np.mean(ax.get_ylim())])
        places = [v[np.square(v - middle).sum(axis=1).argmin()] for v in vertices]
        ax.clabel(lines, fmt="%.2g", fontsize="small", manual=places)
    for (centre, radius), color in zip(disks, STATE_COLORS, strict=False):
        ax.add_patch(Circle(centre, radius, fc=color, ec="black", lw=0.8))
    if has_bar:
        _add_bar(filled, ax, "probability of B", [0, 0.25, 0.5, 0.75, 1], shrink=0.75)
    return ax


def plot_committors(fields, aspect):
    """Maps side by side that share axes and colour bar: {title: arguments of `plot_committor`}."""
    fig, axes = plt.subplots(1, len(fields), figsize=figure_size(1.0, aspect), sharey=True)
    for ax, (title, options) in zip(axes, fields.items(), strict=True):
        plot_committor(**options, ax=ax, has_bar=False)
        ax.set_title(title)
        ax.label_outer()
    ticks = [0, 0.25, 0.5, 0.75, 1]
    colors = ScalarMappable(Normalize(0, 1), COMMITTOR_CMAP)
    fig.colorbar(colors, ax=axes, label="probability of B", ticks=ticks).outline.set_visible(False)
    return axes


def plot_timescales(timescales, frame_time, trajectory_time, ax=None):
    """Slowest relaxation times, between the times of one frame and of one trajectory."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    for time, label in ((frame_time, "one frame"), (trajectory_time, "one trajectory")):
        ax.axhline(time, color=BASELINE_COLOR, lw=1.0, ls="--")
        ax.annotate(
            label, (1, time), (-2, 3), xycoords=("axes fraction", "data"), ha="right",
            textcoords="offset points", fontsize="small", color=BASELINE_COLOR,
        )  # fmt: skip
    order = np.arange(1, len(timescales) + 1)
    ax.plot(order, timescales, "o", color=REFERENCE_COLOR)
    ax.set(yscale="log", xlabel="relaxation mode", ylabel="timescale (reduced time)")
    ax.set_xticks(order)
    ax.margins(x=0.15, y=0.15)
    return ax


def plot_convergence(changes, ax=None):
    """Table of `refinement`: changes by grid step, with the slope of second order."""
    ax = axes_or_new(ax, width=0.7, aspect=0.65)
    markers = ("o", "s", "^", "D")
    colors = [PALETTE[name] for name in ("orange", "brown", "grey")] + ["#C9B458"]
    for k, (name, column) in enumerate(changes.items()):
        ax.plot(changes.index, column, _LINES[k] + markers[k], color=colors[k], label=name)
    steps = np.array(changes.index, dtype=float)
    guide = changes.to_numpy()[-1].max() * 1.8 * (steps / steps[-1]) ** 2
    ax.plot(steps, guide, color=REFERENCE_COLOR, lw=1.0, label="second order")
    ax.set(xscale="log", yscale="log", xlabel="grid step h (reduced length)")
    ax.set_ylabel("change from h to h/2")
    ax.set_xticks(steps, [f"{step:g}" for step in steps], minor=False)
    ax.minorticks_off()
    ax.legend()
    return ax


def plot_forecast_error(errors, ax=None):
    """Table of `forecast_errors`: squared error by how far forecasts look ahead."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    ax.plot(errors.index, errors.iloc[:, 0], color=REFERENCE_COLOR, label=errors.columns[0])
    for name, line in zip(errors.columns[1:], _LINES[1:], strict=False):
        ax.plot(errors.index, errors[name], line, color=BASELINE_COLOR, label=name)
    ax.set(xscale="log", yscale="log", xlabel="frames ahead")
    ax.set_ylabel("mean squared error (reduced length²)")
    ax.legend()
    return ax


def plot_label_knowledge(frames, curves, simulated=None, ax=None):
    """Best accuracy for a label against the frame one begins to look at: exact `curves` by label,
    and `simulated` ones as pairs of accuracy and its error."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    # Frame 0 has a place on the logarithmic axis, one decade below frame 1.
    place = np.where(np.asarray(frames) == 0, 0.3, frames)
    for (name, accuracy), line in zip(curves.items(), _LINES, strict=False):
        ax.plot(place, accuracy, line, color=REFERENCE_COLOR, label=name)
    for k, (name, (accuracy, error)) in enumerate((simulated or {}).items()):
        ax.errorbar(
            place, accuracy, error, fmt=STATE_MARKERS[k], ms=3.5, lw=1.0, color=MODEL_COLOR,
            label=f"{name}, simulated",
        )  # fmt: skip
    ax.set(xscale="log", xlabel="frame t", ylabel="accuracy of the best guess", ylim=(0.45, 1.02))
    ax.axhline(0.5, color=BASELINE_COLOR, lw=1.0, ls=":")
    decades = [10**k for k in range(4) if 10**k <= max(frames)]
    ax.set_xticks([0.3, *decades], ["0", *map(str, decades)])
    ax.minorticks_off()
    return ax
