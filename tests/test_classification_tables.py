"""Tables of the classification chapter, from made-up scores."""

import numpy as np
import pandas as pd

from mb_support import classification_tables as tables
from mb_support.over_seeds import scores_over_seeds

LABELS = np.tile([0, 1], 500)


def test_the_posters_figures_stand_beside_means_with_intervals():
    states = np.array([np.where(np.arange(1000) < n, 1 - LABELS, LABELS) for n in (40, 60)])
    found = tables.poster_table(
        scores_over_seeds(LABELS, {"small": states}), {"small": 2}, {"small": 0.915}
    )
    assert found.loc["small", ["poster", "trainings"]].tolist() == ["0.9150", "2"]
    assert found.loc["small", "accuracy"].startswith("0.9500 [")


def test_every_seed_has_its_row():
    states = np.array([LABELS, 1 - LABELS])
    found = tables.seed_table(LABELS, {"small": states})
    assert list(found.index) == ["small, seed 0", "small, seed 1"]
    assert found.loc["small, seed 0", "accuracy"] == "1.0000 [0.9962, 1.0000]"
    assert found.loc["small, seed 1", "f1"] == "0.0000"


def test_differences_say_what_is_larger():
    rows = pd.DataFrame(
        {"difference": [0.02, 0.0, -0.02], "low": [0.01, -0.01, -0.03], "high": [0.03, 0.01, -0.01]}
    )
    found = tables.difference_table(rows)
    assert found["larger?"].tolist() == ["confirmed", "undecided", "refuted"]
    assert found["difference"][0] == "+0.0200 [+0.0100, +0.0300]"


def test_both_sources_of_chance_are_listed():
    table = pd.DataFrame({"trajectories": [0.002], "seeds": [0.003]}, index=["accuracy"])
    assert tables.uncertainty_table({"small": table}).loc["small"].tolist() == ["0.0020", "0.0030"]


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
    words = tables.unreachable_in_words(limits, poster)
    assert words == "cold: large; hot: small, large"
    assert tables.unreachable_in_words({"cold": (1.0, 1.0, 1.0)}, poster) == "cold: none"


def test_accuracies_are_shares_of_right_states():
    assert tables.accuracy_of(LABELS, [LABELS, 1 - LABELS]) == 0.5
    assert tables.scored(LABELS, LABELS) == "1.000 [0.996, 1.000]"
    assert tables.interval_of(0.99, 0.01) == (0.97, 1.0)
