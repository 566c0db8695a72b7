"""Simple read-outs of features: how a probability is read from what a representation holds.

A probe is deliberately weak, so that what it finds was in the features and not made by the probe.
"""

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler


class _Scaled:
    """Features standardised, then divided by root penalties: penalty one stands for `ridge`."""

    def __init__(self, features, weights, ridge):
        self._scaler = StandardScaler().fit(np.asarray(features, dtype=float), None, weights)
        self._root = np.sqrt(ridge)

    def __call__(self, features):
        return self._scaler.transform(np.asarray(features, dtype=float)) / self._root


class LinearProbe:
    """p = expit(intercept + features @ weights), of (n, n_features) features; see `fit_probe`."""

    def __init__(self, scaled, fitted):
        self._scaled, self._fitted = scaled, fitted

    def __call__(self, features):
        return self._fitted.predict_proba(self._scaled(features))[:, 1]

    def logit(self, features):
        """Log-odds, (n,)."""
        return self._fitted.decision_function(self._scaled(features))

    @property
    def coefficients(self):
        """Weights of the features as they are given, (n_features,), and the intercept."""
        zero = np.zeros((1, self._fitted.n_features_in_))
        intercept = self.logit(zero)
        return self.logit(np.eye(zero.shape[1])) - intercept, float(intercept[0])


def fit_probe(features, targets, weights=None, ridge=1.0):
    """Fit a linear probe with a logistic link to (n,) probabilities or outcomes.

    Penalised maximum likelihood: `ridge / 2 * |w|^2` on standardised features, one number or one
    for each, beside a cross-entropy summed over n rows of mean weight one.
    """
    targets = np.asarray(targets, dtype=float)
    weights = _of_mean_one(weights, len(targets))
    scaled = _Scaled(features, weights, ridge)
    design = scaled(features)
    # a target between 0 and 1 is a row of each class, weighted with its chance
    fitted = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10).fit(
        np.concatenate([design, design]),
        np.repeat([1, 0], len(design)),
        np.concatenate([weights * targets, weights * (1 - targets)]),
    )
    return LinearProbe(scaled, fitted)


def _of_mean_one(weights, n):
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    return weights * (n / weights.sum())


def fit_linear(features, targets, ridge=1.0):
    """Least squares with a penalty as in `fit_probe`; from (n, k) targets to a function."""
    scaled = _Scaled(features, None, ridge)
    fitted = Ridge(1.0, solver="cholesky").fit(scaled(features), targets)
    return lambda new: fitted.predict(scaled(new))


def fit_monotone(variable, targets, weights=None):
    """The best monotone function of one (n,) variable: its most favourable reading."""
    weights = _of_mean_one(weights, len(variable))
    centred = variable - weights @ variable / weights.sum()
    rises = weights @ (centred * targets) >= 0
    fitted = IsotonicRegression(increasing=bool(rises), out_of_bounds="clip").fit(
        variable, targets, sample_weight=weights
    )
    return fitted.predict
