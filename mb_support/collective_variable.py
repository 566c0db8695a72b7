"""What the encoding of a frame knows of the committor, and how that is measured.

The slow coordinate of a two-state system is its committor q(x): the probability to reach state B
before state A from x. Here frames of simulated trajectories are picked with the weights that make
them a sample of the Boltzmann density, a model encodes the windows they lie in, and what a
read-out makes of an encoding is compared with the exact q of the frame.
"""

from dataclasses import dataclass

import numpy as np

from .cache import cached
from .forecast import mean_frame_density, start_density
from .inference import as_trajectories, evaluating, rows_per_batch
from .potential import MINIMA
from .readouts import weighted_spearman

#: Disks (centre, radius) around A and B between which the committor is taken.
SOURCE = (tuple(MINIMA[0].tolist()), 0.1)
TARGET = (tuple(MINIMA[1].tolist()), 0.1)
#: Committors between which a point is in transition.
TRANSITION = (0.1, 0.9)
#: Share of frames that is looked at: where 0.02 < q < 0.98, and elsewhere.
SHARES = (0.3, 0.03)
#: Frames left out at the beginning, in which starts on the walls slide down.
SKIPPED = 100


@dataclass(frozen=True)
class Frames:
    """Some frames of a set of trajectories, and what is exactly known of them.

    Attributes
    ----------
    trajectory, frame : (n,) ndarray of int
        Which trajectory of the set, which of its frames.
    positions : (n, 2) ndarray
    committor : (n,) ndarray
        Exact q.
    weights : (n,) ndarray
        With them, the frames are a sample of the Boltzmann density; sum to one.
    """

    trajectory: np.ndarray
    frame: np.ndarray
    positions: np.ndarray
    committor: np.ndarray
    weights: np.ndarray

    def __len__(self):
        return len(self.frame)

    @property
    def in_transition(self):
        """Frames with 0.1 < q < 0.9, (n,) of bool."""
        return (self.committor > TRANSITION[0]) & (self.committor < TRANSITION[1])

    @property
    def training_weights(self):
        """Weights for fitting: half on the Boltzmann density, half on its part in transition."""
        inside = self.weights * self.in_transition
        return 0.5 * self.weights + 0.5 * inside / inside.sum()


def exact_committor(solver):
    """The committor from `SOURCE` to `TARGET`, (n_x, n_y); kept on disk."""
    parameters = {"beta": solver.beta, "step": solver.grid_step, "disks": [SOURCE, TARGET]}
    return cached("committor", parameters, lambda: {"values": solver.committor(SOURCE, TARGET)})[
        "values"
    ]


def boltzmann_weight(solver, config, first_frame=SKIPPED, last_frame=None):
    """Boltzmann density divided by the density of frames from uniform starts, at the nodes.

    Parameters
    ----------
    solver : GridSolver
    config : SimulationConfig
    first_frame, last_frame : int
        Range of frames, the last one excluded; by default to the end of a trajectory.

    Returns
    -------
    (n_x, n_y) ndarray
        A mean over frames weighted with this is an equilibrium average. Zero where there is
        neither density.
    """
    last_frame = config.n_frames if last_frame is None else last_frame
    if not 0 <= first_frame < last_frame <= config.n_frames:
        raise ValueError(
            f"frames must lie in 0..{config.n_frames}, the first before the last; got "
            f"{first_frame!r} and {last_frame!r}"
        )

    def solve():
        start = start_density(solver).sum(axis=0)
        if first_frame:
            start = solver.propagate_density(start, first_frame * config.frame_time)
        visited = mean_frame_density(solver, last_frame - first_frame, config.frame_time, start)
        stationary = solver.stationary_density()
        # where nothing has a chance to be, the ratio is rounding
        seen = stationary > 1e-12 * stationary.max()
        safe = np.where(visited > 0, visited, 1.0)
        return {"ratio": np.where(seen & (visited > 0), stationary / safe, 0.0)}

    parameters = {
        "beta": solver.beta,
        "diffusion": solver.diffusion,
        "step": solver.grid_step,
        "frame_time": config.frame_time,
        "frames": [first_frame, last_frame],
    }
    return cached("boltzmann-weight", parameters, solve)["ratio"]


