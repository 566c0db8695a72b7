"""Figures of the attention chapter. Weights are in units of the uniform weight throughout."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullFormatter

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

_BAR_LABEL = "attention (1 = uniform)"


def _size_of(name):
    # "small" of "small-0", "small untrained" and "small-0 untrained"
    return name.split()[0].split("-")[0]


def _style_of(name):
    # sizes keep their colour; the control is grey and dotted
    if "untrained" in name:
        return dict(color=BASELINE_COLOR, ls=":")
    size = _size_of(name)
    return dict(color=SIZE_COLORS.get(size, BASELINE_COLOR), ls=SIZE_LINES.get(size, "-"))


def _labels(names):
    # what the legend says of each name: sizes, and the control, once each
    labels = ["untrained" if "untrained" in name else _size_of(name) for name in names]
    return [label if label not in labels[:k] else None for k, label in enumerate(labels)]


def _entries(ax):
    # of the legend: the control last
    handles, labels = ax.get_legend_handles_labels()
    pairs = sorted(zip(handles, labels, strict=True), key=lambda pair: pair[1] == "untrained")
    return [handle for handle, _ in pairs], [label for _, label in pairs]


def _legend_below(ax, ncols=4):
    # under the axes, where it covers nothing
    ax.figure.legend(*_entries(ax), loc="outside lower center", ncols=ncols)


def _draw_bands(x, bands, ax):
    # one line with its band for each name
    for (name, (mean, low, high)), label in zip(bands.items(), _labels(bands), strict=True):
        style = _style_of(name)
        ax.fill_between(x, low, high, color=style["color"], alpha=0.2, lw=0)
        ax.plot(x, mean, label=label, lw=1, **style)


def plot_by_difference(profiles, ax=None):
    """Mean attention against time difference, with the uniform weight in black.

    Parameters
    ----------
    profiles : dict of str to (mean, low, high)
        By training; arrays of odd length, centred on difference zero.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.5)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    reach = len(next(iter(profiles.values()))[0]) // 2
    _draw_bands(np.arange(-reach, reach + 1), profiles, ax)
    ax.axvline(0, color=BASELINE_COLOR, lw=0.6)
    ax.set(xlabel="time difference (frames; past < 0 < future)", ylabel=_BAR_LABEL, yscale="log")
    _plain_log_ticks(ax)
    ax.legend(*_entries(ax))
    return ax


