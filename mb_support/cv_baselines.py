"""Baselines and controls of `cv_study`: what a committor is read from without a transformer."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from .baselines import trajectory_features
from .collective_variable import SOURCE, TARGET, pick_frames
from .datasets import family_seed, make_dataset
from .markov_variables import (
    markov_committor,
    place_cells,
    principal_component,
    slowest_linear,
    vampnet_variable,
)
from .observer import standardise
from .readouts import fit_monotone, radial_features

VIEWS = ("standardised", "raw")
#: Lags among which validation chooses, in frames.
LAGS = (1, 5, 25)
MARKOV_LAGS = (1, 2, 5)
#: Numbers of trees among which validation chooses.
N_TREES = (100, 300, 600, 1200)


def view_of(trajectories, view):
    """Trajectories as a baseline sees them: "raw", or each "standardised" by itself."""
    if view == "standardised":
        return standardise(trajectories)[0]
    return np.asarray(trajectories, dtype=float)


def baselines(study):
    """Every baseline and control, from raw and from standardised coordinates."""
    return {view: _baselines_in(study, view) for view in VIEWS}


def _baselines_in(study, view):
    trajectories = {family: view_of(s.trajectories, view) for family, s in study.sets.items()}
    points = {
        family: trajectories[family][frames.trajectory, frames.frame]
        for family, frames in study.frames.items()
    }
    train = study.frames["train"]

    def monotone(variable):
        fitted = fit_monotone(variable(points["train"]), train.committor, train.training_weights)
        return lambda positions: fitted(variable(positions))

    makers = {
        "PCA": {"": principal_component(trajectories["train"])},
        "TICA": {lag: slowest_linear(trajectories["train"], lag) for lag in LAGS},
        "VAMPNet": {lag: vampnet_variable(trajectories["train"], lag, seed=0) for lag in LAGS},
    }
    results = {}
    for name, variables in makers.items():
        readers = {lag: monotone(variable) for lag, variable in variables.items()}
        lag = study.best(readers, lambda reader: reader(points["validation"]))
        results[name] = study.report(
            readers[lag](points["scored"]),
            readers[lag](points["validation"]),
            ranked=variables[lag](points["scored"]),
        )
        results[name] |= {"lag_time": lag} if lag else {}
        study.tell(f"{view}, {name}", results[name])
    results |= _markov_model(study, view, trajectories, points)
    return results | _controls(study, view, points)


def _markov_model(study, view, trajectories, points):
    raw = study.sets["train"].trajectories.astype(float)
    inside = [
        np.square(raw - np.asarray(centre)).sum(axis=-1) <= radius**2
        for centre, radius in (SOURCE, TARGET)
    ]
    disks = (SOURCE, TARGET) if view == "raw" else None
    scale = 1.0 if view == "raw" else 3.0  # standard deviations are about a third of a length
    models = {}
    for cells in ({"spacing": 0.05 * scale}, {"spacing": 0.08 * scale}, {"n_cells": 300}):
        centres = place_cells(trajectories["train"], **cells)
        for lag in MARKOV_LAGS:
            try:
                fitted = markov_committor(trajectories["train"], centres, lag, *inside, disks)
            except ValueError:
                continue  # no cell of these is mostly in a state
            models[lag, len(centres)] = fitted
    if not models:
        return {}
    choice = study.best(models, lambda model: model(points["validation"]))
    chosen = models[choice]
    report = study.report(chosen(points["scored"]), chosen(points["validation"]))
    report |= dict(zip(("lag_time", "n_cells"), choice, strict=True))
    study.tell(f"{view}, Markov model", report)
    return {"Markov model": report}


def _controls(study, view, points):
    """What regressions make of the committor, told to them as to the probes."""
    results = {}
    centres = place_cells(points["train"][None], n_cells=150)
    width = 0.15 if view == "raw" else 0.4

    def radial(positions):
        return np.concatenate([positions, radial_features(positions, centres, width)], axis=1)

    for name, features in (("linear in x, y", np.asarray), ("radial functions of x, y", radial)):
        probe = study.probe({f: features(points[f]) for f in ("train", "validation")})
        results[name] = study.report(
            *(probe(features(points[family])) for family in ("scored", "validation"))
        )
        study.tell(f"{view}, {name}", results[name])
    if view == "standardised":
        for n_trajectories in (study.settings.n_train, study.settings.n_trees):
            name = f"boosted trees, {n_trajectories} trajectories"
            results[name] = _boosted_trees(study, n_trajectories)
            study.tell(name, results[name])
    return results


def _tree_features(trajectories, frames):
    """The standardised frame, when it is, and hand-made features of its whole trajectory."""
    standardised = standardise(trajectories)[0]
    return np.concatenate(
        [
            standardised[frames.trajectory, frames.frame],
            frames.frame[:, None],
            trajectory_features(trajectories)[frames.trajectory],
        ],
        axis=1,
    )


def _boosted_trees(study, n_trajectories):
    """Gradient boosting, the number of trees chosen on validation trajectories."""
    settings = study.settings
    data, frames = study.sets["train"], study.frames["train"]
    if n_trajectories != settings.n_train:
        data = make_dataset(n_trajectories, "train", settings.index, settings.regime)
        shares = [share / 3 for share in settings.shares]
        frames = pick_frames(study.fields, data, family_seed("train", settings.index), shares)
    trees = HistGradientBoostingRegressor(
        max_iter=max(N_TREES),
        learning_rate=0.06,
        l2_regularization=1.0,
        early_stopping=False,  # it would hold out frames of the same trajectories
        random_state=0,
    ).fit(
        _tree_features(data.trajectories, frames),
        frames.committor,
        sample_weight=frames.training_weights * len(frames),
    )
    staged = {}
    for family in ("validation", "scored"):
        features = _tree_features(study.sets[family].trajectories, study.frames[family])
        for n, predicted in enumerate(trees.staged_predict(features), start=1):
            if n in N_TREES:
                staged[family, n] = np.clip(predicted, 0, 1)
    n_trees = study.best({n: n for n in N_TREES}, lambda n: staged["validation", n])
    report = study.report(staged["scored", n_trees], staged["validation", n_trees])
    return report | {"n_trees": n_trees, "n_frames": len(frames)}
