"""Baselines of `study`: what a committor is read from without a transformer.

PCA, TICA, VAMPNets and Markov models see trajectories alone, raw or standardised; regressions and
boosted trees are told the committor as the probes are.
"""

import numpy as np
import torch
from deeptime.clustering import KMeans, RegularSpace
from deeptime.decomposition import TICA
from deeptime.decomposition.deep import VAMPNet
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM
from deeptime.util.data import TrajectoryDataset
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from ...datasets.sets import family_seed, make_dataset
from ...observer.ideal import standardise
from ...states import DISKS
from ..classification.baselines import trajectory_features
from .frames import pick_frames, within
from .readouts import fit_monotone
from .tables import LINEAR_IN_FEATURES

VIEWS = ("standardised", "raw")
#: Lags among which validation chooses, in frames.
LAGS = (1, 5, 25)
MARKOV_LAGS = (1, 2, 5)
_CLUSTERING_POINTS = 20_000  # frames from which cells are placed


# ---- slow variables: functions from (n, 2) positions to (n,) values ---------------------------


def principal_component(trajectories):
    """First principal component of (n, n_frames, 2) trajectories."""
    fitted = PCA(1).fit(trajectories.reshape(-1, 2))
    return lambda positions: fitted.transform(positions)[:, 0]


def slowest_linear(trajectories, lag_time):
    """First time-lagged independent component, the lag in frames."""
    fitted = TICA(lagtime=lag_time, dim=1).fit(list(trajectories)).fetch_model()
    return lambda positions: fitted.transform(positions)[:, 0]


