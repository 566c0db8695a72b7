"""Simple read-outs of features: how a probability is read from what a representation holds.

A probe is deliberately weak, so that what it finds was in the features and not made by the probe.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression

_STEPS = 60  # Newton steps at most; about ten are taken
_TOLERANCE = 1e-7


def _checked_features(features):
    features = np.asarray(features, dtype=float)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            f"features must be finite numbers of shape (n, n_features); got {features.shape}"
        )
    return features


def _checked_weights(weights, n):
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (n,) or not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError(
            f"weights must be {n} numbers, none negative and not all zero; got shape "
            f"{weights.shape}"
        )
    return weights * (n / weights.sum())


@dataclass(frozen=True)
class LinearProbe:
    """p = expit(intercept + features @ weights), on raw features; made by `fit_probe`.

    Attributes
    ----------
    weights : (n_features,) ndarray
    intercept : float
    """

    weights: np.ndarray
    intercept: float

    def logit(self, features):
        """Log-odds, (n,) for features of shape (n, n_features)."""
        return np.asarray(features, dtype=float) @ self.weights + self.intercept

    def __call__(self, features):
        return expit(self.logit(features))


def _checked_ridge(ridge, n_features):
    penalty = np.asarray(ridge, dtype=float)
    if penalty.ndim > 1 or penalty.size not in (1, n_features) or not (penalty > 0).all():
        raise ValueError(
            f"ridge must be positive, one number or one for each of {n_features} features; got "
            f"{ridge!r}"
        )
    return np.broadcast_to(penalty, n_features)


def fit_probe(features, targets, weights=None, ridge=1.0):
    """Fit a linear probe with a logistic link by penalised maximum likelihood.

    Parameters
    ----------
    features : (n, n_features) array_like
        Standardised inside, so that the penalty treats all alike.
    targets : (n,) array_like
        Probabilities between 0 and 1, or outcomes 0 and 1.
    weights : (n,) array_like, optional
        Weight of each row; only ratios matter.
    ridge : float or (n_features,) array_like
        Penalty `ridge / 2 * |w|^2` beside a cross-entropy summed over n rows of mean weight one;
        above 0.

    Returns
    -------
    LinearProbe

    Raises
    ------
    ValueError
        If shapes do not fit, features are not finite, a target lies outside [0, 1], weights are
        negative or all zero, or `ridge` is not positive.
    """
    features = _checked_features(features)
    n, n_features = features.shape
    targets = np.asarray(targets, dtype=float)
    if targets.shape != (n,) or not ((targets >= 0) & (targets <= 1)).all():
        raise ValueError(f"targets must be {n} probabilities; got shape {targets.shape}")
    ridge = _checked_ridge(ridge, n_features)
    weights = _checked_weights(weights, n)
    mean, spread = _centre_and_spread(features, weights)
    design = np.ones((n, n_features + 1))
    np.divide(features - mean, spread, out=design[:, 1:])
    penalty = np.concatenate([[0.0], ridge])  # the intercept is free

    def objective(beta):
        logit = design @ beta
        return (
            weights @ (np.logaddexp(0, logit) - targets * logit) + 0.5 * penalty @ beta**2
        ), logit

    beta = np.zeros(n_features + 1)
    value, logit = objective(beta)
    for _ in range(_STEPS):
        p = expit(logit)
        gradient = design.T @ (weights * (p - targets)) + penalty * beta
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design
        curvature[np.diag_indices_from(curvature)] += penalty + 1e-9 * n
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while True:  # halve the step until it goes down: far from the optimum Newton overshoots
            trial = beta - length * step
            new_value, new_logit = objective(trial)
            if new_value <= value or length < 1e-4:
                break
            length /= 2
        gained, beta, value, logit = value - new_value, trial, new_value, new_logit
        if abs(gained) <= _TOLERANCE * (1 + abs(value)):
            break
    slope = beta[1:] / spread
    return LinearProbe(slope, float(beta[0] - slope @ mean))


def _centre_and_spread(features, weights):
    mean = weights @ features / weights.sum()
    spread = np.sqrt(weights @ (features - mean) ** 2 / weights.sum())
    return mean, np.where(spread > 1e-12, spread, 1.0)


def fit_linear(features, targets, ridge=1.0):
    """Least squares with a penalty; the intercept is free.

    Parameters
    ----------
    features : (n, n_features) array_like
    targets : (n, k) array_like
    ridge : float or (n_features,) array_like
        As for `fit_probe`, beside half the sum of squared errors.

    Returns
    -------
    callable
        From (m, n_features) features to (m, k) predictions.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, or `ridge` is not positive.
    """
    features = _checked_features(features)
    targets = np.asarray(targets, dtype=float)
    if targets.ndim != 2 or len(targets) != len(features) or not np.isfinite(targets).all():
        raise ValueError(
            f"targets must be finite, of shape ({len(features)}, k); got {targets.shape}"
        )
    ridge = _checked_ridge(ridge, features.shape[1])
    mean, spread = _centre_and_spread(features, np.ones(len(features)))
    design = (features - mean) / spread
    gram = design.T @ design + np.diag(ridge)
    middle = targets.mean(axis=0)
    slope = np.linalg.solve(gram, design.T @ (targets - middle)) / spread[:, None]
    return lambda new: (np.asarray(new, dtype=float) - mean) @ slope + middle


def fit_monotone(variable, targets, weights=None):
    """The best non-decreasing or non-increasing function of one variable.

    The most favourable way to read a committor from a one-dimensional collective variable.

    Parameters
    ----------
    variable, targets : (n,) array_like
    weights : (n,) array_like, optional

    Returns
    -------
    callable
        From (m,) values of the variable to (m,) predictions.
    """
    variable, targets = np.asarray(variable, dtype=float), np.asarray(targets, dtype=float)
    weights = _checked_weights(weights, len(variable))
    centred = variable - weights @ variable / weights.sum()
    rises = weights @ (centred * targets) >= 0
    fitted = IsotonicRegression(increasing=bool(rises), out_of_bounds="clip").fit(
        variable, targets, sample_weight=weights
    )
    return fitted.predict


def monomials(positions, degree, centre=(0.0, 0.75), scale=0.75):
    """Products x^i y^j with i + j from 0 to `degree`, of shifted and scaled coordinates.

    Parameters
    ----------
    positions : (n, 2) array_like
    degree : int
        At least 0.
    centre : (2,) array_like
    scale : float

    Returns
    -------
    (n, (degree + 1) (degree + 2) / 2) ndarray
        The constant first.
    """
    x, y = ((np.asarray(positions, dtype=float) - np.asarray(centre)) / scale).T
    powers = [(i, total - i) for total in range(degree + 1) for i in range(total, -1, -1)]
    return np.stack([x**i * y**j for i, j in powers], axis=1)


def radial_features(positions, centres, width):
    """Gaussians exp(-|r - c|^2 / (2 width^2)) around centres, (n, n_centres)."""
    positions, centres = np.asarray(positions, dtype=float), np.asarray(centres, dtype=float)
    distance = np.square(positions[:, None] - centres[None]).sum(axis=-1)
    return np.exp(-distance / (2 * width**2))


def weighted_spearman(values, others, weights=None):
    """Spearman rank correlation in which rows carry weights.

    Ranks are positions in the weighted distribution of each variable (ties share the middle),
    and their correlation is weighted; with equal weights this is the usual coefficient.

    Parameters
    ----------
    values, others : (n,) array_like
    weights : (n,) array_like, optional

    Returns
    -------
    float
        Between -1 and 1; NaN if a variable is constant.
    """
    weights = _checked_weights(weights, len(values))
    first, second = _weighted_ranks(values, weights), _weighted_ranks(others, weights)
    first, second = first - weights @ first / len(weights), second - weights @ second / len(weights)
    spread = (weights @ first**2) * (weights @ second**2)
    return float(weights @ (first * second) / np.sqrt(spread)) if spread > 0 else float("nan")


def _weighted_ranks(values, weights):
    level = rankdata(values, method="dense") - 1
    mass = np.bincount(level, weights)
    return (np.cumsum(mass) - mass / 2)[level]
