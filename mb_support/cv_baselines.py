"""Baselines and controls of `cv_study`: what a committor is read from without a transformer."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from .baselines import trajectory_features
from .collective_variable import SOURCE, TARGET, cut_windows, standardise_windows
from .markov_variables import (
    markov_committor,
    place_cells,
    principal_component,
    slowest_linear,
    vampnet_variable,
)
from .readouts import fit_monotone, radial_features

VIEWS = ("raw", "standardised")


def view_of(trajectories, view, window_length=1000):
    """Trajectories as a baseline sees them: "raw", or "standardised" window by window."""
    if view == "raw":
        return np.asarray(trajectories, dtype=float)
    windows = standardise_windows(cut_windows(trajectories, window_length))[0]
    return windows.reshape(trajectories.shape)


def baselines(study):
    """Every baseline and control, from raw and from standardised coordinates."""
    return {view: _baselines_in(study, view) for view in VIEWS}


def _baselines_in(study, view):
    families = ("train", "validation", "test")
    trajectories = {f: view_of(study.sets[f].trajectories, view) for f in families}
    points = {
        f: trajectories[f][study.frames[f].trajectory, study.frames[f].frame] for f in families
    }
    scored = view_of(study.sets["test"].trajectories, view, study.scored_window)
    train = study.frames["train"]

    def finish(variable, predict, is_variable=True):
        report = study.report(
            predict(points["test"]), variable(points["test"]) if is_variable else None
        )
        report["vamp2"] = study.vamp2(*_on_pairs(study, variable, scored))
        return report

    def monotone(variable):
        fitted = fit_monotone(variable(points["train"]), train.committor, train.training_weights)
        return lambda positions: fitted(variable(positions))

    lags = (5, 20, 100)
    makers = {
        "PCA": [principal_component(trajectories["train"])],
        "TICA": [slowest_linear(trajectories["train"], lag) for lag in lags],
        "VAMPNet": [vampnet_variable(trajectories["train"], lag, seed=0) for lag in lags],
    }
    results = {}
    for name, variables in makers.items():
        chosen = study.best(variables, lambda variable: monotone(variable)(points["validation"]))
        results[name] = finish(chosen, monotone(chosen))
        if len(variables) > 1:
            results[name]["lag_time"] = lags[variables.index(chosen)]
        print(view, name, study.summary(results[name]), flush=True)
    results |= _markov_model(study, view, trajectories, points, finish)
    results |= _controls(study, view, points, finish)
    return results


def _on_pairs(study, variable, trajectories):
    now = trajectories[:, study.pairs_now]
    later = trajectories[:, study.pairs_now + study.settings.lag_time]
    return [
        np.asarray(variable(side.reshape(-1, 2))).reshape(side.shape[:2]) for side in (now, later)
    ]


def _markov_model(study, view, trajectories, points, finish):
    raw = study.sets["train"].trajectories.astype(float)
    inside = [
        np.square(raw - np.asarray(centre)).sum(axis=-1) <= radius**2
        for centre, radius in (SOURCE, TARGET)
    ]
    disks = (SOURCE, TARGET) if view == "raw" else None
    scale = 1.0 if view == "raw" else 3.0  # standard deviations are about a third of a length
    models = []
    for cells in ({"spacing": 0.05 * scale}, {"spacing": 0.08 * scale}, {"n_cells": 300}):
        centres = place_cells(trajectories["train"], **cells)
        for lag in (2, 5, 10):
            try:
                fitted = markov_committor(trajectories["train"], centres, lag, *inside, disks)
            except ValueError:
                continue  # no cell of these is mostly in a state
            models.append(({"lag_time": lag, "n_cells": len(centres)} | cells, fitted))
    if not models:
        return {}
    choice, chosen = study.best(models, lambda model: model[1](points["validation"]))
    report = finish(chosen, chosen, is_variable=False)
    report |= {"choice": choice, "timescale": chosen.timescale * study.config.frame_time}
    print(view, "Markov model", choice, study.summary(report), flush=True)
    return {"Markov model": report}


def _controls(study, view, points, finish):
    """What a regression on the two coordinates makes of the committor, told to it."""
    results = {}
    centres = place_cells(points["train"][None], n_cells=150)
    width = 0.15 if view == "raw" else 0.4

    def radial(positions):
        return np.concatenate([positions, radial_features(positions, centres, width)], axis=1)

    for name, features in (("linear in x, y", np.asarray), ("radial functions of x, y", radial)):
        probe = study.probe({f: features(points[f]) for f in ("train", "validation")})
        results[name] = finish(
            lambda positions, probe=probe, features=features: probe(features(positions)),
            lambda positions, probe=probe, features=features: probe(features(positions)),
            is_variable=False,
        )
        print(view, name, study.summary(results[name]), flush=True)
    if view == "standardised":
        results["boosted trees on the window"] = _boosted_trees(study)
    return results


def _boosted_trees(study):
    """Gradient boosting on the standardised frame and hand-made features of its window."""
    length = study.settings.window_lengths[0]
    features = {}
    for family in ("train", "test"):
        windows, window, frame = study.windows(family, length)
        standardised = standardise_windows(windows)[0]
        features[family] = np.concatenate(
            [standardised[window, frame], trajectory_features(windows)[window]], axis=1
        )
    frames = study.frames["train"]
    trees = HistGradientBoostingRegressor(
        max_iter=400, learning_rate=0.06, l2_regularization=1.0, random_state=0
    ).fit(features["train"], frames.committor, sample_weight=frames.training_weights * len(frames))
    report = study.report(np.clip(trees.predict(features["test"]), 0, 1))
    print("boosted trees", study.summary(report), flush=True)
    return report
