"""Slow variables and committors without a transformer: PCA, TICA, VAMPNets, Markov models.

All take trajectories as they are given: raw, or standardised window by window.
"""

from dataclasses import dataclass

import numpy as np
import torch
from deeptime.clustering import KMeans, RegularSpace
from deeptime.decomposition import TICA
from deeptime.decomposition.deep import VAMPNet
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM
from deeptime.util.data import TrajectoriesDataset, TrajectoryDataset
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA

_CLUSTERING_POINTS = 20_000  # frames from which cells are placed


def _checked_trajectories(trajectories, lag_time=0):
    trajectories = np.asarray(trajectories, dtype=float)
    if trajectories.ndim != 3 or trajectories.shape[-1] != 2 or len(trajectories) == 0:
        raise ValueError(f"trajectories must have shape (n, n_frames, 2); got {trajectories.shape}")
    if not 0 <= lag_time < trajectories.shape[1]:
        raise ValueError(
            f"lag_time must be below the {trajectories.shape[1]} frames of a trajectory; got "
            f"{lag_time!r}"
        )
    return trajectories


def principal_component(trajectories):
    """First principal component, as a function from (n, 2) positions to (n,) values."""
    trajectories = _checked_trajectories(trajectories)
    fitted = PCA(1).fit(trajectories.reshape(-1, 2))
    return lambda positions: fitted.transform(positions)[:, 0]


def slowest_linear(trajectories, lag_time):
    """First time-lagged independent component, as a function like `principal_component`.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like
    lag_time : int
        Frames.
    """
    trajectories = _checked_trajectories(trajectories, lag_time)
    fitted = TICA(lagtime=lag_time, dim=1).fit(list(trajectories)).fetch_model()
    return lambda positions: fitted.transform(positions)[:, 0]


def vampnet_variable(trajectories, lag_time, seed, n_epochs=12, width=32):
    """The slowest variable that a small VAMPNet finds, as a function like the others.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like
    lag_time : int
        Frames.
    seed : int
        Of the weights and of the order of the batches.
    n_epochs, width : int
        Passes over the data; units of each of the two hidden layers.

    References
    ----------
    .. [1] A. Mardt, L. Pasquali, H. Wu and F. Noe, Nat. Commun. 9, 5 (2018).
    """
    trajectories = _checked_trajectories(trajectories, lag_time).astype(np.float32)
    mean = trajectories.reshape(-1, 2).mean(axis=0)
    std = trajectories.reshape(-1, 2).std(axis=0)
    data = TrajectoriesDataset(
        [TrajectoryDataset(lag_time, (frames - mean) / std) for frames in trajectories]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lobe = torch.nn.Sequential(
            torch.nn.Linear(2, width), torch.nn.ELU(),
            torch.nn.Linear(width, width), torch.nn.ELU(),
            torch.nn.Linear(width, 1),
        )  # fmt: skip
        pairs = [np.concatenate(side) for side in zip(*(d[:] for d in data.subsets), strict=True)]
        pairs = torch.utils.data.TensorDataset(*(torch.from_numpy(side) for side in pairs))
        order = torch.utils.data.RandomSampler(pairs)
        batches = torch.utils.data.BatchSampler(order, 4096, drop_last=True)
        loader = torch.utils.data.DataLoader(pairs, sampler=batches, batch_size=None)
        network = VAMPNet(lobe, learning_rate=2e-3, epsilon=1e-6)
        network.fit(loader, n_epochs=n_epochs)
        fitted = network.fetch_model()
    return lambda positions: np.asarray(
        fitted.transform(((positions - mean) / std).astype(np.float32))
    ).reshape(len(positions), -1)[:, 0]


@dataclass(frozen=True)
class MarkovCommittor:
    """Committor of a Markov state model: a function from (n, 2) positions to (n,) values.

    Attributes
    ----------
    centres : (n_cells, 2) ndarray
    values : (n_cells,) ndarray
        Committor of each cell.
    disks : ((centre, radius), (centre, radius)) or None
        Source and target where they are states of their own, with committor 0 and 1.
    timescale : float
        Slowest implied timescale, frames.
    """

    centres: np.ndarray
    values: np.ndarray
    disks: tuple | None
    timescale: float

    def __call__(self, positions):
        positions = np.asarray(positions, dtype=float)
        predicted = self.values[cKDTree(self.centres).query(positions)[1]]
        if self.disks is not None:
            predicted = np.where(_within(positions, self.disks[0]), 0.0, predicted)
            predicted = np.where(_within(positions, self.disks[1]), 1.0, predicted)
        return predicted


def _within(positions, disk):
    centre, radius = disk
    return np.square(positions - np.asarray(centre)).sum(axis=-1) <= radius**2


def place_cells(trajectories, spacing=None, n_cells=None, seed=0):
    """Centres of cells: evenly spread over what is visited, or by k-means where frames are.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like
    spacing : float, optional
        Least distance between centres.
    n_cells : int, optional
        Number of centres; give this or `spacing`.
    seed : int

    Returns
    -------
    (n_cells, 2) ndarray

    Raises
    ------
    ValueError
        If both or neither of `spacing` and `n_cells` are given.
    """
    if (spacing is None) == (n_cells is None):
        raise ValueError(f"give either spacing or n_cells; got {spacing!r} and {n_cells!r}")
    frames = _checked_trajectories(trajectories).reshape(-1, 2)
    frames = frames[:: max(1, len(frames) // _CLUSTERING_POINTS)]
    if spacing is not None:
        fitted = RegularSpace(dmin=spacing, max_centers=20_000).fit(frames).fetch_model()
    else:
        means = KMeans(n_cells, max_iter=500, tolerance=1e-3, fixed_seed=seed + 1, n_jobs=1)
        fitted = means.fit(frames).fetch_model()
    return np.asarray(fitted.cluster_centers)


def markov_committor(trajectories, centres, lag_time, in_source, in_target, disks=None):
    """Committor of a reversible Markov state model estimated from trajectories.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) array_like
        Raw or standardised.
    centres : (n_cells, 2) array_like
        Cells are the regions closest to each; see `place_cells`.
    lag_time : int
        Frames.
    in_source, in_target : (n, n_frames) ndarray of bool
        Frames truly within either state.
    disks : ((centre, radius), (centre, radius)), optional
        In raw coordinates: source and target as further states. Otherwise cells most of whose
        frames are in a state make up that state.

    Returns
    -------
    MarkovCommittor

    Raises
    ------
    ValueError
        If no cell belongs to the source or to the target.
    """
    trajectories = _checked_trajectories(trajectories, lag_time)
    n_cells = len(centres)
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
    nearest = cKDTree(np.asarray(centres)[good]).query(centres)[1]
    filled = values[:n_cells][good][nearest]
    timescale = float(np.asarray(model.timescales(k=1))[0])
    return MarkovCommittor(np.asarray(centres, dtype=float), filled, disks, timescale)
