"""Classifiers without a transformer: hand-made features of standardised trajectories."""

from functools import partial

import numpy as np
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...datasets.sets import EASY_STARTS, FINAL_TEST, make_dataset
from ...files import paths
from ...files.results import keep
from ...states import STATE_A, STATE_B, assign_states
from .kept_predictions import N_TEST, pack, read_record, result_path, settings_of, unpack, whole

_LAGS = (1, 4, 16, 64)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_EARLY = (0, 1, 2, 4, 8, 16, 32)
_PORTION = 2000  # trajectories whose features are computed together
#: What is fitted: data set, number of training trajectories, and label.
PARTS = {
    "metastable_1000": ("metastable", 1000, "first"),
    "metastable_100000": ("metastable", 100_000, "first"),
    "metastable_last_100000": ("metastable", 100_000, "last"),
    "wild_100000": ("wild", 100_000, "first"),
    "easy_starts_100000": (EASY_STARTS, 100_000, "first"),
}


def trajectory_features(trajectories):
    """Features of (n, n_frames, 2) trajectories, each standardised by its own mean and spread.

    For each coordinate the first frames, means and spreads of ten equal parts, quantiles, skewness,
    kurtosis, root mean square step and autocorrelations; and the correlation of the coordinates.
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


def _features(trajectories):
    portions = np.array_split(trajectories, max(1, len(trajectories) // _PORTION))
    return np.concatenate([trajectory_features(portion) for portion in portions])


def fit_and_predict(train, labels, test):
    """States of test trajectories by boosted trees and by logistic regression, {name: (n,)}."""
    classifiers = {
        "gradient-boosted trees": HistGradientBoostingClassifier(
            random_state=0, max_iter=500, early_stopping=True
        ),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
    }
    seen, unseen = _features(train), _features(test)
    return {name: c.fit(seen, labels).predict(unseen) for name, c in classifiers.items()}


def side_of_the_mean(trajectories):
    """The least that a classifier could do, (n,): A (upper left) where the first frame,
    standardised, lies more to the top than to the right of the mean; else B."""
    frames = np.asarray(trajectories, dtype=float)
    x, y = ((frames[:, 0] - frames.mean(axis=1)) / frames.std(axis=1)).T
    return np.where(y > x, STATE_A, STATE_B)


def evaluate_baselines(part, folder=paths.RESULTS, n_train=None, n_test=N_TEST):
    """Fit the baselines of a part and keep their predictions; False if they are there already."""
    regime, usual, label = PARTS[part]
    made_for = {
        "part": part,
        "n_train": n_train or usual,
        "n_test": n_test,
        "test_sets": settings_of([whole(regime)]),
    }

    def make():
        train = make_dataset(made_for["n_train"], "train", 0, regime)
        last = assign_states(train.trajectories[:, -1])
        test = make_dataset(n_test, "test", FINAL_TEST, regime).trajectories
        labels = last if label == "last" else train.labels
        found = fit_and_predict(train.trajectories, labels, test)
        return {"states": {name: pack(states) for name, states in found.items()}}

    path = result_path(f"baselines_{part}", folder)
    return keep(path, made_for, make, packages=("scikit-learn",))


def load_baselines(part, folder=paths.RESULTS):
    """Kept predictions of a part, {name: (n_test,) ndarray of int64}."""
    record = read_record(result_path(f"baselines_{part}", folder), [whole(PARTS[part][0])])
    return {name: unpack(text, record["n_test"]) for name, text in record["states"].items()}


def parts():
    """{name: function that fits and keeps it}, such as "baselines_wild_100000"."""
    return {f"baselines_{part}": partial(evaluate_baselines, part) for part in PARTS}
