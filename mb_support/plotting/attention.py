"""Figures of the attention chapter. Weights are in units of the uniform weight throughout."""

import numpy as np
from matplotlib.colors import LogNorm

from .style import (
    ATTENTION_CMAP,
    BASELINE_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    STATE_COLORS,
    STATE_NAMES,
    axes_or_new,
)

#: Range of the colours of attention maps: a tenth of the uniform weight to thirty times it.
MAP_RANGE = (0.1, 30.0)
_BAR_LABEL = "attention (1 = uniform)"


def plot_map(weights, start=0, stop=None, title=None, ax=None):
    """One attention map: rows attend, columns are attended to.

    Parameters
    ----------
    weights : (n, n) ndarray of float
    start, stop : int
        First frame shown and the one after the last; by default 0 and n.
    title : str, optional
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=1.0)
    stop = len(weights) if stop is None else stop
    ax.imshow(
        np.clip(weights, *MAP_RANGE),
        norm=LogNorm(*MAP_RANGE),
        cmap=ATTENTION_CMAP,
        extent=(start, stop, stop, start),
        interpolation="nearest",
        rasterized=True,
    )
    ax.set_title(title)
    return ax


def plot_maps(maps, axes, titles, starts=None, stops=None):
    """Many attention maps with one scale of colours and one colour bar.

    Parameters
    ----------
    maps : sequence of (n, n) ndarray of float
    axes : ndarray of Axes
        At least as many as maps; those left over are switched off.
    titles : sequence of str
    starts, stops : sequence of int, optional
        As for `plot_map`.

    Returns
    -------
    ndarray of Axes
    """
    flat = np.ravel(axes)
    starts = [0] * len(maps) if starts is None else starts
    stops = [None] * len(maps) if stops is None else stops
    for ax, weights, title, start, stop in zip(flat, maps, titles, starts, stops, strict=False):
        plot_map(weights, start, stop, title, ax)
        ax.tick_params(labelsize=6, length=2, pad=1)
        ax.title.set(fontsize=8, fontweight="normal")
        if start == 0 and starts[0] == starts[-1]:
            ax.label_outer()  # all maps show the same frames
    for ax in flat[len(maps) :]:
        ax.axis("off")
    figure = flat[0].figure
    bar = figure.colorbar(flat[0].images[0], ax=list(flat), label=_BAR_LABEL, shrink=0.7, aspect=30)
    bar.outline.set_visible(False)
    figure.supxlabel("frame attended to", fontsize=9)
    figure.supylabel("frame that attends", fontsize=9)
    return axes


def _style_of(name):
    # sizes keep their colour; the control is grey and dotted
    size = name.split()[0]
    if "untrained" in name:
        return dict(color=BASELINE_COLOR, ls=":")
    return dict(color=SIZE_COLORS.get(size, BASELINE_COLOR), ls=SIZE_LINES.get(size, "-"))


def _labels(names):
    # what the legend says of each name: the control, grey for every size, once
    labels = [name if "untrained" not in name else "untrained" for name in names]
    return [label if label not in labels[:k] else None for k, label in enumerate(labels)]


def _legend_below(ax, ncols=4):
    # under the axes, where it covers nothing
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=ncols)


def plot_by_difference(profiles, ax=None):
    """Mean attention against time difference, with the uniform weight in black.

    Parameters
    ----------
    profiles : dict of str to (mean, low, high)
        Arrays of odd length, centred on difference zero.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.5)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    for (name, (mean, low, high)), label in zip(profiles.items(), _labels(profiles), strict=True):
        reach = len(mean) // 2
        frames = np.arange(-reach, reach + 1)
        ax.fill_between(frames, low, high, color=_style_of(name)["color"], alpha=0.25, lw=0)
        ax.plot(frames, mean, label=label, **_style_of(name))
    ax.axvline(0, color=BASELINE_COLOR, lw=0.6)
    ax.set(xlabel="time difference (frames; past < 0 < future)", ylabel=_BAR_LABEL)
    ax.legend()
    return ax


def plot_sections(profiles, ax=None):
    """Attention against time difference in each sub-section of one trajectory.

    Parameters
    ----------
    profiles : (n_sections, 2 n - 1) ndarray of float
        Coloured from the first sub-section (dark) to the last (light).
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.7)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    reach = profiles.shape[1] // 2
    for k, profile in enumerate(profiles):
        shade = 0.75 * k / max(1, len(profiles) - 1)
        ax.plot(np.arange(-reach, reach + 1), profile, color=(shade,) * 3, lw=1)
    ax.set(xlabel="time difference (frames)", ylabel=_BAR_LABEL)
    ax.label_outer()
    return ax


def plot_lorenz(curves, ax=None):
    """Share of the attention received by the most attended frames.

    Parameters
    ----------
    curves : dict of str to (mean, low, high)
        Arrays of length n_frames + 1.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.8)
    ax.plot([0, 1], [0, 1], color=REFERENCE_COLOR, lw=1, label="uniform")
    for (name, (mean, low, high)), label in zip(curves.items(), _labels(curves), strict=True):
        share = np.linspace(0, 1, len(mean))
        ax.fill_between(share, low, high, color=_style_of(name)["color"], alpha=0.25, lw=0)
        ax.plot(share, mean, label=label, **_style_of(name))
    ax.set(xlabel="share of frames, most attended first", ylabel="share of attention received")
    ax.legend(loc="lower right")
    return ax


