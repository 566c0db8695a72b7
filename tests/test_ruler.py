"""The scale of a trajectory: how well it can be read, and what that is worth."""

import numpy as np
import pytest
import torch

from mb_support import ruler
from mb_support.datasets import make_dataset
from mb_support.inference import load_checkpoint


@pytest.fixture(scope="module")
def walks():
    # Brownian motion, stretched at random: only displacements tell by how much
    random = np.random.default_rng(3)
    steps = random.standard_normal((400, 500, 2))
    return steps.cumsum(axis=1) * np.exp(random.normal(size=(400, 1, 2)))


@pytest.fixture(scope="module")
def trajectories():
    return make_dataset(400, "validation", 6).trajectories


def test_displacements_of_brownian_motion_are_as_long_as_their_variance_says():
    n_frames, step = 100_000, 0.3
    walk = np.random.default_rng(0).normal(scale=step, size=(1, n_frames, 2)).cumsum(axis=1)
    found = ruler.displacement_features(walk, lags=(1, 4)).reshape(2, 2)
    expected = np.log(step * np.sqrt([[1], [4]])) - ruler.log_scales(walk)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_features_do_not_change_with_shift_and_scale(walks):
    moved = walks * np.array([3.0, 0.01]) + np.array([-7.0, 100.0])
    np.testing.assert_allclose(
        ruler.displacement_features(moved), ruler.displacement_features(walks), atol=1e-6
    )


def test_the_error_is_that_of_the_noise_put_into_the_features(walks):
    noise = np.random.default_rng(1).normal(scale=0.1, size=(400, 2))
    error, standard_error = ruler.scale_error(ruler.log_scales(walks) + noise, walks)
    assert abs(error - 0.1) < 4 * standard_error
    assert 0.002 < standard_error < 0.006  # 0.1 / sqrt(2 * 400 * 2)


def test_noise_between_frames_is_a_ruler(trajectories):
    error, _ = ruler.scale_error(ruler.displacement_features(trajectories), trajectories)
    # 999 displacements have a root mean square known to 1 / sqrt(2 * 999); forces add to it
    assert 1 / np.sqrt(2 * 999) < error < 0.03


def test_features_that_say_nothing_leave_the_spread_of_scales(walks):
    nothing = np.random.default_rng(2).standard_normal((400, 3))
    error, standard_error = ruler.scale_error(nothing, walks)
    assert abs(error - ruler.log_scales(walks).std()) < 4 * standard_error


def test_accuracy_falls_with_the_error_from_one(trajectories):
    found = [ruler.accuracy_with_scale_error(trajectories, e) for e in (0.0, 0.02, 0.05, 0.5)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True) and found[-1] < 0.95


def test_shuffling_keeps_the_valleys_and_takes_the_ruler_away(trajectories):
    mixed = ruler.shuffled(trajectories)
    np.testing.assert_array_equal(mixed[:, :32], trajectories[:, :32])
    np.testing.assert_array_equal(np.sort(mixed, axis=1), np.sort(trajectories, axis=1))
    by_order, _ = ruler.scale_error(ruler.displacement_features(trajectories), trajectories)
    by_chance, _ = ruler.scale_error(ruler.displacement_features(mixed), trajectories)
    assert by_chance > 5 * by_order


def test_pooled_encodings_are_what_the_classifier_sees(trajectories):
    model = load_checkpoint("small")
    pooled = ruler.pooled_encodings(model, trajectories[:3])
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(trajectories[:3])).state_logits
        np.testing.assert_allclose(
            model.state_classifier(torch.from_numpy(pooled)), logits, rtol=1e-4, atol=1e-4
        )


def test_answers_of_other_weights_are_not_used(tmp_path):
    models = {"small": load_checkpoint("small")}
    with pytest.raises(ValueError, match="mb_support.ruler small"):
        ruler.load_answers(models, tmp_path)
    ruler.make_size("small", ruler.RulerSettings(n=8), tmp_path, report=str)
    found = ruler.load_answers(models, tmp_path)["small"]
    assert found["lost"] == found["in order"]["accuracy"] - found["shuffled"]["accuracy"]
    models["small"].state_classifier[0].weight.data[0] += 1
    with pytest.raises(ValueError, match="these weights"):
        ruler.load_answers(models, tmp_path)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ruler.log_scales(x[0]),
        lambda x: ruler.log_scales(np.full_like(x, np.nan)),
        lambda x: ruler.log_scales(np.ones_like(x)),
        lambda x: ruler.displacement_features(x, lags=(0,)),
        lambda x: ruler.displacement_features(x, lags=(500,)),
        lambda x: ruler.scale_error(np.ones((3, 2)), x),
        lambda x: ruler.accuracy_with_scale_error(x, -0.1),
    ],
)
def test_impossible_calls_are_refused(call, walks):
    with pytest.raises(ValueError):
        call(walks)
