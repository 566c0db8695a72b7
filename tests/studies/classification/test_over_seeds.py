"""Scores over trainings: means, the two sources of chance, and verdicts, on made-up predictions."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from mb_support.studies.classification import over_seeds


def trainings_of(accuracies, labels, rng, hard=None):
    """Predictions that are wrong where a number common to all trainings is high."""
    hard = rng.random(len(labels)) if hard is None else hard
    return np.array([np.where(hard < a, labels, 1 - labels) for a in accuracies])


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 2, 2000)


def test_means_over_seeds_are_those_of_scikit_learn(labels):
    found = trainings_of([0.9, 0.95], labels, np.random.default_rng(1))
    mean = over_seeds.scores_over_seeds(labels, {"small": found}, 2)["small"]["mean"]
    expected = [precision_recall_fscore_support(labels, f, average="weighted")[:3] for f in found]
    np.testing.assert_allclose(mean[["precision", "recall", "f1"]], np.mean(expected, axis=0))
    assert mean["accuracy"] == np.mean(found == labels)


def test_errors_from_trajectories_are_binomial_when_seeds_agree(labels):
    found = trainings_of([0.9, 0.9], labels, np.random.default_rng(1))
    row = over_seeds.scores_over_seeds(labels, {"small": found})["small"].loc["accuracy"]
    p = row["mean"]
    assert row["seeds"] == 0
    assert row["trajectories"] == pytest.approx(np.sqrt(p * (1 - p) / len(labels)), rel=0.1)
    assert row["high"] - row["mean"] == pytest.approx(1.96 * row["trajectories"], rel=1e-3)


def test_intervals_cover_the_mean_of_many_trainings_as_often_as_they_say():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(80):
        labels = rng.integers(0, 2, 500)
        recipes = {
            name: trainings_of(rng.normal(centre, 0.015, k), labels, rng)
            for name, centre, k in (("small", 0.90, 3), ("large", 0.94, 2))
        }
        tables = over_seeds.scores_over_seeds(labels, recipes, n_bootstrap=40)
        for name, truth in (("small", 0.90), ("large", 0.94)):
            row = tables[name].loc["accuracy"]
            covered.append(row["low"] <= truth <= row["high"])
    assert np.mean(covered) > 0.92  # rather too wide than too narrow


def test_scatter_is_pooled_over_recipes(labels):
    rng = np.random.default_rng(2)
    recipes = {
        "small": trainings_of([0.90, 0.92], labels, rng),
        "large": trainings_of([0.95], labels, rng),  # trained once: scatters like the other
    }
    tables = over_seeds.scores_over_seeds(labels, recipes)
    small, large = (tables[name].loc["accuracy", "seeds"] for name in recipes)
    scatter = np.std((recipes["small"] == labels).mean(axis=1), ddof=1)
    assert small == pytest.approx(scatter / np.sqrt(2)) and large == pytest.approx(scatter)


def test_where_nothing_was_trained_twice_intervals_are_over_trajectories_alone(labels):
    once = {"small": trainings_of([0.9], labels, np.random.default_rng(7))}
    row = over_seeds.scores_over_seeds(labels, once)["small"].loc["accuracy"]
    assert np.isnan(row["seeds"])
    assert row["high"] - row["mean"] == pytest.approx(1.96 * row["trajectories"], rel=1e-3)


def test_trajectories_that_both_miss_do_not_blur_a_difference(labels):
    rng = np.random.default_rng(3)
    hard = rng.random(len(labels))
    same = {
        "small": trainings_of([0.900, 0.901], labels, rng, hard),
        "medium": trainings_of([0.910, 0.911], labels, rng, hard),
    }
    found = over_seeds.accuracy_differences(labels, same).loc["medium over small"]
    assert found["low"] > 0 and found["difference"] == pytest.approx(0.01, abs=0.004)
    other = same | {"medium": trainings_of([0.910, 0.911], labels, rng)}
    wide = over_seeds.accuracy_differences(labels, other).loc["medium over small"]
    assert wide["high"] - wide["low"] > 1.5 * (found["high"] - found["low"])


def test_what_no_training_decides_does_not_scatter(labels):
    rng = np.random.default_rng(4)
    recipes = {"small": trainings_of([0.90, 0.93], labels, rng), "observer": labels[None]}
    pair = [("small", "observer")]

    def width(**settings):
        row = over_seeds.accuracy_differences(labels, recipes, pair, **settings).iloc[0]
        return row["high"] - row["low"]

    assert width(fixed=["observer"]) < width()


def test_verdicts_follow_the_intervals(labels):
    rng = np.random.default_rng(6)
    recipes = {
        "small": trainings_of([0.90, 0.901, 0.902], labels, rng),
        "medium": trainings_of([0.95, 0.951, 0.952], labels, rng),
    }
    recipes["large"] = recipes["medium"]
    tables = over_seeds.scores_over_seeds(labels, recipes)
    goals = {"small": 0.85, "medium": np.mean(recipes["medium"] == labels), "large": 0.99}
    assert over_seeds.against_figures(tables, goals) == {
        "small": "confirmed",
        "medium": "undecided",
        "large": "refuted",
    }
    grown = over_seeds.accuracy_differences(labels, recipes)["larger"]
    assert grown.to_dict() == {"medium over small": "confirmed", "large over medium": "undecided"}


def test_what_cannot_be_judged_is_refused(labels):
    with pytest.raises(ValueError, match="no recipe was trained twice"):
        over_seeds.accuracy_differences(labels, {"small": labels[None]})
