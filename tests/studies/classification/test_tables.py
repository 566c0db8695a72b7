"""Tables of the classification chapter, from made-up scores."""

import numpy as np
import pandas as pd

from mb_support.classification import SCORES
from mb_support.statistics import wilson_interval
from mb_support.studies.classification import tables
from mb_support.studies.classification.over_seeds import accuracy_differences, scores_over_seeds

LABELS = np.tile([0, 1], 500)


def test_the_posters_figures_stand_beside_means_with_intervals():
    states = np.array([np.where(np.arange(1000) < n, 1 - LABELS, LABELS) for n in (40, 60)])
    means = scores_over_seeds(LABELS, {"small": states})
    means |= scores_over_seeds(LABELS, {"small, fixed set": states[:1]})
    n_seeds = {"small": 2, "small, fixed set": 1}
    found = tables.poster_table(means, n_seeds, {"small": 0.915})
    assert found["poster's accuracy"].tolist() == ["0.9150", "0.9150"]
    assert found["trainings"].tolist() == ["2", "1"]
    assert found.loc["small", "accuracy"].startswith("0.9500 [")
    assert tables.means_in_words(means).startswith("small 0.9500 (")


def test_every_seed_has_its_row():
    states = np.array([LABELS, 1 - LABELS])
    found = tables.seed_table(LABELS, {"small": states})
    assert list(found.index) == ["small, training 1", "small, training 2"]
    assert found.loc["small, training 1", "accuracy"] == "1.0000 [0.9962, 1.0000]"
    assert found.loc["small, training 2", "f1"] == "0.0000"


def test_differences_say_what_is_larger():
    states = np.array([np.where(np.arange(1000) < n, 1 - LABELS, LABELS) for n in (40, 60)])
    found = accuracy_differences(
        LABELS, {"small": states, "perfect": LABELS[None]}, fixed=["perfect"]
    )
    table = tables.difference_table(found)
    assert table.loc["perfect over small", "difference"].startswith("+0.0500 [")
    assert table["larger?"].tolist() == found["larger"].tolist()
    assert tables.differences_in_words(found).startswith("perfect over small +0.0500 (")


def test_each_classifier_has_its_interval():
    found = tables.score_table(LABELS, {"ours": 1 - LABELS, "perfect": LABELS})
    assert found.loc["perfect", "accuracy"] == "1.0000 [0.9962, 1.0000]"
    assert list(found.columns) == list(SCORES)
    drawn = tables.drawn_accuracies(LABELS, {}, {"perfect": LABELS})
    assert drawn["perfect"] == (1.0, *wilson_interval(1000, 1000))


def test_both_sources_of_chance_are_listed():
    table = pd.DataFrame({"trajectories": [0.002], "seeds": [0.003]}, index=["accuracy"])
    found = tables.uncertainty_table({"small": table}, {"small": 5})
    assert found.loc["small"].tolist() == ["5", "0.0020", "0.0030"]


def test_readings_say_which_figures_are_possible():
    limits = {"cold": (0.98, 0.97, 0.99), "hot": (0.9, 0.9, 0.9)}
    poster = {"small": 0.915, "large": 0.991}
    found = tables.readings_table(limits, {"trees": {"hot": 0.88}}, poster)
    assert found.loc["cold"].tolist() == [
        "0.9800 [0.9700, 0.9900]",
        "within reach",
        "out of reach",
        "",
    ]
    assert found.loc["hot", ["limit", "trees"]].tolist() == ["0.9000", "0.8800"]
    too_close = tables.reach_of({"cold": (0.98, 0.97, 0.99)}, {"medium": 0.98})
    assert too_close.loc["cold", "medium"] == "too close to tell"
    words = tables.unreachable_in_words(limits, poster)
    assert words == "cold: large; hot: small, large"
    assert tables.unreachable_in_words({"cold": (1.0, 1.0, 1.0)}, poster) == "cold: none"


def test_accuracies_are_shares_of_right_states():
    assert tables.accuracy_of(LABELS, [LABELS, 1 - LABELS]) == 0.5
    assert tables.scored(LABELS, LABELS) == "1.0000 [0.9962, 1.0000]"
    assert tables.interval_of(0.99, 0.01) == (0.97, 1.0)
