"""How continuations end, and what blocks of appended frames echo."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mb_support.datasets import make_dataset
from mb_support.generation import generate
from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.studies.generation import continuations

#: The edges of a map; of a solver nothing else is needed here.
MAP = SimpleNamespace(x=np.array([-1.7, 1.3]), y=np.array([-0.5, 2.2]))


def test_squared_errors_sum_over_coordinates():
    errors = continuations.squared_errors(np.zeros((1, 2, 2)), [[[3.0, 4.0], [0.0, 1.0]]])
    np.testing.assert_array_equal(errors, [[25, 1]])


def test_a_particle_in_a_valley_does_not_stand_still():
    valleys = make_dataset(50, "validation", n_frames=120).trajectories[:, 60:]
    assert not continuations.is_standing_still(valleys).any()
    assert continuations.is_standing_still(valleys[:, :1].repeat(20, axis=1)).all()


def test_echo_is_one_for_a_copy_and_none_for_noise():
    generated = np.random.default_rng(6).normal(size=(200, 60, 2))
    assert abs(continuations.echo(generated, 30, 30).mean()) < 0.05
    generated[:, 30:] = 2 * generated[:, :30] + 1
    np.testing.assert_allclose(continuations.echo(generated, 30, 30), 1)
    generated[:, 30:59] = 2 * generated[:, 1:30] + 1
    np.testing.assert_allclose(continuations.echo(generated, 30, 30, shift=1), 1)
    assert abs(continuations.echo(generated, 30, 30).mean()) < 0.05


def test_one_step_forecasts_end_in_one_frame():
    torch.manual_seed(3)
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small", initializer_range=0.3)).eval()
    frames = np.random.default_rng(5).normal(size=(3, 12, 2)).astype(np.float32)
    forecasts = continuations.one_step_forecasts(model, frames, 9, [5, 10])
    np.testing.assert_array_equal(forecasts[0], generate(model, frames[:, 5:10], 1)[:, -1])
    np.testing.assert_array_equal(forecasts[1], generate(model, frames[:, :10], 1)[:, -1])
    with pytest.raises(ValueError, match="lengths must be an integer from 2 to 10; got 11"):
        continuations.one_step_forecasts(model, frames, 9, [11])


def test_continuations_are_told_apart_by_how_they_end():
    a, rng = np.array([-0.558, 1.442]), np.random.default_rng(4)
    generated = np.tile(a, (4, 60, 1))
    generated[1] += rng.normal(0, 0.1, (60, 2))
    generated[2, 10:, 0] -= 0.1 * np.arange(50)  # by 0.1 in each frame, off the map after a while
    generated[3, 30:] = 9.0
    found = continuations.how_they_end(MAP, generated, 10, largest_step=1.0)
    assert found["end"].tolist() == ["at rest", "moving", "drifted off", "jumped off"]
    edge = int((a[0] - MAP.x[0]) // 0.1) + 1
    assert found["left"].tolist() == [-1, -1, edge, 20]
    assert found["off"].tolist() == pytest.approx([0, 0, 1 - edge / 50, 0.6])
    assert found["from_minimum"][0] == pytest.approx(0, abs=1e-3)
    found = continuations.how_they_end(MAP, generated, 10, largest_step=20.0)
    assert found["end"][3] == "drifted off"
