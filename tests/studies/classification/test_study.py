"""What the classification chapter says of whole trajectories, from what is committed."""

import numpy as np
import pandas as pd
import pytest

from mb_support.classification import POSTER_SCORES, SCORES
from mb_support.statistics import Z, pooled_scatter
from mb_support.studies.classification import readings
from mb_support.studies.classification import study as chapter


@pytest.fixture(scope="module")
def study():
    return chapter.Study()


def test_the_posters_figures_stand_beside_means_with_intervals(study):
    table = study.table()
    for size, states in study.sizes.items():
        row = table.loc[size]
        assert row["poster's accuracy"] == f"{POSTER_SCORES[size]:.4f}"
        assert row["trainings"] == len(states)
        assert row["accuracy"].startswith(f"{(states == study.labels).mean():.3f} [")
        low, high = study.means[size].loc["accuracy", ["low", "high"]]
        word = "higher" if low > POSTER_SCORES[size] else "equal within errors"
        word = "lower" if high < POSTER_SCORES[size] else word
        assert row["against the poster's"] == word
    poster = study.poster_table()
    assert poster.loc[("small", "poster"), "accuracy"] == "0.9150"
    assert len(poster.columns) == len(SCORES)


def test_one_training_of_a_thousand_scatters_like_the_others_of_fixed_sets(study):
    found = study.fixed_over_trees()
    width = found["high"] - found["low"]
    whole, short_first = (f"small, {chapter.FIXED[k]} over trees" for k in ("fixed", "data-1000"))
    n = len(study.fixed[f"small, {chapter.FIXED['fixed']}"])
    # nearly all of the width is the scatter over seeds, which a mean over n trainings divides
    assert width[short_first] / width[whole] == pytest.approx(np.sqrt(n), rel=0.05)


def test_growth_on_the_fixed_set_is_of_the_means_over_its_trainings(study):
    found = study.growth_on_fixed_set()
    for name, other in (("medium", "small"), ("large", "medium")):
        gain = [
            (study.fixed[f"{size}, {chapter.FIXED['fixed']}"] == study.labels).mean()
            for size in (name, other)
        ]
        row = found.loc[f"{name} over {other}"]
        assert row["difference"] == pytest.approx(gain[0] - gain[1])
        assert row["low"] < row["difference"] < row["high"]


def test_trees_are_taken_as_fitted_in_every_comparison(study):
    # so the scatter over trainings enters for the models alone, divided by their number
    found = study.over_trees()
    scatter, quantile = pooled_scatter([(s == study.labels).mean(1) for s in study.sizes.values()])
    for size, states in study.sizes.items():
        row = found.loc[f"{size} over trees"]
        gain = (states == study.labels).mean(0) - (study.baselines[chapter.TREES] == study.labels)
        by_trajectories = Z * gain.std() / np.sqrt(len(gain))
        by_seeds = quantile * scatter / np.sqrt(len(states))
        half = (row["high"] - row["low"]) / 2
        assert half == pytest.approx(np.hypot(by_trajectories, by_seeds))


def test_every_training_has_its_accuracy(study):
    table = study.scatter_table()
    for size, states in study.sizes.items():
        shown = table.loc[size, "accuracy of each training"].split(", ")
        np.testing.assert_allclose([float(v) for v in shown], (states == study.labels).mean(1))


def test_what_is_drawn_is_what_is_tabled(study):
    drawn = study.drawn()
    low, high = drawn["ceiling"][1:]
    assert low < study.ceiling.expected_accuracy[0] < high <= 1
    for size in study.sizes:
        value, low, high = drawn["measured"][size]
        assert low < value < high
        assert value == pytest.approx(np.mean(drawn["seeds"][size]))


def test_confusions_count_every_trajectory_once(study):
    table = study.confusion_table()
    for name in (*study.sizes, "trees"):
        assert table[name].to_numpy().sum() == len(study.labels)


def test_words_are_whole(study):
    words = study.words()
    assert all(name.startswith("classification_") for name in words)
    assert "nan" not in " ".join(map(str, words.values()))
    assert words["classification_behind"].startswith("small 0.")


def test_readings_say_which_figures_are_possible():
    limits = {"cold": (0.98, 0.97, 0.99), "hot": (0.9, 0.9, 0.9), "sure": (1.0, 1.0, 1.0)}
    table = readings.table(limits, {"trees": {"hot": 0.88}})
    assert table.loc["cold"].tolist() == [
        "0.9800 [0.9700, 0.9900]", "within reach", "too close to tell", "out of reach", ""
    ]  # fmt: skip
    assert table.loc["hot", ["limit", "our trees"]].tolist() == ["0.9000", "0.8800"]
    assert (readings.reach(limits).loc["sure"] == "within reach").all()


def test_differences_say_what_is_larger():
    found = pd.DataFrame(
        {"difference": [0.05], "low": [0.03], "high": [0.07], "larger": ["confirmed"]}, ["a over b"]
    )
    table = chapter.difference_table(found)
    assert table.loc["a over b"].tolist() == ["+0.0500 [+0.0300, +0.0700]", "confirmed"]
