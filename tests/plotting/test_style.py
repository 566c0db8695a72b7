import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from mb_support.plotting import pictures, style


@pytest.fixture(autouse=True)
def restore_settings():
    with mpl.rc_context():
        yield
    plt.close("all")


def luminance(color):
    """Relative luminance of WCAG 2.1, from sRGB."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_style_has_one_size_of_letters_and_keeps_the_backend():
    kept = mpl.rcParams["backend"], (not mpl.rcParams["interactive"])
    mpl.rcParams["interactive"] = kept[1]
    style.use_style()
    sizes = ["axes.titlesize", "axes.labelsize", "xtick.labelsize", "legend.fontsize", "font.size"]
    assert {mpl.rcParams[size] for size in sizes} == {style.FONT_SIZE}
    assert (mpl.rcParams["backend"], mpl.rcParams["interactive"]) == kept


def test_style_does_not_depend_on_earlier_settings():
    style.use_style()
    clean = dict(mpl.rcParams)
    mpl.rcParams["axes.grid"] = not mpl.rcParams["axes.grid"]
    style.use_style()
    assert dict(mpl.rcParams) == clean


def test_states_sizes_and_reference_never_share_a_colour():
    colors = [*style.STATE_COLORS, *style.SIZE_COLORS.values()]
    colors += [style.REFERENCE_COLOR, style.BASELINE_COLOR, style.MODEL_COLOR]
    assert len(set(colors)) == len(colors)


def test_state_colours_are_readable_as_marks_on_light_and_dark_pages():
    # WCAG asks a contrast of 3 for graphical objects
    for color in style.STATE_COLORS:
        for page in ("#FFFFFF", "#14181E"):
            low, high = sorted((luminance(color), luminance(page)))
            assert (high + 0.05) / (low + 0.05) > 3


def test_figure_size_is_in_fractions_of_the_column():
    assert style.figure_size(0.5, 1.0) == (style.FULL_WIDTH / 2, style.FULL_WIDTH / 2)


@pytest.mark.parametrize("arguments", [(0, 1), (1.2, 1), (1, 0), (float("nan"), 1)])
def test_figure_size_rejects_what_cannot_be_drawn(arguments):
    with pytest.raises(ValueError, match="must be above 0"):
        style.figure_size(*arguments)


# ---- pictures ----------------------------------------------------------------------------------


def pixels(png):
    return plt.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize("width", [0.4, 1.0])
def test_pictures_are_as_wide_as_they_were_drawn_and_letters_have_one_size(width):
    style.use_style()
    ax = style.axes_or_new(width=width)
    ax.plot([0, 1])
    for png in (pictures.light_png(ax.figure), pictures.dark_png(ax.figure)):
        inches = pixels(png).shape[1] / pictures.RESOLUTION
        assert inches == pytest.approx(width * style.FULL_WIDTH, abs=0.1)


def test_on_dark_pages_greys_change_places_and_colours_stay():
    ax = style.axes_or_new()
    ax.plot([0, 1], color=style.SIZE_COLORS["small"])
    ax.plot([1, 0], "kx-")
    pictures.light_png(ax.figure)  # a layout may settle while it is drawn first
    before = pictures.light_png(ax.figure)
    dark = pixels(pictures.dark_png(ax.figure))
    assert dark[0, 0, 3] == 0, "no background"
    ink = dark[dark[..., 3] == 1][:, :3]
    color = mpl.colors.to_rgb(style.SIZE_COLORS["small"])
    assert np.isclose(ink, color, atol=0.01).all(axis=1).any()
    grey = ink[np.ptp(ink, axis=1) < 0.01]
    assert grey.min() > 0.5, "no dark letter or line is left"
    assert pictures.light_png(ax.figure) == before, "the figure is as it was"


def test_maps_and_what_lies_upon_them_keep_their_colours():
    def picture(kind):
        ax = style.axes_or_new()
        ax.imshow(np.zeros((4, 4)), cmap="gray", vmin=-1, vmax=1)
        ax.text(1.5, 1.5, "A", color="white", size=40, ha="center", va="center")
        kind(ax.figure)  # a layout may settle while it is drawn first
        return pixels(kind(ax.figure))

    light, dark = picture(pictures.light_png), picture(pictures.dark_png)
    middle = tuple(slice(n // 3, 2 * n // 3) for n in light.shape[:2])
    np.testing.assert_array_equal(light[middle][..., :3], dark[middle][..., :3])


def test_a_shell_keeps_both_pictures():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    pictures.keep_both(shell)
    ax = style.axes_or_new(width=0.3)
    data, _ = shell.display_formatter.format(ax.figure)
    assert {"image/png", pictures.MIME} <= set(data)


def test_on_dark_pages_dark_browns_become_lighter_and_blank_maps_show_the_page():
    brown, blue = pictures.inverted(["#5C3A00", style.PALETTE["blue"]])
    assert brown[:3].min() > 0.3 and brown[0] > brown[2], "lighter, and brown still"
    assert blue[:3] == pytest.approx(mpl.colors.to_rgb(style.PALETTE["blue"]))
    ax = plt.subplots(figsize=(2, 2))[1]
    ax.pcolormesh([[0.0, np.nan], [np.nan, 1.0]])
    white = (pixels(pictures.dark_png(ax.figure))[..., 3] == 0).sum()
    blank = (pixels(pictures.dark_png(pictures.leave_blank(ax).figure))[..., 3] == 0).sum()
    assert blank > white, "more of the picture is transparent"
