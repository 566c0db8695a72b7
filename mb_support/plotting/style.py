"""One look for every figure: colours with a fixed meaning, sizes, and matplotlib settings.

The colours are those of Okabe and Ito, which stay apart for the common kinds of colour
blindness. A colour means one thing throughout the book: blue is state A, vermillion state B;
sky blue, green and purple are the three model sizes; exact answers are black and baselines grey.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from .pictures import FULL_WIDTH, RESOLUTION, keep_both

#: Okabe and Ito's palette by name.
PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "brown": "#8C5A00",
    "grey": "#767676",
}

#: Colour of state 0 (A) and state 1 (B); index it with a state.
STATE_COLORS = (PALETTE["blue"], PALETTE["vermillion"])
#: Names of the states; index it with a state.
STATE_NAMES = ("A", "B")
#: Markers of the states, so that colour is never the only difference.
STATE_MARKERS = ("o", "s")

#: Colour, line style and marker of each model size.
SIZE_COLORS = {"small": PALETTE["sky"], "medium": PALETTE["green"], "large": PALETTE["purple"]}
SIZE_LINES = {"small": "-", "medium": "--", "large": "-."}
SIZE_MARKERS = {"small": "o", "medium": "s", "large": "^"}

#: Exact and reference results are black, models in colour, cheap baselines grey.
REFERENCE_COLOR = PALETTE["black"]
BASELINE_COLOR = PALETTE["grey"]
#: A model where its size does not matter, and a second one beside it.
MODEL_COLOR = PALETTE["orange"]
SECOND_MODEL_COLOR = PALETTE["brown"]

#: Perceptually uniform maps: energies, densities and other non-negative fields, attention.
ENERGY_CMAP = "viridis"
DENSITY_CMAP = "cividis"
ATTENTION_CMAP = "magma"
#: Less than the uniform weight is purple, the uniform weight white, more is orange; the ends of
#: the library's map, which look alike, are cut off.
WEIGHT_CMAP = LinearSegmentedColormap.from_list(
    "weight", mpl.colormaps["PuOr_r"](np.linspace(0.08, 0.92, 101))
)
WEIGHT_LABEL = "attention (1 = uniform)"
#: A committor runs from the colour of A (0) through near white (one half) to that of B (1).
COMMITTOR_CMAP = LinearSegmentedColormap.from_list(
    "committor", [STATE_COLORS[0], "#F7F7F7", STATE_COLORS[1]]
)

#: The one size of letters, in points.
FONT_SIZE = 10.5

_SETTINGS = {
    # white, for paper and light pages; `pictures.dark_png` makes a second picture for dark ones
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.figsize": (FULL_WIDTH, 4.0),
    "figure.dpi": RESOLUTION,
    "savefig.dpi": RESOLUTION,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # shipped with matplotlib: the same on every machine
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.titleweight": "bold",
    "axes.labelsize": FONT_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(
        color=[PALETTE[name] for name in ("orange", "green", "purple", "sky", "grey")]
    ),
    "axes.formatter.use_mathtext": True,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": FONT_SIZE,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "image.cmap": ENERGY_CMAP,
    "svg.fonttype": "path",
    "svg.hashsalt": "mb_support",  # the same SVG identifiers in every build
}


def use_style():
    """Set the book's look for the rest of the session: figures, and tables with whole cells."""
    # "default" first, so that nothing set earlier shows through; unlike a plain reset of
    # rcParams it leaves the backend and interactive mode alone, which notebooks depend on.
    plt.style.use(["default", _SETTINGS])
    pd.set_option("display.max_colwidth", None)
    if (shell := get_ipython()) is not None:
        plt.switch_backend(plt.get_backend())  # now it has set its own way to make pictures
        keep_both(shell)


def figure_size(width=1.0, aspect=0.6):
    """Size in inches, from a fraction of the text column, and height divided by width."""
    if not 0 < width <= 1:
        raise ValueError(f"width must be above 0 and at most 1; got {width}")
    if not aspect > 0:
        raise ValueError(f"aspect must be above 0; got {aspect}")
    return FULL_WIDTH * width, FULL_WIDTH * width * aspect


def axes_or_new(ax=None, width=1.0, aspect=0.6):
    """Return `ax`, or the axes of a new figure of `figure_size(width, aspect)`."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=figure_size(width, aspect))[1]


def map_axes(ax):
    """Label axes as coordinates of the plane, with equal scales; returns `ax`."""
    ax.set(xlabel="x (reduced length)", ylabel="y (reduced length)")
    ax.set_aspect("equal")
    return ax


def log_ticks(axis, *subs):
    """Plain numbers along a logarithmic axis, at these digits of each power of ten."""
    axis.set_major_locator(LogLocator(10, subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def bar_of_weights(image, axes, limit, **place):
    """The bar of colours of a map of weights from 1 / `limit` to `limit`, in units of uniform."""
    bar = image.axes.figure.colorbar(
        image, ax=axes, label="attention (1 = uniform)", extend="both", **place
    )
    bar.set_ticks([1 / limit, 1, limit], labels=[f"1/{limit:.0f}", "1", f"{limit:.0f}"])
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)


def legend_below(ax, ncols=4):
    """The legend of `ax` below its figure, where it covers nothing."""
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=ncols)


def ticks_at(axis, places):
    """Plain numbers at some places of a logarithmic axis, and no other ticks."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
