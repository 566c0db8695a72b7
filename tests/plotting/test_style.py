import matplotlib as mpl
import pytest

from mb_support.plotting import style


@pytest.fixture(autouse=True)
def restore_settings():
    with mpl.rc_context():
        yield


def luminance(color):
    """Relative luminance of WCAG 2.1, from sRGB."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_style_makes_opaque_white_figures_and_keeps_the_backend():
    kept = mpl.rcParams["backend"], (not mpl.rcParams["interactive"])
    mpl.rcParams["interactive"] = kept[1]
    style.use_style()
    assert mpl.rcParams["figure.facecolor"] == "white"
    assert mpl.rcParams["svg.hashsalt"]
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


def test_state_colours_are_readable_as_text_sized_marks_on_white():
    # WCAG asks a contrast of 3 for graphical objects
    for color in style.STATE_COLORS:
        assert 1.05 / (luminance(color) + 0.05) > 3


def test_figure_size_is_in_fractions_of_the_column():
    assert style.figure_size(0.5, 1.0) == (style.FULL_WIDTH / 2, style.FULL_WIDTH / 2)


@pytest.mark.parametrize("arguments", [(0, 1), (1.2, 1), (1, 0), (float("nan"), 1)])
def test_figure_size_rejects_what_cannot_be_drawn(arguments):
    with pytest.raises(ValueError, match="must be above 0"):
        style.figure_size(*arguments)
