"""The still picture of the explorable page: one trajectory as the small model reads it."""

import matplotlib.pyplot as plt
import numpy as np

from ..potential import potential
from ..states import assign_states, separatrix_height
from .potential import plot_surface
from .style import (
    ATTENTION_CMAP,
    PALETTE,
    REFERENCE_COLOR,
    STATE_COLORS,
    STATE_MARKERS,
    STATE_NAMES,
    figure_size,
)

_NODE_STEP = 0.02
#: Attention is drawn up to so many times the even share.
HIGHEST_ATTENTION = 4.0


def plot_reading(trajectory, attention, probability_of_b, committor, frame_time, view):
    """A trajectory, (n_frames, 2), on the surface, what the model says of it, and where it looks.

    `attention` is what each frame receives, (n_layers, n_frames), rows sum to one; the committor is
    the exact one of the start; `view`, ((x_low, y_low), (x_high, y_high)), is the part drawn.
    """
    trajectory, attention = np.asarray(trajectory), np.asarray(attention)
    if attention.ndim != 2 or attention.shape[1] != len(trajectory):
        raise ValueError(
            f"attention must have shape (n_layers, {len(trajectory)}); got {attention.shape}"
        )
    figure, (plane, bars, strip) = plt.subplots(
        3, 1, figsize=figure_size(1.0, 1.05), height_ratios=(4.2, 0.8, 1.2)
    )
    x, y = (np.arange(low, high, _NODE_STEP) for low, high in zip(*view, strict=True))
    energy = potential(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
    ridge = np.stack([x, separatrix_height(x)], axis=-1)
    plot_surface(x, y, energy, ridge=ridge, ax=plane)
    plane.plot(*trajectory.T, color=PALETTE["black"], lw=0.6, alpha=0.8)
    state = int(assign_states(trajectory[0]))
    marker = {"ms": 10, "mfc": STATE_COLORS[state], "mec": "white", "mew": 2}
    plane.plot(*trajectory[0], STATE_MARKERS[state], **marker)
    _draw_bars(bars, {"the model: began in": probability_of_b, "exact: reaches first": committor})
    relative = attention * attention.shape[1]
    extent = (0, len(trajectory) * frame_time, len(attention) + 0.5, 0.5)
    options = {"cmap": f"{ATTENTION_CMAP}_r", "vmin": 0, "vmax": HIGHEST_ATTENTION}
    image = strip.imshow(relative, aspect="auto", interpolation="nearest", extent=extent, **options)
    strip.set(xlabel="time (reduced)", ylabel="layer", yticks=range(1, len(attention) + 1))
    figure.colorbar(image, ax=strip, label="attention /\neven share", extend="max")
    return figure


def _draw_bars(ax, rows):
    # each row: probability of A from the left, of B from the right
    for place, of_b in enumerate(rows.values()):
        ax.barh(place, 1 - of_b, color=STATE_COLORS[0], height=0.6)
        ax.barh(place, of_b, left=1 - of_b, color=STATE_COLORS[1], height=0.6)
        text = f"{STATE_NAMES[0]} {1 - of_b:.0%}, {STATE_NAMES[1]} {of_b:.0%}"
        ax.text(1.02, place, text, va="center", color=REFERENCE_COLOR)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlim=(0, 1.35), xticks=[])
    ax.invert_yaxis()
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(left=False)
