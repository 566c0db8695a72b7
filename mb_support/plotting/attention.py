"""Figures of the attention chapter. Weights are in units of the uniform weight throughout.

Names such as "small-0" and "small untrained" decide colour, line and marker; maps have rows that
attend and columns that are attended to.
"""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle
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

#: Range of the colours of attention maps: a tenth of the uniform weight to thirty times it.
MAP_RANGE = (0.1, 30.0)
_BAR_LABEL = "attention (1 = uniform)"


def plot_maps(maps, axes, titles, starts=None):
    """Attention maps, (n, n) each, with one scale of colours and one colour bar.

    `starts` are the first frames shown, zero by default; axes left over are switched off.
    """
    flat, starts = np.ravel(axes), starts or [0] * len(maps)
    for ax, weights, title, start in zip(flat, maps, titles, starts, strict=False):
        stop = start + len(weights)
        ax.imshow(
            np.clip(weights, *MAP_RANGE),
            norm=LogNorm(*MAP_RANGE),
            cmap=ATTENTION_CMAP,
            extent=(start, stop, stop, start),
            interpolation="nearest",
            rasterized=True,
        )
        ax.set_title(title, fontsize=8, fontweight="normal")
        ax.tick_params(labelsize=6, length=2, pad=1)
        if not any(starts):
            ax.label_outer()  # all maps show the same frames
    for ax in flat[len(maps) :]:
        ax.axis("off")
    figure = flat[0].figure
    bar = figure.colorbar(flat[0].images[0], ax=list(flat), label=_BAR_LABEL, shrink=0.7, aspect=30)
    bar.outline.set_visible(False)
    figure.supxlabel("frame attended to", fontsize=9)
    figure.supylabel("frame that attends", fontsize=9)
    return axes


def plot_state_maps(maps, states, axes, titles):
    """`plot_maps` with strips above and left that say in which state each frame is."""
    plot_maps(maps, axes, titles)
    for ax, of_frames in zip(np.ravel(axes), states, strict=True):
        ax.set_title(ax.get_title(), pad=10, fontsize=8, fontweight="normal")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        width = 0.05 * len(of_frames)
        edges = np.flatnonzero(np.diff(of_frames, prepend=-1, append=-1))
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            look = dict(color=STATE_COLORS[of_frames[start]], lw=0, clip_on=False)
            ax.add_patch(Rectangle((start, -1.4 * width), stop - start, width, **look))
            ax.add_patch(Rectangle((-1.4 * width, start), width, stop - start, **look))
    return axes


def _look(name):
    # label, colour, line and marker: sizes keep their own; the control is grey, dotted, a cross
    if "untrained" in name:
        return dict(label="untrained", color=BASELINE_COLOR, ls=":", marker="x")
    size = name.split("-")[0]
    return dict(label=size, color=SIZE_COLORS[size], ls=SIZE_LINES[size], marker=SIZE_MARKERS[size])


def _entries(ax):
    # of the legend: each label once, the control last
    handles, labels = ax.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    labels = sorted(entries, key=lambda name: name == "untrained")
    return [entries[name] for name in labels], labels


def _legend_below(ax, ncols=4):
    # under the axes, where it covers nothing
    ax.figure.legend(*_entries(ax), loc="outside lower center", ncols=ncols)


def _draw_bands(x, bands, ax):
    for name, (mean, low, high) in bands.items():
        look = _look(name) | {"marker": None}
        ax.fill_between(x, low, high, color=look["color"], alpha=0.2, lw=0)
        ax.plot(x, mean, lw=1, **look)


