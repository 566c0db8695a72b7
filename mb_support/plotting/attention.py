"""Figures of the attention chapter. Weights are in units of the uniform weight throughout.

Names such as "small-0" and "small untrained" decide colour, line and marker; maps have rows that
attend and columns that are attended to.
"""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from ..statistics import Z
from .style import (
    BASELINE_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    STATE_COLORS,
    STATE_NAMES,
    WEIGHT_CMAP,
    WEIGHT_LABEL,
    axes_or_new,
    bar_of_weights,
    log_ticks,
    map_axes,
)


def plot_maps(maps, axes, titles, rows=(), states=None, limit=8.0):
    """Attention maps, (n, n), with one scale of colours, from 1 / `limit` to `limit`; with names of
    `rows`, and strips above and to the left for (n,) `states`."""
    for k, (ax, weights, title) in enumerate(zip(np.ravel(axes), maps, titles, strict=True)):
        n = len(weights)
        image = ax.imshow(
            np.clip(weights, 1 / limit, limit), cmap=WEIGHT_CMAP, norm=LogNorm(1 / limit, limit),
            extent=(0, n, n, 0), interpolation="nearest", rasterized=True,
        )  # fmt: skip
        ax.set_title(title, fontweight="normal", pad=3 if states is None else 9)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(states is None)
        ax.spines[:].set_color(BASELINE_COLOR)
        if states is not None:
            _state_strips(ax, states[k])
    for ax, name in zip(np.atleast_2d(axes)[:, 0], rows, strict=False):
        ax.set_ylabel(name, labelpad=4 if states is None else 12)
    bar_of_weights(image, axes, limit, shrink=0.9, aspect=30, pad=0.01)
    figure = image.axes.figure
    figure.supxlabel("frame attended to", fontsize="medium")
    figure.supylabel("frame that attends", fontsize="medium")
    return axes


def _state_strips(ax, states):
    width = 0.05 * len(states)
    edges = np.flatnonzero(np.diff(states, prepend=-1, append=-1))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        look = dict(color=STATE_COLORS[states[start]], lw=0, clip_on=False)
        ax.add_patch(Rectangle((start, -1.4 * width), stop - start, width, **look))
        ax.add_patch(Rectangle((-1.4 * width, start), width, stop - start, **look))


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


def _draw_bands(x, bands, ax, **changes):
    for name, (mean, low, high) in bands.items():
        look = _look(name) | {"marker": None} | changes
        ax.fill_between(x, low, high, color=look["color"], alpha=0.2, lw=0)
        ax.plot(x, mean, lw=1.2, **look)


def _difference_axes(profiles, ax):
    reach = len(next(iter(profiles.values()))[0]) // 2
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    ax.axvline(0, color=BASELINE_COLOR, lw=0.6)
    ax.set(yscale="log", xticks=[-reach - 1, 0, reach + 1])
    log_ticks(ax.yaxis, 1, 2, 5)
    return np.arange(-reach, reach + 1)


def plot_by_difference(profiles, axes, near=8):
    """Mean attention, {training: (mean, low, high)}, against time difference: over a whole
    sub-section, and for the nearest frames; uniform weight in black."""
    whole, zoomed = axes
    for ax in axes:
        x = _difference_axes(profiles, ax)
        _draw_bands(x, profiles, ax)
    zoomed.set(xlim=(-near - 0.5, near + 0.5), xticks=[-near, -4, 0, 1, 4, near])
    for ax in axes:
        ax.set_xlabel("time difference (frames)")
    whole.set_ylabel(WEIGHT_LABEL)
    whole.set_title("whole sub-section")
    zoomed.set_title("nearest frames")
    _legend_below(whole)
    return axes


def plot_sections(profiles, axes, section):
    """The same for each sub-section, (n_sections, 2 section - 1) arrays, with a legend beside."""
    *panels, beside = np.ravel(axes)
    for k, ax in enumerate(panels):
        of_section = {name: tuple(part[k] for part in p) for name, p in profiles.items()}
        _draw_bands(_difference_axes(of_section, ax), of_section, ax)
        ax.set_title(f"{k * section} to {(k + 1) * section - 1}", fontweight="normal")
    beside.axis("off")
    beside.legend(*_entries(panels[0]), loc="center")
    beside.figure.supxlabel("time difference (frames; past < 0 < future)", fontsize="medium")
    beside.figure.supylabel(WEIGHT_LABEL, fontsize="medium")
    return axes


def plot_lorenz(curves, ax=None, shown=0.3):
    """Share of the attention received by the most attended frames, {training: bands}."""
    ax = axes_or_new(ax, width=0.8, aspect=0.65)
    ax.plot([0, shown], [0, shown], color=REFERENCE_COLOR, lw=1, label="uniform")
    n_points = len(next(iter(curves.values()))[0])
    _draw_bands(np.linspace(0, 1, n_points), curves, ax)
    ax.axvline(0.05, color=BASELINE_COLOR, lw=0.8)
    ax.text(0.055, 0.01, "key timesteps end here", color=BASELINE_COLOR)
    ax.set(xlabel="share of frames, most attended first", ylabel="share of attention received")
    ax.set(xlim=(0, shown), ylim=(0, 0.55))
    ax.legend(*_entries(ax), loc="upper left", bbox_to_anchor=(0.17, 1.0))  # beside the line
    return ax


