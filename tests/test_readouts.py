"""Read-outs against closed forms, scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge

from mb_support.readouts import (
    fit_linear,
    fit_monotone,
    fit_probe,
    monomials,
    radial_features,
    weighted_spearman,
)


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 3)) * [1.0, 5.0, 0.2] + [0.0, 2.0, -1.0]
    p = expit(features @ [1.0, -0.3, 2.0] + 2.0)
    return features, p, (rng.random(400) < p).astype(float)


def test_a_probe_recovers_the_probabilities_it_was_told(data):
    features, p, _ = data
    probe = fit_probe(features, p, ridge=1e-6)
    np.testing.assert_allclose(probe(features), p, atol=1e-5)
    np.testing.assert_allclose(probe.weights, [1.0, -0.3, 2.0], atol=1e-4)


def test_a_probe_on_outcomes_is_penalised_logistic_regression(data):
    features, _, outcomes = data
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = LogisticRegression(C=1 / 7.0, tol=1e-10).fit(standard, outcomes)
    probe = fit_probe(features, outcomes, ridge=7.0)
    np.testing.assert_allclose(probe(features), expected.predict_proba(standard)[:, 1], atol=1e-5)


def test_weights_of_a_probe_count_like_repeated_rows(data):
    features, _, outcomes = data
    counts = np.random.default_rng(0).integers(0, 4, len(outcomes))
    repeated = np.repeat(np.arange(len(outcomes)), counts)
    weighted = fit_probe(features, outcomes, counts, ridge=1e-6)
    twice = fit_probe(features[repeated], outcomes[repeated], ridge=1e-6)
    np.testing.assert_allclose(weighted.weights, twice.weights, rtol=1e-4)


def test_a_strong_penalty_on_some_features_silences_only_those(data):
    features, p, _ = data
    probe = fit_probe(features, p, ridge=[1e-3, 1e9, 1e-3])
    assert abs(probe.weights[1]) < 1e-4 and abs(probe.weights[0]) > 0.3


def test_separable_outcomes_and_useless_features_do_no_harm():
    features = np.stack([np.linspace(-1, 1, 50), np.zeros(50)], axis=1)
    probe = fit_probe(features, (features[:, 0] > 0).astype(float), ridge=1e-3)
    assert np.isfinite(probe.weights).all()
    assert probe([[0.9, 0.0]]) > 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.full(400, 1.5)}, "targets must be"),
        ({"ridge": 0.0}, "ridge must be positive"),
        ({"ridge": [1.0, 2.0]}, "one for each of 3 features"),
        ({"weights": -np.ones(400)}, "weights must be"),
        ({"features": np.full((400, 3), np.nan)}, "features must be finite"),
        ({"features": np.ones(400)}, "features must be finite numbers of shape"),
    ],
)
def test_probes_refuse_what_they_cannot_fit(data, change, message):
    arguments = {"features": data[0], "targets": data[1], "weights": None, "ridge": 1.0} | change
    with pytest.raises(ValueError, match=message):
        fit_probe(**arguments)


def test_linear_read_out_is_ridge_regression(data):
    features, p, _ = data
    targets = np.stack([p, features[:, 0] ** 2], axis=1)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = Ridge(5.0).fit(standard, targets).predict(standard)
    np.testing.assert_allclose(fit_linear(features, targets, 5.0)(features), expected, atol=1e-8)


@pytest.mark.parametrize(
    ("targets", "ridge", "message"),
    [(np.ones(400), 1.0, "targets must be"), (np.ones((400, 1)), -1.0, "ridge must be")],
)
def test_linear_read_outs_refuse_what_they_cannot_fit(data, targets, ridge, message):
    with pytest.raises(ValueError, match=message):
        fit_linear(data[0], targets, ridge)


@pytest.mark.parametrize("sign", [1, -1])
def test_monotone_read_out_follows_the_sign_of_the_variable(sign):
    variable = np.linspace(-2, 2, 200)
    read = fit_monotone(sign * variable, expit(3 * variable))
    np.testing.assert_allclose(read(sign * variable), expit(3 * variable), atol=1e-12)
    assert np.all(sign * np.diff(read(np.linspace(-3, 3, 50))) >= 0)


def test_monomials_are_all_products_up_to_the_degree():
    found = monomials([[3.0, 2.0]], 2, centre=(1.0, 1.0), scale=1.0)
    np.testing.assert_allclose(found, [[1, 2, 1, 4, 2, 1]])
    assert monomials(np.zeros((4, 2)), 5).shape == (4, 21)


def test_radial_features_fall_off_with_distance():
    found = radial_features([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0]], width=5.0)
    np.testing.assert_allclose(found[:, 0], [1.0, np.exp(-0.5)])


def test_weighted_spearman_is_the_usual_one_for_equal_weights():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 20, size=(2, 300))  # with ties
    second = second + first
    assert weighted_spearman(first, second) == pytest.approx(spearmanr(first, second)[0], abs=1e-12)
    assert weighted_spearman(first, first**3) == pytest.approx(1.0)
    assert np.isnan(weighted_spearman(np.ones(300), second))


def test_weights_of_spearman_count_like_repeated_rows():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 100))
    counts = rng.integers(0, 5, 100)
    repeated = np.repeat(np.arange(100), counts)
    assert weighted_spearman(first, second, counts) == pytest.approx(
        spearmanr(first[repeated], second[repeated])[0], abs=1e-12
    )
