"""Intervals of proportions, and verdicts on intervals."""

import numpy as np
import pytest
from scipy.stats import binom

from mb_support.statistics import (
    answers_in_words,
    jackknife,
    scientific,
    verdict,
    verdicts_in_words,
    wilson_interval,
    with_error,
)


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


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=(12, 2))
    mean, error = jackknife(lambda units: values[units].mean(axis=0), 12)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose(error, values.std(axis=0, ddof=1) / np.sqrt(12))
    with pytest.raises(ValueError, match="n_units must be at least 2"):
        jackknife(np.mean, 1)


def test_a_verdict_compares_intervals():
    assert verdict((0.93, 0.96), (0.915, 0.915)) == "confirmed"
    assert verdict((0.96, 0.98), (0.978, 0.978)) == "undecided"
    assert verdict((0.96, 0.98), (0.99, 1.0)) == "refuted"
    with pytest.raises(ValueError, match="low first"):
        verdict((0.98, 0.96), (0.9, 0.9))


def test_verdicts_in_words_go_together():
    found = {"small": "confirmed", "medium": "undecided", "large": "confirmed"}
    assert verdicts_in_words(found) == "confirmed for small and large, undecided for medium"


def test_answers_are_verdicts_after_a_question():
    verdicts = {"small": "refuted", "medium": "confirmed", "large": "confirmed"}
    assert answers_in_words(verdicts) == "no for small, yes for medium and large"
    assert answers_in_words({"small": "undecided"}) == "undecided for small"


def test_small_numbers_share_a_power_of_ten_with_their_error():
    assert with_error(3.28e-4, 5.9e-5) == "(3.28 ± 0.59) × 10⁻⁴"
    assert with_error(0.0, 2e-5) == "(0.00 ± 2.00) × 10⁻⁵"
    assert scientific(1.6e-6) == "1.6 × 10⁻⁶" and scientific(-2e12, 0) == "-2 × 10¹²"
