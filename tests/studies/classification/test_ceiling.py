"""Ceilings kept in the repository: gone on with, calibrated, and of the test set."""

import json

import numpy as np
import pytest

from mb_support.datasets import FINAL_TEST, make_dataset
from mb_support.datasets.sets import regime_settings
from mb_support.files import paths
from mb_support.observer import ApproximateObserver, IdealObserver
from mb_support.studies.classification import ceiling
from mb_support.studies.classification.ceiling import Ceiling, load_approximate, load_ceilings

OBSERVED = [r for r in ceiling.OBSERVED if (paths.RESULTS / f"ceiling_{r}.json").exists()]
APPROXIMATED = [r for r in ceiling.N_APPROXIMATE if load_approximate(r)]


def test_expected_accuracy_is_the_mean_certainty():
    seen = Ceiling(0, 10, np.array([0.9, 0.2, 0.5]))
    assert seen.expected_accuracy[0] == pytest.approx((0.9 + 0.8 + 0.5) / 3)
    assert seen.expected_accuracy[1] == pytest.approx(np.std([0.9, 0.8, 0.5]) / np.sqrt(3))
    np.testing.assert_array_equal(seen.guesses, [1, 0, 0])


@pytest.mark.parametrize("regime", ceiling.OBSERVED)
def test_what_is_observed_fits_the_trajectories(regime):
    n_frames = regime_settings(regime).n_frames
    assert all(start + length <= n_frames for start, length, _ in ceiling.OBSERVED[regime])
    assert ceiling.OBSERVED[regime][0][:2] == (0, n_frames)


@pytest.mark.slow
def test_observations_go_on_from_where_they_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ceiling, "_PORTION", 2)
    path = tmp_path / "ceiling_metastable.json"
    assert load_ceilings("metastable", tmp_path) == {}
    ceiling.observe("metastable", path, [(0, 30, 2)])
    capsys.readouterr()
    ceiling.observe("metastable", path, [(0, 30, 3), (0, 30, 1)])
    assert capsys.readouterr().out.splitlines() == ["metastable, 30 frames from 0: 3 of 3"]
    found = load_ceilings("metastable", tmp_path)
    assert {key: len(part.first) for key, part in found.items()} == {(0, 30): 3}
    data = make_dataset(2, "test", FINAL_TEST)
    expected = IdealObserver(data.config, 0, 30).observe(data.trajectories[:, :30])
    np.testing.assert_allclose(found[0, 30].first[:2], expected.first, atol=1e-4)
    np.testing.assert_allclose(found[0, 30].last[:2], expected.last, atol=1e-4)
    record = json.loads(path.read_text()) | {"data": "other"}
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="other trajectories"):
        ceiling.observe("metastable", path, [(0, 30, 4)])


def test_the_approximation_is_of_a_validation_set_and_of_the_test_set(tmp_path, capsys):
    path = tmp_path / "ceiling_metastable_approximate.json"
    assert ceiling.approximate("metastable", path, 8, 5)
    assert not ceiling.approximate("metastable", path, 8, 5)
    assert "up to date" in capsys.readouterr().out
    found = load_approximate("metastable", tmp_path)
    observer = ApproximateObserver(regime_settings("metastable"))
    validation = make_dataset(8, "validation", ceiling.APPROXIMATE_INDEX)
    shares = observer.observe(validation.trajectories)
    certainty = np.maximum(shares, 1 - shares)
    assert found["expected_accuracy"] == pytest.approx(certainty.mean(), abs=1e-5)
    assert found["accuracy"] == np.mean((shares > 0.5) == validation.labels)
    expected = observer.observe(make_dataset(5, "test", FINAL_TEST).trajectories)
    np.testing.assert_allclose(found["test"], expected, atol=1e-4)
    whole = ceiling.ceiling_of_test_set("metastable", tmp_path)
    assert (whole.start, whole.length, len(whole.first)) == (0, 512, 5)


def test_a_ceiling_that_is_not_kept_is_asked_for(tmp_path):
    with pytest.raises(
        ValueError, match="run python -m mb_support.studies classification ceiling_wild"
    ):
        ceiling.ceiling_of_test_set("wild", tmp_path)


# ---- what is committed -------------------------------------------------------------------------


@pytest.mark.parametrize("regime", OBSERVED)
def test_kept_observations_are_of_the_test_set(regime):
    record = json.loads((paths.RESULTS / f"ceiling_{regime}.json").read_text())
    assert record["data"] == ceiling.data_digest(make_dataset(20, "test", FINAL_TEST, regime))


@pytest.mark.parametrize("regime", OBSERVED)
def test_guesses_are_right_as_often_as_they_say(regime):
    for part in load_ceilings(regime).values():
        labels = make_dataset(len(part.first), "test", FINAL_TEST, regime, n_frames=2).labels
        expected, _ = part.expected_accuracy
        certainty = np.maximum(part.first, 1 - part.first)
        error = np.sqrt((certainty * (1 - certainty)).sum()) / len(labels)
        assert abs((part.guesses == labels).mean() - expected) < 4 * error + 1e-3


@pytest.mark.parametrize("regime", APPROXIMATED)
def test_the_approximation_agrees_with_labels_and_with_the_ideal_observer(regime):
    found = load_approximate(regime)
    by_luck = np.sqrt(found["accuracy"] * (1 - found["accuracy"]) / found["n_validation"])
    assert abs(found["accuracy"] - found["expected_accuracy"]) < 4 * by_luck + 1e-3
    n_frames = regime_settings(regime).n_frames
    observed, error = load_ceilings(regime)[0, n_frames].expected_accuracy
    scatter = np.hypot(error, found["standard_error"])
    assert abs(found["expected_accuracy"] - observed) < 3 * scatter + 1e-3