def pick_frames(solver, data, seed, shares=SHARES):
    """Pick frames of a set of trajectories, more of them where the committor is undecided.

    Parameters
    ----------
    solver : GridSolver
        At the temperature and diffusion constant of the data.
    data : TrajectorySet
        From uniform starts.
    seed : int
    shares : (float, float)
        Probability to pick a frame with 0.02 < q < 0.98, and any other one.

    Returns
    -------
    Frames
        Their weights undo both the uneven picking and the uniform starts.

    Raises
    ------
    ValueError
        If the temperatures differ or a share is not above 0 and at most 1.
    """
    if not (np.isclose(solver.beta, data.config.beta)):
        raise ValueError(f"solver must have beta {data.config.beta!r}; got {solver.beta!r}")
    if not all(0 < share <= 1 for share in shares):
        raise ValueError(f"shares must be above 0 and at most 1; got {shares!r}")
    positions = data.trajectories[:, SKIPPED:].astype(float)
    committor = solver.interpolate(exact_committor(solver), positions, fill_value=0.5)
    committor = np.clip(committor, 0.0, 1.0)
    share = np.where((committor > 0.02) & (committor < 0.98), *shares)
    picked = np.random.default_rng(seed).random(share.shape) < share
    trajectory, frame = np.nonzero(picked)
    ratio = boltzmann_weight(solver, data.config)
    weights = np.maximum(solver.interpolate(ratio, positions[picked], fill_value=0.0), 0.0)
    weights /= share[picked]
    return Frames(
        trajectory,
        frame + SKIPPED,
        positions[picked],
        committor[picked],
        weights / weights.sum(),
    )


def cut_windows(trajectories, window_length):
    """Cut trajectories into windows that follow each other.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) ndarray
    window_length : int
        A divisor of n_frames.

    Returns
    -------
    (n * n_frames / window_length, window_length, 2) ndarray
        The windows of trajectory 0 first.

    Raises
    ------
    ValueError
        If the windows do not fill the trajectories.
    """
    n_frames = trajectories.shape[1]
    if window_length < 2 or n_frames % window_length:
        raise ValueError(f"window_length must divide {n_frames}, from 2; got {window_length!r}")
    return trajectories.reshape(-1, window_length, 2)


def place_in_windows(frames, n_frames, window_length):
    """Number of the window of `cut_windows` and the frame within it, (n,) and (n,)."""
    window = frames.trajectory * (n_frames // window_length) + frames.frame // window_length
    return window, frames.frame % window_length


def standardise_windows(windows):
    """Windows by their own mean and standard deviation, as the model sees them.

    Returns
    -------
    standardised, mean, std : ndarray
        Shapes (n, n_frames, 2), (n, 1, 2), (n, 1, 2), in float64.
    """
    windows = np.asarray(windows, dtype=float)
    mean, std = windows.mean(axis=1, keepdims=True), windows.std(axis=1, keepdims=True)
    return (windows - mean) / std, mean, std


def encode_frames(model, windows, window, frame):
    """What each layer of a model makes of certain frames of windows.

    Parameters
    ----------
    model : TrajectoryTransformer
    windows : (n_windows, n_frames, 2) array_like
        Raw coordinates.
    window, frame : (n,) ndarray of int
        Which frames are wanted: the window, and the frame within it.

    Returns
    -------
    (n, n_layers + 1, hidden_size) ndarray of float32
        The embedding, then the output of each layer.

    Raises
    ------
    ValueError
        If windows are malformed or too long, or an index lies outside them.
    """
    windows = as_trajectories("windows", windows, model.config.max_position_embeddings)
    window, frame = np.asarray(window), np.asarray(frame)
    limits = windows.shape[:2]
    for name, index, limit in zip(("window", "frame"), (window, frame), limits, strict=True):
        if len(index) and not (index.min() >= 0 and index.max() < limit):
            raise ValueError(f"{name} must lie in 0..{limit - 1}; got {index.min()}..{index.max()}")
    n_layers = model.config.num_hidden_layers + 1
    result = np.empty((len(window), n_layers, model.config.hidden_size), np.float32)
    rows = rows_per_batch(windows.shape[1])
    with evaluating(model):
        for first in range(0, len(windows), rows):
            wanted = np.flatnonzero((window >= first) & (window < first + rows))
            if len(wanted) == 0:
                continue
            hidden = model(windows[first : first + rows], output_hidden_states=True).hidden_states
            for layer, states in enumerate(hidden):
                result[wanted, layer] = states.numpy()[window[wanted] - first, frame[wanted]]
    return result


def committor_scores(predicted, frames, n_bootstrap=400, confidence=0.95, seed=0):
    """Errors and rank correlation of a predicted committor, with bootstrap intervals.

    Parameters
    ----------
    predicted : (n,) array_like
        Read-out for each frame.
    frames : Frames
    n_bootstrap : int
        Resamples of whole trajectories, as frames of one trajectory are alike.
    confidence : float
    seed : int

    Returns
    -------
    dict
        For the regions "boltzmann" (all frames), "transition" (0.1 < q < 0.9), both with the
        Boltzmann density, and "even" (the same points, every eighth of the range of q with equal
        weight): "rmse", "mae" and "spearman", each (value, low, high).

    Raises
    ------
    ValueError
        If a prediction is missing or not finite.
    """
    predicted = np.asarray(predicted, dtype=float)
    if predicted.shape != frames.committor.shape or not np.isfinite(predicted).all():
        raise ValueError(
            f"predicted must be {len(frames)} finite numbers; got shape {predicted.shape}"
        )
    generator = np.random.default_rng(seed)
    names, group = np.unique(frames.trajectory, return_inverse=True)
    draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), n_bootstrap)
    regions = {"boltzmann": frames.weights, "transition": frames.weights * frames.in_transition}
    regions["even"] = _even_weights(frames)
    scores = {}
    for region, weights in regions.items():
        kept = weights > 0
        part = predicted[kept], frames.committor[kept], weights[kept], group[kept]
        scores[region] = _scores(*part, draws, (1 - confidence) / 2)
    return scores