def plot_by_difference(profiles, ax=None):
    """Mean attention against time difference, with the uniform weight in black.

    `profiles` are {training: (mean, low, high)}, arrays centred on difference zero.
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.5)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    reach = len(next(iter(profiles.values()))[0]) // 2
    _draw_bands(np.arange(-reach, reach + 1), profiles, ax)
    ax.axvline(0, color=BASELINE_COLOR, lw=0.6)
    ax.set(xlabel="time difference (frames; past < 0 < future)", ylabel=_BAR_LABEL, yscale="log")
    # 0.5, 1, 2, 5 rather than powers of ten
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend(*_entries(ax))
    return ax


def plot_sections(profiles, axes, section):
    """`plot_by_difference` for each sub-section, (n_sections, 2 section - 1) arrays."""
    for k, ax in enumerate(axes):
        plot_by_difference({n: tuple(part[k] for part in p) for n, p in profiles.items()}, ax)
        ax.set(xlabel="", ylabel="", xticks=[-section // 2, 0, section // 2])
        ax.set_title(f"{k * section} to {(k + 1) * section - 1}", fontsize=8, fontweight="normal")
        ax.get_legend().remove()
        ax.label_outer()
    figure = axes[0].figure
    figure.supxlabel("time difference (frames)", fontsize=9)
    figure.supylabel(_BAR_LABEL, fontsize=9)
    return axes


def plot_lorenz(curves, ax=None):
    """Share of the attention received by the most attended frames, {training: bands}."""
    ax = axes_or_new(ax, width=0.6, aspect=0.8)
    ax.plot([0, 1], [0, 1], color=REFERENCE_COLOR, lw=1, label="uniform")
    n_points = len(next(iter(curves.values()))[0])
    _draw_bands(np.linspace(0, 1, n_points), curves, ax)
    ax.set(xlabel="share of frames, most attended first", ylabel="share of attention received")
    ax.legend(*_entries(ax), loc="lower right")
    return ax


def plot_head_counts(counts, ax=None):
    """How many frames each head attends to, layer by layer: {training: (layers, heads)}."""
    ax = axes_or_new(ax, width=1.0, aspect=0.45)
    shifts = (np.arange(len(counts)) - (len(counts) - 1) / 2) * 0.8 / len(counts)
    for shift, (name, values) in zip(shifts, counts.items(), strict=True):
        layers = np.repeat(np.arange(1, len(values) + 1), values.shape[1])
        look = _look(name) | {"ls": ""}
        ax.plot(layers + shift, values.ravel(), ms=3, alpha=0.7, **look)
    ax.set(xlabel="layer", ylabel="frames attended to by a query", yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="y")
    _legend_below(ax)
    return ax


def plot_received(trajectory, received, norm_received, states, axes):
    """A trajectory and what its frames receive, (n_frames,): along time, and in the plane."""
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


def plot_intervals(table, xlabel, reference, ax=None):
    """Means with their intervals, {group: {name: (mean, low, high)}}, groups from top to bottom.

    `reference`, the value by chance, is a black line.
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.55)
    ax.axvline(reference, color=REFERENCE_COLOR, lw=1)
    for row, group in enumerate(table.values()):
        shifts = (np.arange(len(group)) - (len(group) - 1) / 2) * 0.8 / len(group)
        for shift, (name, (mean, low, high)) in zip(shifts, group.items(), strict=True):
            look = _look(name) | {"ls": ""}
            ax.plot([low, high], [row + shift] * 2, color=look["color"], lw=1.5)
            ax.plot(mean, row + shift, **look)
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


def plot_experiments(numbers, curves, axes):
    """Probability of the true state against the numbers of frames removed, or not read.

    `curves` are {(experiment, size): {order: (mean, low, high)}}, row by row of `axes`, (number
    of experiments, number of sizes); one legend below.
    """
    places = np.arange(len(numbers))
    for ax, ((experiment, size), found) in zip(np.ravel(axes), curves.items(), strict=True):
        for k, (name, (mean, low, high)) in enumerate(found.items()):
            color, marker = _ORDERS[name]
            errors = np.clip([mean - low, high - mean], 0, None)
            shift = (k - (len(found) - 1) / 2) * 0.08
            ax.errorbar(
                places + shift, mean, errors, color=PALETTE[color], marker=marker, capsize=2, lw=1,
                label=name,
            )  # fmt: skip
        ax.axhline(0.5, color=REFERENCE_COLOR, lw=0.8, ls=":")
        ax.set_xticks(places, [str(n) for n in numbers])
        ax.set_xlabel(f"frames {experiment}")
        if ax.get_subplotspec().is_first_row():
            ax.set_title(size)
    axes[0, 0].figure.supylabel("probability of the true state", fontsize=9)
    _legend_below(axes[0, 0], ncols=5)
    return axes


def plot_head_effects(effects, errors, title, ax=None):
    """Change of a loss when a head is silenced, (layers, heads), with its standard errors.

    A cross marks what is less than 1.96 of them from zero.
    """
    ax = axes_or_new(ax, width=0.5, aspect=0.6)
    largest = np.abs(effects).max()
    image = ax.imshow(effects, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto")
    layers, heads = np.nonzero(np.abs(effects) < 1.96 * errors)
    ax.plot(heads, layers, "x", color=BASELINE_COLOR, ms=4)
    n_layers, n_heads = effects.shape
    ax.set_xticks(range(n_heads), range(1, n_heads + 1))
    ax.set_yticks(range(n_layers), range(1, n_layers + 1))
    ax.set(xlabel="head", ylabel="layer", title=title)
    ax.figure.colorbar(image, ax=ax, label="increase when silenced")
    return ax