def _plain_log_ticks(ax):
    # 0.5, 1, 2, 5 rather than powers of ten
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def plot_sections(profiles, axes, section=100):
    """Attention against time difference, one panel for each sub-section.

    Parameters
    ----------
    profiles : dict of str to (mean, low, high)
        By training; arrays of shape (n_sections, 2 section - 1).
    axes : sequence of n_sections Axes
    section : int
        Frames of a sub-section, for the titles.

    Returns
    -------
    sequence of Axes
    """
    for k, ax in enumerate(axes):
        plot_by_difference({n: tuple(part[k] for part in p) for n, p in profiles.items()}, ax)
        ax.set(title=f"{k * section} to {(k + 1) * section - 1}", xlabel="", ylabel="")
        ax.title.set(fontsize=8, fontweight="normal")
        ax.get_legend().remove()
        ax.set_xticks([-section // 2, 0, section // 2])
        ax.label_outer()
    figure = axes[0].figure
    figure.supxlabel("time difference (frames)", fontsize=9)
    figure.supylabel(_BAR_LABEL, fontsize=9)
    return axes


def plot_lorenz(curves, ax=None):
    """Share of the attention received by the most attended frames.

    Parameters
    ----------
    curves : dict of str to (mean, low, high)
        By training; values at equal steps of the share of frames, from 0 to 1.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.8)
    ax.plot([0, 1], [0, 1], color=REFERENCE_COLOR, lw=1, label="uniform")
    n_points = len(next(iter(curves.values()))[0])
    _draw_bands(np.linspace(0, 1, n_points), curves, ax)
    ax.set(xlabel="share of frames, most attended first", ylabel="share of attention received")
    ax.legend(*_entries(ax), loc="lower right")
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
        size = _size_of(name)
        is_control = "untrained" in name
        ax.plot(
            layers + shift,
            values.ravel(),
            ls="",
            marker="x" if is_control else SIZE_MARKERS.get(size, "o"),
            ms=3,
            color=BASELINE_COLOR if is_control else SIZE_COLORS.get(size),
            alpha=0.7,
            label=label,
        )
    ax.set(xlabel="layer", ylabel="frames attended to by a query", yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="y")
    _legend_below(ax)
    return ax


def plot_received(trajectory, received, norm_received, states, axes):
    """A trajectory and what its frames receive: along time, and in the plane.

    Parameters
    ----------
    trajectory : (n_frames, 2) ndarray of float
    received, norm_received : (n_frames,) ndarray of float
        Attention, and norm-weighted attention; means of 1.
    states : (n_frames,) ndarray of int
    axes : sequence of 2 Axes

    Returns
    -------
    sequence of Axes
    """
    along, plane = axes
    frames = np.arange(len(received))
    along.axhline(1, color=REFERENCE_COLOR, lw=1)
    along.plot(frames, norm_received, color=BASELINE_COLOR, lw=0.8, label="norm-weighted")
    for state, color in enumerate(STATE_COLORS):
        chosen = states == state
        along.plot(frames[chosen], received[chosen], ".", ms=2.5, color=color)
        along.plot([], [], "o", color=color, label=f"attention, frame in {STATE_NAMES[state]}")
    along.set(xlabel="frame", ylabel="received (1 = uniform)", yscale="log")
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
            marker = "x" if "untrained" in name else SIZE_MARKERS.get(_size_of(name), "D")
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


#: Look of each order in which frames are removed.
_ORDERS = {
    "most attended": ("orange", "o"),
    "most norm-weighted": ("vermillion", "D"),
    "largest gradient": ("purple", "s"),
    "first": ("blue", "^"),
    "random": ("grey", "x"),
}


def plot_deletion(n_removed, curves, ax=None):
    """Probability of the true state against the number of frames removed.

    Parameters
    ----------
    n_removed : sequence of int
    curves : dict of str to (mean, low, high)
        By order of removal.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, width=0.6, aspect=0.75)
    places = np.arange(len(n_removed))
    for k, (name, (mean, low, high)) in enumerate(curves.items()):
        color, marker = _ORDERS[name]
        errors = np.clip([mean - low, high - mean], 0, None)
        shift = (k - (len(curves) - 1) / 2) * 0.08
        ax.errorbar(
            places + shift, mean, errors, color=PALETTE[color], marker=marker, capsize=2, lw=1,
            label=name,
        )  # fmt: skip
    ax.axhline(0.5, color=REFERENCE_COLOR, lw=0.8, ls=":")
    ax.set(xlabel="frames removed", ylabel="probability of the true state")
    ax.set_xticks(places, [str(n) for n in n_removed])
    return ax


def plot_experiments(n_removed, curves, axes):
    """`plot_deletion` for each experiment (row) and size (column), with one legend below.

    Parameters
    ----------
    n_removed : sequence of int
    curves : dict of (str, str) to dict
        By experiment and size, row by row, as for `plot_deletion`.
    axes : (n_experiments, n_sizes) ndarray of Axes

    Returns
    -------
    ndarray of Axes
    """
    for ax, ((experiment, size), found) in zip(np.ravel(axes), curves.items(), strict=True):
        plot_deletion(n_removed, found, ax).set_xlabel(f"frames {experiment}")
        if ax.get_subplotspec().is_first_row():
            ax.set_title(size)
    for ax in np.ravel(axes):
        ax.set_ylabel("")
    axes[0, 0].figure.supylabel("probability of the true state", fontsize=9)
    _legend_below(axes[0, 0], ncols=5)
    return axes


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
