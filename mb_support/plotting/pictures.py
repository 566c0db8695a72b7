"""Figures as pictures, light and dark, cut to what is drawn.

`FULL_WIDTH` fills the text column; pages show narrower pictures as much narrower, so that letters
have one size.

Chapters keep a second picture of each figure, with light ink and no background, beside the first;
`book/_ext/dark_figures.py` shows it on dark pages. Colours that mean something stay what they are;
black, white and grey change places. Maps keep their colours and whatever is drawn upon them.
"""

import base64
import io
from contextlib import contextmanager

import numpy as np
from matplotlib.collections import Collection, QuadMesh
from matplotlib.colors import to_rgba_array
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

#: Width in inches of the text column, and pixels per inch.
FULL_WIDTH, RESOLUTION = 7.2, 180
#: A coloured line below it would be lost on a dark page.
_LEAST_LUMINANCE = 0.14
_BLANK = "blank"
#: Under this type notebooks keep the picture.
MIME = "application/vnd.mb-support.dark+png"
_PARTS = {
    Line2D: ("color", "markeredgecolor", "markerfacecolor"),
    Patch: ("edgecolor", "facecolor"),
    Collection: ("edgecolor", "facecolor"),
    Text: ("color",),
}


def inverted(color):
    """A colour, or several as (n, 4), for a dark page.

    Greys go from light to dark, dark browns become lighter, other colours are kept.
    """
    colors = to_rgba_array(color)
    is_grey = np.ptp(colors[:, :3], axis=1) < 0.04
    colors[is_grey, :3] = 0.92 - 0.84 * colors[is_grey, :3]
    luminance = colors[:, :3] ** 2.2 @ (0.2126, 0.7152, 0.0722)
    is_dark = ~is_grey & (luminance < _LEAST_LUMINANCE)
    colors[is_dark, :3] += 0.35 * (1 - colors[is_dark, :3])
    return colors


def light_png(figure):
    """PNG of a figure for paper and light pages."""
    return _png(figure, facecolor="white")


def dark_png(figure):
    """PNG of a figure with light ink and no background; the figure is left as it was."""
    with _inverted(figure):
        return _png(figure, facecolor="none")


def _png(figure, **options):
    figure.draw_without_rendering()  # a layout settles when it is drawn
    box, picture = figure.get_tightbbox().padded(0.05), io.BytesIO()
    figure.savefig(picture, bbox_inches=box, dpi=figure.dpi, **options)
    return picture.getvalue()


def leave_blank(ax):
    """On dark pages show the page where a map has no colour; without it, maps stay white there."""
    ax.patch.set_gid(_BLANK)
    return ax


def keep_both(shell):
    """Have an IPython shell make both pictures of each figure that it displays."""
    formatter = shell.display_formatter
    formatter.formatters["image/png"].for_type(Figure, light_png)
    formatter.mimebundle_formatter.for_type(
        Figure, lambda figure: {MIME: base64.b64encode(dark_png(figure)).decode()}
    )


@contextmanager
def _inverted(figure):
    figure.draw_without_rendering()  # now ticks are there
    undo, panels = [], {ax.patch for ax in figure.axes}
    try:
        for artist in _on_the_page(figure):
            kind = next(kind for kind in _PARTS if isinstance(artist, kind))
            colors = {part: getattr(artist, f"get_{part}")() for part in _PARTS[kind]}
            for part, before in colors.items():
                after = inverted("none" if artist in panels else before)
                getattr(artist, f"set_{part}")(after if kind is Collection else _single(after))
                undo.append((getattr(artist, f"set_{part}"), before))
        yield
    finally:
        for put_back, before in undo:
            put_back(before)


def _single(colors):
    return tuple(colors[0]) if len(colors) else "none"


def _on_the_page(figure):
    # all artists with colours of their own, but for what lies on a map and the map itself
    kept = {figure.patch}
    for ax in figure.axes:
        if _is_map(ax):
            frame = {ax.patch, ax.xaxis, ax.yaxis, ax.title, *ax.spines.values()}
            if ax.patch.get_gid() != _BLANK:
                kept.add(ax.patch)
            for artist in set(ax.get_children()) - frame:
                if isinstance(artist, ContourSet | QuadMesh) or _is_inside(artist, ax):
                    kept.update(artist.findobj())
    for artist in figure.findobj(lambda a: isinstance(a, tuple(_PARTS))):
        has_map_colours = isinstance(artist, Collection) and artist.get_array() is not None
        on_a_label = isinstance(artist, Text) and artist.get_bbox_patch() is not None
        if artist not in kept and not has_map_colours and not on_a_label:
            yield artist


def _is_map(ax):
    return bool(ax.images) or any(
        isinstance(c, QuadMesh) or (isinstance(c, ContourSet) and c.filled) for c in ax.collections
    )


def _is_inside(artist, ax):
    box = artist.get_window_extent()
    if not np.isfinite(box.extents).all():  # a text that is not drawn
        return False
    return ax.bbox.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
