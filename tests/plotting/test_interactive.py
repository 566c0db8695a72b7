import json
import re

import numpy as np
import pytest

from mb_support.plotting.interactive import InteractiveFigure, animate_particle, explore_attention

TRAJECTORY = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
GRID = {"x": [0.0, 1.0], "y": [0.0, 0.5, 1.0], "energy": np.arange(6.0).reshape(2, 3)}


def specification(figure):
    return json.loads(re.search(r"const spec = (\{.*\});\n", figure._repr_html_())[1])


def particle(**changes):
    return animate_particle(
        **(
            {"trajectory": TRAJECTORY, "committor": [0, 0.5, 1], "times": [0, 1, 2]}
            | GRID
            | changes
        )
    )


def attention(**changes):
    weights = np.full((2, 2, 3), 1 / 3)
    weights[1, 1] = [0.5, 0.25, 0.25]
    arguments = {"trajectory": TRAJECTORY, "attention": weights, "queries": [0, 2]}
    return explore_attention(**(arguments | {"choices": ["layer 1", "layer 2"]} | changes))


def test_the_particle_of_each_frame_is_where_the_trajectory_is():
    frames = specification(particle())["frames"]
    for step, frame in enumerate(frames):
        dot, committor = frame["data"][1], frame["data"][2]
        assert (dot["x"] + dot["y"]) == TRAJECTORY[step].tolist()
        assert committor["y"] == [step / 2]


def test_energies_are_drawn_with_x_along_columns():
    contour = specification(particle())["data"][0]
    assert contour["z"] == GRID["energy"].T.tolist()


def test_frames_are_named_by_their_number_in_the_whole_trajectory():
    figure = attention(stride=5)
    assert figure.marks == ["frame 0", "frame 10"]
    data = specification(figure)
    assert data["data"][2]["x"] == [0, 5, 10] and data["layout"]["xaxis2"]["range"] == [0, 10]
    assert {frame["name"]: frame for frame in data["frames"]}["layer 2/1"]["data"][3]["x"] == [10]


def test_attention_is_shown_in_multiples_of_an_even_share():
    frames = {frame["name"]: frame for frame in specification(attention())["frames"]}
    assert frames["layer 1/0"]["data"][2]["y"] == [1, 1, 1]
    assert frames["layer 2/1"]["data"][2]["y"] == [1.5, 0.75, 0.75]
    assert frames["layer 2/1"]["data"][1]["x"] == [1.0]  # the frame that looks


def test_equal_figures_give_equal_pages_and_need_no_network_where_plotly_is_there():
    page = particle()._repr_html_()
    assert page == particle()._repr_html_()
    assert page.index("if (window.Plotly) return draw()") < page.index("script.src")


def test_a_figure_has_other_identifiers_than_the_headings_of_its_page():
    page = attention()._repr_html_()
    assert set(re.findall(r'id="(\w+)', page)) == {"interactive"}


def test_attention_is_drawn_along_the_whole_trajectory_and_undistorted():
    layout = specification(attention())["layout"]
    assert layout["xaxis2"]["range"] == [0, len(TRAJECTORY) - 1]
    assert layout["yaxis"]["scaleanchor"] == "x"


def test_controls_are_native_and_named():
    page = attention()._repr_html_()
    assert re.search(r'<label>Looking frame <input type="range"', page)
    assert re.search(r"<label>Layer <select id", page)
    assert "<select hidden" in particle()._repr_html_()


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (particle, {"trajectory": np.zeros((3, 3))}, r"\(n_frames, 2\)"),
        (particle, {"times": [0, 1]}, "equal lengths; got 3, 3, 2"),
        (attention, {"queries": [0]}, r"shape \(2, 1, 3\); got \(2, 2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_a_figure_without_its_frames_is_refused():
    with pytest.raises(ValueError, match="no frame named '/1'"):
        figure = particle().figure
        figure.frames = figure.frames[:1]
        InteractiveFigure(figure, "a", "b", ["0", "1"], "Step")
