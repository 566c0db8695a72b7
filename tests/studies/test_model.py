"""What the chapter on model and loss says in words, decided on made-up numbers."""

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


@pytest.mark.parametrize("cosines", [[], [1.2], [float("nan")]])
def test_what_is_no_cosine_is_refused(cosines):
    with pytest.raises(ValueError, match="cosines must be"):
        study.readings_in_words(cosines)


def test_a_change_decides_nothing_up_to_a_share_of_the_loss():
    assert study.change_in_words(-0.001, 0.1) == "does not decide anything"
    assert study.change_in_words(0.01, 0.1) == "is not to be neglected"
