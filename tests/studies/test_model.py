"""What the chapter on model and loss says in words, decided on made-up numbers."""

import numpy as np
import pandas as pd
import pytest

from mb_support.studies import model as study


@pytest.mark.parametrize(
    ("cosines", "words"),
    [
        ([0.99, 0.95], "lead the same way"),
        ([0.999, 0.999, 0.8], "mostly lead the same way"),
        ([0.5, 0.99], "lead different ways"),
        ([-1.0, -1.0], "lead different ways"),
    ],
)
def test_gradients_lead_the_same_way_if_every_batch_says_so(cosines, words):
    assert study.readings_in_words(cosines) == words


def test_a_change_decides_nothing_up_to_a_share_of_the_loss():
    assert study.change_in_words(-0.001, 0.1) == "does not decide anything"
    assert study.change_in_words(0.01, 0.1) == "is not to be neglected"


def test_the_table_of_layers_has_the_heads_of_the_authors_script():
    table = study.layer_table()
    assert table["heads"].to_dict() == {"small": 8, "medium": 16, "large": 24}
    assert (table["heads"] * table["dimensions of a head"] == table["dimensions h"]).all()


def test_numbers_of_the_chapter_are_means_over_trajectories():
    losses = pd.DataFrame(
        {"trajectory": [2.0, 4.0], "mse": [1.0, 2.0], "unbiased": [2.5, 4.5], "one": [0.1, 0.2]}
        | {"two": [0.2, 0.3], "one_right": [True, True], "two_right": [True, False]}
    )
    found = study.numbers(losses, np.array([0.95, 0.99]))
    assert found["ce_one"] == pytest.approx(0.15) and found["n_differ"] == 1
    assert found["two_minus_one"] == pytest.approx(0.1)
    assert found["norm_ratio"] == 2 and found["statistics"] == 0.5
    assert found["readings"] == "lead the same way"
    assert found["statistics_matter"] == "is not to be neglected"
