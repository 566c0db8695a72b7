"""Read-outs against closed forms and scikit-learn."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

from mb_support.studies.collective_variable.readouts import fit_linear, fit_monotone, fit_probe


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 3)) * [1.0, 5.0, 0.2] + [0.0, 2.0, -1.0]
    p = expit(features @ [1.0, -0.3, 2.0] + 2.0)
    return features, p, (rng.random(400) < p).astype(float)


def slopes(probe):
    """Log-odds for one unit more of each feature."""
    return probe.coefficients[0]


def test_a_probe_recovers_the_probabilities_it_was_told(data):
    features, p, _ = data
    probe = fit_probe(features, p, ridge=1e-6)
    np.testing.assert_allclose(probe(features), p, atol=1e-5)
    np.testing.assert_allclose(slopes(probe), [1.0, -0.3, 2.0], atol=1e-4)
    assert probe.coefficients[1] == pytest.approx(2.0, abs=1e-4)


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
    np.testing.assert_allclose(slopes(weighted), slopes(twice), rtol=1e-4)


def test_a_strong_penalty_on_some_features_silences_only_those(data):
    features, p, _ = data
    probe = fit_probe(features, p, ridge=[1e-3, 1e9, 1e-3])
    assert abs(slopes(probe)[1]) < 1e-4 and abs(slopes(probe)[0]) > 0.3


def test_separable_outcomes_and_useless_features_do_no_harm():
    features = np.stack([np.linspace(-1, 1, 50), np.zeros(50)], axis=1)
    probe = fit_probe(features, (features[:, 0] > 0).astype(float), ridge=1e-3)
    assert np.isfinite(probe(features)).all()
    assert probe([[0.9, 0.0]]) > 0.99


def test_linear_read_out_is_ridge_regression(data):
    features, p, _ = data
    targets = np.stack([p, features[:, 0] ** 2], axis=1)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = Ridge(5.0).fit(standard, targets).predict(standard)
    np.testing.assert_allclose(fit_linear(features, targets, 5.0)(features), expected, atol=1e-8)


@pytest.mark.parametrize("sign", [1, -1])
def test_monotone_read_out_follows_the_sign_of_the_variable(sign):
    variable = np.linspace(-2, 2, 200)
    read = fit_monotone(sign * variable, expit(3 * variable))
    np.testing.assert_allclose(read(sign * variable), expit(3 * variable), atol=1e-12)
    assert np.all(sign * np.diff(read(np.linspace(-3, 3, 50))) >= 0)