def plot_head_counts(counts, ax=None):
    """How many frames each head attends to, layer by layer: {training: (layers, heads)}."""
    ax = axes_or_new(ax, width=1.0, aspect=0.5)
    shifts = (np.arange(len(counts)) - (len(counts) - 1) / 2) * 0.8 / len(counts)
    for shift, (name, values) in zip(shifts, counts.items(), strict=True):
        layers = np.repeat(np.arange(1, len(values) + 1), values.shape[1])
        look = _look(name) | {"ls": ""}
        ax.plot(layers + shift, values.ravel(), ms=3.5, alpha=0.7, **look)
    n_layers = max(len(values) for values in counts.values())
    ax.set(xlabel="layer", ylabel="frames a query attends to", yscale="log")
    ax.set_xticks(range(1, n_layers + 1))
    log_ticks(ax.yaxis, 1, 2, 5)
    ax.grid(axis="y")
    _legend_below(ax)
    return ax


def plot_received(trajectory, received, norm_received, states, axes, limit=8.0):
    """A trajectory and what its frames receive, (n_frames,): along time, and in the plane."""
    along, plane = axes
    frames = np.arange(len(received))
    along.axhline(1, color=REFERENCE_COLOR, lw=1)
    along.plot(frames, norm_received, color=BASELINE_COLOR, lw=0.8, label="norm-weighted")
    for state, color in enumerate(STATE_COLORS):
        chosen = states == state
        along.plot(frames[chosen], received[chosen], ".", ms=3, color=color)
        along.plot([], [], "o", color=color, label=f"attention, frame in {STATE_NAMES[state]}")
    along.set(xlabel="frame", ylabel="received (1 = uniform)", yscale="log")
    log_ticks(along.yaxis, 1, 2, 5)
    _legend_below(along, ncols=3)
    order = np.argsort(received)  # the most attended on top
    points = plane.scatter(
        *trajectory[order].T, c=received[order], s=12, cmap=WEIGHT_CMAP,
        norm=LogNorm(1 / limit, limit), lw=0.3, ec=BASELINE_COLOR,
    )  # fmt: skip
    plane.plot(*trajectory[0], marker="*", ms=14, mfc="none", mec=REFERENCE_COLOR)
    map_axes(plane)
    bar_of_weights(points, plane, limit, shrink=0.85)
    return axes


def plot_intervals(table, xlabel, reference, ax=None):
    """Means with intervals, {group: {name: (mean, low, high)}}, and the value by chance."""
    ax = axes_or_new(ax, width=1.0, aspect=0.65)
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


#: Look of each order in which frames are removed: shades of one colour for what models say.
_ORDERS = {
    "most attended": dict(color=PALETTE["orange"], marker="o"),
    "most norm-weighted": dict(color=PALETTE["brown"], marker="D", ls="--"),
    "largest gradient": dict(color="#C9B458", marker="s", ls="-."),
    "most attended, not at the start": dict(color=PALETTE["vermillion"], marker="v", ls="--"),
    "first": dict(color=PALETTE["purple"], marker="^"),
    "random": dict(color=PALETTE["grey"], marker="x", ls=":"),
}


def plot_experiments(numbers, curves, axes):
    """Probability of the true state against the numbers of frames removed, or not read, of
    {(experiment, size): {order: (mean, low, high)}}, row by row of `axes`."""
    places = np.arange(len(numbers))
    for ax, ((experiment, size), found) in zip(np.ravel(axes), curves.items(), strict=True):
        for k, (name, (mean, low, high)) in enumerate(found.items()):
            errors = np.clip([mean - low, high - mean], 0, None)
            shift = (k - (len(found) - 1) / 2) * 0.1
            ax.errorbar(places + shift, mean, errors, capsize=2, lw=1, label=name, **_ORDERS[name])
        ax.axhline(0.5, color=BASELINE_COLOR, lw=0.8, ls=":")
        ax.set_xticks(places, [str(n) for n in numbers])
        ax.set_xlabel(f"frames {experiment}")
        if ax.get_subplotspec().is_first_row():
            ax.set_title(size)
    axes[0, 0].figure.supylabel("probability of the true state", fontsize="medium")
    _legend_below(axes[0, 0], ncols=3)
    return axes


def plot_head_effects(effects, errors, axes):
    """Increase of both losses when a head is silenced, (2, layers, heads), layer by layer, with 95%
    intervals; heads whose bar reaches zero are hollow and grey."""
    n_layers, n_heads = effects[0].shape
    places = np.arange(n_layers * n_heads)
    for ax, effect, error in zip(axes, effects, errors, strict=True):
        effect, half = effect.ravel(), Z * error.ravel()
        clear = np.abs(effect) > half
        for chosen, color, fill in (
            (~clear, BASELINE_COLOR, "white"),
            (clear, PALETTE["orange"], PALETTE["orange"]),
        ):
            ax.errorbar(
                places[chosen], effect[chosen], half[chosen], fmt="o", color=color, mfc=fill
            )
        ax.axhline(0, color=REFERENCE_COLOR, lw=1)
        for edge in np.arange(1, n_layers) * n_heads - 0.5:
            ax.axvline(edge, color=BASELINE_COLOR, lw=0.6)
        ax.set_xlim(-0.5, len(places) - 0.5)
    axes[0].set_title("trajectory loss")
    axes[1].set_title("cross-entropy")
    axes[1].set_xticks(
        (np.arange(n_layers) + 0.5) * n_heads - 0.5,
        [f"layer {k + 1}\nheads 1 to {n_heads}" for k in range(n_layers)],
    )
    axes[1].tick_params(axis="x", length=0)
    axes[0].figure.supylabel("increase when silenced", fontsize="medium")
    return axes