def plot_head_counts(counts, ax=None):
    """How many frames each head attends to, layer by layer.

    Parameters
    ----------
    counts : dict of str to (layers, heads) ndarray of float
        One row of points for each name, layers from left to right.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.45)
    for k, ((name, values), label) in enumerate(zip(counts.items(), _labels(counts), strict=True)):
        layers = np.repeat(np.arange(1, len(values) + 1), values.shape[1])
        shift = (k - (len(counts) - 1) / 2) * 0.8 / len(counts)
        size = name.split()[0]
        is_control = "untrained" in name
        ax.plot(
            layers + shift,
            values.ravel(),
            ls="",
            marker="x" if is_control else SIZE_MARKERS.get(size, "o"),
            color=BASELINE_COLOR if is_control else SIZE_COLORS.get(size),
            alpha=0.8,
            label=label,
        )
    ax.set(xlabel="layer", ylabel="frames attended to by a query", yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="y")
    _legend_below(ax)
    return ax


def plot_received(trajectory, received, states, axes):
    """A trajectory and what its frames receive: along time, and in the plane.

    Parameters
    ----------
    trajectory : (n_frames, 2) ndarray of float
    received : (n_frames,) ndarray of float
    states : (n_frames,) ndarray of int
    axes : sequence of 2 Axes

    Returns
    -------
    sequence of Axes
    """
    along, plane = axes
    frames = np.arange(len(received))
    along.axhline(1, color=REFERENCE_COLOR, lw=1)
    along.plot(frames, received, color=BASELINE_COLOR, lw=0.5)
    for state, color in enumerate(STATE_COLORS):
        chosen = states == state
        along.plot(frames[chosen], received[chosen], ".", ms=2, color=color)
        along.plot([], [], "o", color=color, label=f"frame in {STATE_NAMES[state]}")
    along.set(xlabel="frame", ylabel="attention received (1 = uniform)", yscale="log")
    _legend_below(along)
    order = np.argsort(received)  # the most attended on top
    points = plane.scatter(
        *trajectory[order].T, c=received[order], s=9, cmap=ATTENTION_CMAP + "_r",
        norm=LogNorm(max(received.min(), 0.3), received.max()), lw=0.2, ec=PALETTE["grey"],
    )  # fmt: skip
    plane.plot(*trajectory[0], marker="*", ms=13, mfc="none", mec=REFERENCE_COLOR)
    plane.set(xlabel="x (reduced length)", ylabel="y (reduced length)")
    plane.set_aspect("equal")
    plane.figure.colorbar(points, ax=plane, label="attention received", shrink=0.85)
    return axes


def plot_intervals(table, xlabel, reference=None, ax=None):
    """Means with their intervals: one group of rows for each key, one row for each name in it.

    Parameters
    ----------
    table : dict of str to dict of str to (mean, low, high)
        Groups from top to bottom, then names, which decide colour and marker.
    xlabel : str
    reference : float, optional
        Value by chance, as a black line.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.55)
    if reference is not None:
        ax.axvline(reference, color=REFERENCE_COLOR, lw=1)
    labelled = set()  # what the legend has already
    for row, (_, group) in enumerate(table.items()):
        for k, (name, (mean, low, high)) in enumerate(group.items()):
            y = row + (k - (len(group) - 1) / 2) * 0.8 / max(1, len(group))
            style, label = _style_of(name), _labels([name])[0]
            marker = "x" if "untrained" in name else SIZE_MARKERS.get(name.split()[0], "D")
            ax.plot([low, high], [y, y], color=style["color"], lw=1.5)
            ax.plot(
                mean, y, ls="", marker=marker, color=style["color"],
                label=None if label in labelled else label,
            )  # fmt: skip
            labelled.add(label)
    ax.set_yticks(range(len(table)), list(table))
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlabel(xlabel)
    ax.grid(axis="x")
    _legend_below(ax)
    return ax


def plot_deletion(n_removed, curves, ax=None):
    """Accuracy against the number of frames removed.

    Parameters
    ----------
    n_removed : sequence of int
    curves : dict of str to (mean, low, high)
        "random" is drawn in grey.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    looks = zip(("orange", "purple", "blue"), ("o", "s", "^"), strict=True)
    for name, (mean, low, high) in curves.items():
        color, marker = ("grey", "x") if name == "random" else next(looks)
        errors = np.clip([mean - low, high - mean], 0, None)
        ax.errorbar(
            n_removed, mean, errors, color=PALETTE[color], marker=marker, capsize=2, label=name
        )
    ax.set(xlabel="frames removed", ylabel="accuracy")
    ax.set_xscale("symlog", linthresh=max(1, min(n for n in n_removed if n)))
    ax.set_xticks(n_removed, [str(n) for n in n_removed])
    ax.minorticks_off()
    ax.label_outer()
    if ax.get_subplotspec() is None or ax.get_subplotspec().is_first_col():
        ax.legend()
    return ax


def plot_head_effects(effects, title, ax=None):
    """Change of a loss when a head is silenced, layers by heads.

    Parameters
    ----------
    effects : (layers, heads) ndarray of float
    title : str
        Which loss.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.6)
    largest = np.abs(effects).max()
    image = ax.imshow(effects, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto")
    n_layers, n_heads = effects.shape
    ax.set_xticks(range(n_heads), range(1, n_heads + 1))
    ax.set_yticks(range(n_layers), range(1, n_layers + 1))
    ax.set(xlabel="head", ylabel="layer", title=title)
    ax.figure.colorbar(image, ax=ax, label="increase when silenced")
    return ax
