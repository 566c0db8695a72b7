"""Simple read-outs of features: how a probability is read from what a representation holds.

A probe is deliberately weak, so that what it finds was in the features and not made by the probe.
"""

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler


class _Scaled:
    """Features as a penalised fit sees them: standardised, then divided by root penalties.

    So a penalty of one, on all alike, stands for `ridge`: one number or one for each feature.
    """

    def __init__(self, features, weights, ridge):
        if not np.all(np.asarray(ridge) > 0):
            raise ValueError(f"ridge must be positive; got {ridge!r}")
        self._scaler = StandardScaler().fit(np.asarray(features, dtype=float), None, weights)
        self._root = np.sqrt(ridge)

    def __call__(self, features):
        return self._scaler.transform(np.asarray(features, dtype=float)) / self._root


class LinearProbe:
    """p = expit(intercept + features @ weights); made by `fit_probe`.

    Calling it with (n, n_features) features gives (n,) probabilities, `logit` the log-odds.
    """

    def __init__(self, scaled, fitted):
        self._scaled, self._fitted = scaled, fitted

    def __call__(self, features):
        return self._fitted.predict_proba(self._scaled(features))[:, 1]

    def logit(self, features):
        """Log-odds, (n,)."""
        return self._fitted.decision_function(self._scaled(features))


def fit_probe(features, targets, weights=None, ridge=1.0):
    """Fit a linear probe with a logistic link by penalised maximum likelihood.

    `features` (n, n_features), standardised inside; `targets` (n,), probabilities or outcomes 0 and
    1; `weights` (n,), of which only ratios matter; `ridge`, above 0, one number or one for each
    feature: the penalty `ridge / 2 * |w|^2` beside a cross-entropy summed over n rows of mean
    weight one.
    """
    targets = np.asarray(targets, dtype=float)
    if not ((targets >= 0) & (targets <= 1)).all():
        raise ValueError("targets must be probabilities")
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
    if not (weights >= 0).all():
        raise ValueError("weights must not be negative")
    return weights * (n / weights.sum())


def fit_linear(features, targets, ridge=1.0):
    """Least squares with a penalty, as for `fit_probe` beside half the sum of squared errors.

    From (n, n_features) features and (n, k) targets to a function of features.
    """
    scaled = _Scaled(features, None, ridge)
    fitted = Ridge(1.0, solver="cholesky").fit(scaled(features), targets)
    return lambda new: fitted.predict(scaled(new))


def fit_monotone(variable, targets, weights=None):
    """The best non-decreasing or non-increasing function of one variable, (n,) to (n,).

    The most favourable way to read a committor from a one-dimensional collective variable.
    """
    weights = _of_mean_one(weights, len(variable))
    centred = variable - weights @ variable / weights.sum()
    rises = weights @ (centred * targets) >= 0
    fitted = IsotonicRegression(increasing=bool(rises), out_of_bounds="clip").fit(
        variable, targets, sample_weight=weights
    )
    return fitted.predict