def vampnet_variable(trajectories, lag_time, seed, n_epochs=12, width=32):
    """The slowest variable that a small VAMPNet finds (Mardt et al., Nat. Commun. 9, 5, 2018)."""
    trajectories = trajectories.astype(np.float32)
    mean = trajectories.reshape(-1, 2).mean(axis=0)
    std = trajectories.reshape(-1, 2).std(axis=0)
    lagged = [TrajectoryDataset(lag_time, (frames - mean) / std)[:] for frames in trajectories]
    pairs = [torch.from_numpy(np.concatenate(side)) for side in zip(*lagged, strict=True)]
    pairs = torch.utils.data.TensorDataset(*pairs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lobe = torch.nn.Sequential(
            torch.nn.Linear(2, width), torch.nn.ELU(),
            torch.nn.Linear(width, width), torch.nn.ELU(),
            torch.nn.Linear(width, 1),
        )  # fmt: skip
        order = torch.utils.data.RandomSampler(pairs)
        batches = torch.utils.data.BatchSampler(order, 4096, drop_last=True)
        loader = torch.utils.data.DataLoader(pairs, sampler=batches, batch_size=None)
        network = VAMPNet(lobe, learning_rate=2e-3, epsilon=1e-6)
        network.fit(loader, n_epochs=n_epochs)
        fitted = network.fetch_model()
    return lambda positions: np.asarray(
        fitted.transform(((positions - mean) / std).astype(np.float32))
    ).reshape(len(positions), -1)[:, 0]


def place_cells(trajectories, spacing=None, n_cells=None):
    """Centres of cells, (n_cells, 2): at least `spacing` apart, or `n_cells` by k-means."""
    frames = np.asarray(trajectories, dtype=float).reshape(-1, 2)
    frames = frames[:: max(1, len(frames) // _CLUSTERING_POINTS)]
    if spacing is not None:
        fitted = RegularSpace(dmin=spacing, max_centers=20_000).fit(frames).fetch_model()
    else:
        means = KMeans(n_cells, max_iter=500, tolerance=1e-3, fixed_seed=1, n_jobs=1)
        fitted = means.fit(frames).fetch_model()
    return np.asarray(fitted.cluster_centers)


def markov_committor(trajectories, centres, lag_time, in_source, in_target, disks=None):
    """Committor of a reversible Markov state model: a function from (n, 2) positions to (n,).

    Cells are the regions closest to `centres`; those most of whose frames are in a state, as (n,
    n_frames) booleans say, make it up, and `ValueError` if there are none. In raw coordinates the
    `disks` are two further cells.
    """
    n_cells, centres = len(centres), np.asarray(centres, dtype=float)
    cells = cKDTree(centres).query(trajectories.reshape(-1, 2))[1].reshape(in_source.shape)
    if disks is not None:
        cells = np.where(in_source, n_cells, np.where(in_target, n_cells + 1, cells))
    counts = TransitionCountEstimator(lag_time, "sliding").fit_fetch(list(cells.astype(np.int32)))
    counts = counts.submodel_largest()
    known = np.asarray(counts.state_symbols)
    ends = []
    for name, inside in (("source", in_source), ("target", in_target)):
        size = np.bincount(cells.ravel(), minlength=n_cells + 2)
        share = np.bincount(cells[inside], minlength=n_cells + 2) / np.maximum(size, 1)
        ends.append(np.flatnonzero(share[known] > 0.5))
        if len(ends[-1]) == 0:
            raise ValueError(f"no cell lies mostly within the {name}: use smaller cells")
    model = MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    values = np.full(n_cells + 2, np.nan)
    values[known] = model.committor_forward(*ends)
    # a cell that was never left and reached again takes the value of the closest one that was
    good = np.isfinite(values[:n_cells])
    filled = values[:n_cells][good][cKDTree(centres[good]).query(centres)[1]]
    tree = cKDTree(centres)

    def committor(positions):
        positions = np.asarray(positions, dtype=float)
        predicted = filled[tree.query(positions)[1]]
        for disk, end in zip(disks or (), (0.0, 1.0), strict=False):
            predicted = np.where(within(positions, disk), end, predicted)
        return predicted

    return committor


# ---- what the study makes of them -------------------------------------------------------------


def baselines(study):
    """Reports of every baseline and control, {view: {name: report}}, for a `study.Study`."""
    return {view: _baselines_in(study, view) for view in VIEWS}


def _baselines_in(study, view):
    trajectories, points = {}, {}
    for family, data in study.sets.items():
        raw, frames = data.trajectories.astype(float), study.frames[family]
        seen = raw if view == "raw" else standardise(data.trajectories)[0]
        trajectories[family], points[family] = seen, seen[frames.trajectory, frames.frame]
    results = _slow_variables(study, trajectories["train"], points)
    results |= _markov_model(study, view, trajectories["train"], points)
    results |= _regressions(study, view, points)
    if view == "standardised":
        features = _hand_made(study)
        probe = study.probe(features)
        predicted = (probe(features[family]) for family in ("scored", "validation"))
        results[LINEAR_IN_FEATURES] = study.report(*predicted)
        for n in (study.settings.n_train, study.settings.n_trees):
            results[f"boosted trees, {n} trajectories"] = _boosted_trees(study, n)
    return results


def _slow_variables(study, trajectories, points):
    train, results = study.frames["train"], {}
    makers = {
        "PCA": {"": principal_component(trajectories)},
        "TICA": {lag: slowest_linear(trajectories, lag) for lag in LAGS},
        "VAMPNet": {lag: vampnet_variable(trajectories, lag, seed=0) for lag in LAGS},
    }
    for name, variables in makers.items():
        read, validated = {}, {}
        for lag, variable in variables.items():
            values = variable(points["train"])
            read[lag] = fit_monotone(values, train.committor, train.training_weights)
            validated[lag] = read[lag](variable(points["validation"]))
        lag = study.best(validated)
        values = variables[lag](points["scored"])
        results[name] = study.report(read[lag](values), validated[lag], ranked=values)
        results[name] |= {"lag_time": lag} if lag else {}
    return results


def _markov_model(study, view, trajectories, points):
    raw = study.sets["train"].trajectories.astype(float)
    inside = [within(raw, disk) for disk in DISKS]
    disks = DISKS if view == "raw" else None
    scale = 1.0 if view == "raw" else 3.0  # standard deviations are about a third of a length
    models = {}
    for cells in ({"spacing": 0.05 * scale}, {"spacing": 0.08 * scale}, {"n_cells": 300}):
        centres = place_cells(trajectories, **cells)
        for lag in MARKOV_LAGS:
            try:
                fitted = markov_committor(trajectories, centres, lag, *inside, disks)
            except ValueError:
                continue  # no cell of these is mostly in a state
            models[lag, len(centres)] = fitted
    if not models:
        return {}
    validated = {choice: model(points["validation"]) for choice, model in models.items()}
    choice = study.best(validated)
    report = study.report(models[choice](points["scored"]), validated[choice])
    return {"Markov model": report | dict(zip(("lag_time", "n_cells"), choice, strict=True))}


def _regressions(study, view, points):
    # told the committor as the probes are
    centres = place_cells(points["train"], n_cells=150)
    width = 0.15 if view == "raw" else 0.4

    def radial(positions):
        distances = cdist(positions, centres, "sqeuclidean")
        return np.concatenate([positions, np.exp(-distances / (2 * width**2))], axis=1)

    results = {}
    for name, features in (("linear in x, y", np.asarray), ("radial functions of x, y", radial)):
        seen = {family: features(values) for family, values in points.items()}
        probe = study.probe(seen)
        results[name] = study.report(probe(seen["scored"]), probe(seen["validation"]))
    return results


def _tree_features(trajectories, frames):
    # the standardised frame, when it is, and hand-made features of its whole trajectory
    frame = standardise(trajectories)[0][frames.trajectory, frames.frame]
    whole = trajectory_features(trajectories)[frames.trajectory]
    return np.concatenate([frame, frames.frame[:, None], whole], axis=1)


def _boosted_trees(study, n_trajectories):
    settings = study.settings
    data, frames = study.sets["train"], study.frames["train"]
    if n_trajectories != settings.n_train:
        data = make_dataset(n_trajectories, "train", settings.index, settings.regime)
        shares = [share / 3 for share in settings.shares]
        frames = pick_frames(study.fields, data, family_seed("train", settings.index), shares)
    features = _hand_made(study) | {"train": _tree_features(data.trajectories, frames)}
    return study.trees(features, frames)


def _hand_made(study):
    return {
        family: _tree_features(data.trajectories, study.frames[family])
        for family, data in study.sets.items()
    }
