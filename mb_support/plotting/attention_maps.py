"""Attention maps: rows attend, columns are attended to; weights in units of the uniform weight."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from .style import ATTENTION_CMAP, STATE_COLORS, axes_or_new

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


def mark_states(states, ax):
    """Strips above and left of a map that say in which state each frame is.

    Parameters
    ----------
    states : (n_frames,) ndarray of int
    ax : matplotlib.axes.Axes
        With a map of all frames in it.

    Returns
    -------
    matplotlib.axes.Axes
    """
    n = len(states)
    width = 0.05 * n
    edges = np.flatnonzero(np.diff(states, prepend=-1, append=-1))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        look = dict(color=STATE_COLORS[states[start]], lw=0, clip_on=False)
        ax.add_patch(Rectangle((start, -1.4 * width), stop - start, width, **look))
        ax.add_patch(Rectangle((-1.4 * width, start), width, stop - start, **look))
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set(xticks=[], yticks=[])
    return ax


def plot_state_maps(maps, states, axes, titles):
    """Attention maps of trajectories with the states of their frames at the edges.

    Parameters
    ----------
    maps : sequence of (n, n) ndarray of float
    states : sequence of (n,) ndarray of int
    axes : ndarray of Axes
    titles : sequence of str

    Returns
    -------
    ndarray of Axes
    """
    plot_maps(maps, axes, titles)
    for ax, of_frames in zip(np.ravel(axes), states, strict=True):
        mark_states(of_frames, ax)
        ax.set_title(ax.get_title(), pad=10, fontsize=8, fontweight="normal")
    return axes
