"""Intervals of proportions, and verdicts on intervals."""

import numpy as np
import pytest
from scipy.stats import binom

from mb_support.statistics import verdict, verdicts_in_words, wilson_interval


def test_wilson_interval_covers_as_often_as_it_says():
    # exact coverage: binomial probabilities of the counts whose interval holds the truth
    n, p = 200, 0.97
    covered = [low <= p <= high for low, high in (wilson_interval(k, n) for k in range(201))]
    assert binom.pmf(np.arange(201), n, p)[covered].sum() == pytest.approx(0.95, abs=0.03)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0)])
def test_wilson_interval_refuses_what_is_no_proportion(arguments):
    with pytest.raises(ValueError, match="n_right"):
        wilson_interval(*arguments)


def test_a_verdict_compares_intervals():
    assert verdict((0.93, 0.96), (0.915, 0.915)) == "confirmed"
    assert verdict((0.96, 0.98), (0.978, 0.978)) == "undecided"
    assert verdict((0.96, 0.98), (0.99, 1.0)) == "refuted"
    with pytest.raises(ValueError, match="low first"):
        verdict((0.98, 0.96), (0.9, 0.9))


def test_verdicts_in_words_go_together():
    found = {"small": "confirmed", "medium": "undecided", "large": "confirmed"}
    assert verdicts_in_words(found) == "confirmed for small and large, undecided for medium"
