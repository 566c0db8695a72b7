"""Classifiers without a transformer: hand-made features of standardised trajectories."""

import numpy as np
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_LAGS = (1, 4, 16, 64)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_EARLY = (0, 1, 2, 4, 8, 16, 32)


def trajectory_features(trajectories):
    """Simple features of trajectories, each standardised by its own mean and spread.

    Like the model, these see no absolute position and no absolute scale.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like
        Raw coordinates, at least 128 frames, moving in both coordinates.

    Returns
    -------
    (n, n_features) ndarray of float64
        For each coordinate: the first frames, means and spreads of ten equal parts, quantiles,
        skewness, kurtosis, root mean square step and autocorrelations; and the correlation
        between the coordinates.

    Raises
    ------
    ValueError
        If the shape is wrong, there are too few frames, or a trajectory cannot be standardised.
    """
    frames = np.asarray(trajectories, dtype=float)
    if frames.ndim != 3 or frames.shape[-1] != 2 or frames.shape[1] < 128 or len(frames) == 0:
        raise ValueError(
            "trajectories must have shape (n, n_frames, 2) with at least 128 frames; got "
            f"{frames.shape}"
        )
    spread = frames.std(axis=1, keepdims=True)
    if not np.isfinite(frames).all() or not (spread > 0).all():
        raise ValueError("trajectories must be finite and move in both coordinates")
    z = (frames - frames.mean(axis=1, keepdims=True)) / spread
    parts = np.array_split(z, 10, axis=1)
    features = [z[:, t] for t in (*_EARLY, -1)]
    features += [part.mean(axis=1) for part in parts] + [part.std(axis=1) for part in parts]
    features += list(np.quantile(z, _QUANTILES, axis=1))
    features += [skew(z, axis=1), kurtosis(z, axis=1)]
    features += [np.sqrt((np.diff(z, axis=1) ** 2).mean(axis=1))]
    features += [(z[:, lag:] * z[:, :-lag]).mean(axis=1) for lag in _LAGS]
    features += [(z[..., 0] * z[..., 1]).mean(axis=1)[:, None]]
    return np.concatenate(features, axis=1)


def fit_baselines(trajectories, labels, seed=0):
    """Fit the baseline classifiers.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like
        Training trajectories, raw coordinates.
    labels : (n,) array_like of int
        Their states.
    seed : int
        Of the boosted trees.

    Returns
    -------
    dict of str to fitted classifier
        "gradient-boosted trees" and "logistic regression"; both predict from
        `trajectory_features` of trajectories of the same length.

    Raises
    ------
    ValueError
        As `trajectory_features`, or if `labels` do not fit or hold a single class.
    """
    features = trajectory_features(trajectories)
    if len(labels) != len(features) or len(np.unique(labels)) < 2:
        raise ValueError(
            f"labels must hold both states, one for each of {len(features)} trajectories; got "
            f"{len(labels)} labels with values {np.unique(labels).tolist()}"
        )
    classifiers = {
        "gradient-boosted trees": HistGradientBoostingClassifier(random_state=seed),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
    }
    return {name: c.fit(features, labels) for name, c in classifiers.items()}


def predict_baselines(baselines, trajectories):
    """States predicted by each of `fit_baselines`, as {name: (n,) ndarray of int64}."""
    features = trajectory_features(trajectories)
    return {name: c.predict(features).astype(np.int64) for name, c in baselines.items()}