def _even_weights(frames):
    # each bin counts the same however rarely it is visited; within a bin, the Boltzmann density
    bins = np.floor((frames.committor - TRANSITION[0]) / (TRANSITION[1] - TRANSITION[0]) * 8)
    bins = np.where(frames.in_transition, bins, 8).astype(int).clip(0, 8)
    mass = np.bincount(bins, frames.weights, minlength=9)
    return np.where(frames.in_transition, frames.weights / np.where(mass > 0, mass, 1)[bins], 0.0)


def _scores(predicted, committor, weights, group, draws, tail):
    n_groups = draws.shape[1]
    error = predicted - committor
    sums = [
        np.bincount(group, weights * values, minlength=n_groups)
        for values in (np.ones_like(error), error**2, np.abs(error))
    ]
    mass, squares, absolutes = ([part.sum(), *(draws @ part)] for part in sums)
    measures = {
        "rmse": np.sqrt(np.divide(squares, mass)),
        "mae": np.divide(absolutes, mass),
        "spearman": np.array(
            [weighted_spearman(predicted, committor, weights)]
            + [
                weighted_spearman(predicted, committor, weights * draw[group])
                for draw in draws[: len(draws) // 4]  # the slowest part
            ]
        ),
    }
    return {
        name: (float(values[0]), *np.nanquantile(values[1:], [tail, 1 - tail]).tolist())
        for name, values in measures.items()
    }


def calibration_curve(predicted, committor, weights, edges):
    """Mean and spread of predictions in bins of the exact committor.

    Parameters
    ----------
    predicted, committor, weights : (n,) array_like
    edges : (n_bins + 1,) array_like
        Ascending.

    Returns
    -------
    dict of (n_bins,) list
        "committor" and "mean": weighted means in each bin; "low" and "high": the 16 % and 84 %
        quantiles of the predictions. NaN in an empty bin.
    """
    predicted, committor, weights = (
        np.asarray(values, dtype=float) for values in (predicted, committor, weights)
    )
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (committor >= low) & (committor < high) & (weights > 0)
        if not inside.any():
            rows.append([np.nan] * 4)
            continue
        p, w = predicted[inside], weights[inside] / weights[inside].sum()
        order = np.argsort(p)
        quantiles = np.interp([0.16, 0.84], np.cumsum(w[order]) - w[order] / 2, p[order])
        rows.append([w @ committor[inside], w @ p, *quantiles])
    columns = np.array(rows).T.tolist()
    return dict(zip(("committor", "mean", "low", "high"), columns, strict=True))


def vamp2_score(now, later, weights=None):
    """VAMP-2 score of features: 1 plus the sum of squared canonical correlations over a lag.

    Parameters
    ----------
    now, later : (n, k) or (n,) array_like
        Features of frames, and of the frames one lag later.
    weights : (n,) array_like, optional
        Weights of the pairs.

    Returns
    -------
    float
        Between 1 and 1 + k.

    References
    ----------
    .. [1] H. Wu and F. Noe, J. Nonlinear Sci. 30, 23 (2020).
    """
    sides = [np.asarray(side, dtype=float).reshape(len(side), -1) for side in (now, later)]
    weights = np.full(len(sides[0]), 1.0) if weights is None else np.asarray(weights, dtype=float)
    weights = weights / weights.sum()
    roots = []
    for side in sides:
        centred = (side - weights @ side) * np.sqrt(weights)[:, None]
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
        roots.append(left[:, singular > 1e-8 * max(singular.max(), 1e-300)])
    return float(1 + np.square(np.linalg.svd(roots[0].T @ roots[1], compute_uv=False)).sum())


def exact_vamp2(solver, field, lag):
    """VAMP-2 score in equilibrium of one function of the position, from the propagator.

    Parameters
    ----------
    solver : GridSolver
    field : (n_x, n_y) ndarray
    lag : float
        Time.

    Returns
    -------
    float
        At most 1 + exp(-2 lag / t), t the slowest timescale, for any function whatever.
    """
    field = field - solver.average(field)
    correlation = solver.average(field * solver.propagate(field, lag)) / solver.average(field**2)
    return float(1 + correlation**2)
