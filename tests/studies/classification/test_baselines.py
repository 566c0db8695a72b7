"""Classifiers without a transformer: what they see, and what is kept of them."""

import numpy as np
import pytest

from mb_support.datasets import FINAL_TEST, make_dataset
from mb_support.studies.classification import baselines


def test_features_know_neither_place_nor_scale():
    data = make_dataset(5, "validation", index=7, n_frames=300)
    features = baselines.trajectory_features(data.trajectories)
    moved = baselines.trajectory_features(data.trajectories * [2.0, 5.0] - [3, 1])
    np.testing.assert_allclose(moved, features, atol=1e-4)
    assert features.shape == (5, len(features[0])) and np.isfinite(features).all()


def test_kept_baselines_are_better_than_chance_and_not_fitted_again(tmp_path, capsys):
    with pytest.raises(ValueError, match="no predictions of 'baselines_wild_100000'"):
        baselines.load_baselines("wild_100000", tmp_path)
    for is_made in (True, False):
        found = baselines.evaluate_baselines("wild_100000", tmp_path, n_train=300, n_test=100)
        assert found == is_made
    assert "up to date" in capsys.readouterr().out
    labels = make_dataset(100, "test", FINAL_TEST, "wild", n_frames=2).labels
    for states in baselines.load_baselines("wild_100000", tmp_path).values():
        assert (states == labels).mean() > 0.7  # chance 0.5 to 0.6
    path = tmp_path / "classification" / "baselines_wild_100000.json"
    path.write_text(path.read_text().replace('"seed": 6000', '"seed": 7000'))
    with pytest.raises(ValueError, match="made of other trajectories: run python -m"):
        baselines.load_baselines("wild_100000", tmp_path)


def test_the_side_of_the_mean_is_upper_left_for_a():
    path = np.array([[[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0]], [[1.0, -1.0], [-1.0, 1.0], [0, 0]]])
    np.testing.assert_array_equal(baselines.side_of_the_mean(path + 7), [0, 1])


def test_features_need_long_trajectories_that_move():
    with pytest.raises(ValueError, match="at least 128 frames"):
        baselines.trajectory_features(np.ones((3, 100, 2)))
    with pytest.raises(ValueError, match="move in both"):
        baselines.trajectory_features(np.ones((1, 200, 2)))
