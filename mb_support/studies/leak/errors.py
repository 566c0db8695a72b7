"""How far a model's next-frame error lies above, or below, the best possible without the answer.

The poster's encoder is bidirectional: at every position but the last, the frame it is asked for
is in its own input. The yardstick is the exact conditional mean of the next frame. For any
forecast f of x', with m = E[x' | x] and noise n = x' - m,

|f - x'|^2 = |n|^2 + |f - m|^2 - 2 (f - m) . n .

An honest forecast cannot be correlated with the noise, so the last term averages to zero and its
error is at least |n|^2. How much of n is in f is therefore the measure of the leak. Drawing the
next frame anew tells by which path n came into f: see `noise_by_path`.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ...files.cache import cached
from ...model.inference import as_trajectories, evaluating, rows_per_batch
from ...reference.forecast import simulated_moments
from ...reference.solver import GridSolver
from ...simulation.langevin import simulate
from ...simulation.settings import REGIMES
from ...statistics import mean_with_error, ratio_with_error

#: First positions left out of the interior: there trajectories still slide down the walls.
N_RELAX = 5
#: Positions counted from the end, 1 being the last, at which errors are given one by one.
DISTANCES = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45)


class ExactNextFrame:
    """Exact mean and variance of the next simulated frame of the regime "metastable", at any point.

    `grid_step` is the distance between the nodes of the `solver`; `config` is of two frames.
    """

    def __init__(self, grid_step=0.02):
        self.config = config = replace(REGIMES["metastable"], n_frames=2)
        self.solver = GridSolver(config.beta, config.diffusion, grid_step)
        moments = cached(
            "next_frame",
            {"config": config.to_dict(), "grid_step": grid_step},
            lambda: dict(
                zip(("mean", "covariance"), simulated_moments(self.solver, config), strict=True)
            ),
        )
        self._fields = np.concatenate([moments["mean"], moments["covariance"][[0, 1], [0, 1]]])

    def moments(self, frames):
        """Conditional mean and variance of the frames that follow `frames`, each (..., 2)."""
        values = np.moveaxis(self.solver.interpolate(self._fields, frames), 0, -1)
        return values[..., :2], values[..., 2:]


@dataclass(frozen=True)
class FrameErrors:
    """Squared errors of next-frame predictions, trajectory by trajectory, (n, n_frames - 1).

    `model`, |f - x'|^2; `exact`, |m - x'|^2, the error of the exact conditional mean on the same
    frames; `floor`, its expectation, the conditional variance; `copy`, |x - x'|^2, the error of
    repeating the frame before; `overlap`, (f - m) . (x' - m), zero on average for every honest
    forecast.

    Position t is the output that is compared with frame t + 1; the last one is the only one
    whose frame the encoder was not shown. In length^2, summed over the two coordinates, or as in
    the poster's loss in units of the trajectory's own standard deviation over the frames shown.
    Those units depend on the noise themselves, so only in length^2 is the floor exactly one.
    """

    model: np.ndarray
    exact: np.ndarray
    floor: np.ndarray
    copy: np.ndarray
    overlap: np.ndarray

    def over(self, positions):
        """The same for a selection of positions (slice or array of indices)."""
        return FrameErrors(*(getattr(self, field.name)[:, positions] for field in fields(self)))


def predict_next_frames(model, trajectories, statistics_of=None):
    """Predictions of every frame but the first, the last frame being withheld from the encoder.

    Of (n, n_frames, 2) trajectories; returns (n, n_frames - 1, 2) of float32, raw coordinates.
    `statistics_of` are others whose mean and standard deviation standardise, in place of their own.
    """
    shown = [
        as_trajectories("trajectories", frames)[:, :-1]
        for frames in (trajectories, trajectories if statistics_of is None else statistics_of)
    ]
    rows, parts = rows_per_batch(shown[0].shape[1]), []
    with evaluating(model):
        for frames, others in zip(*(frames.split(rows) for frames in shown), strict=True):
            _, mean, std = model.standardise(others)
            encodings = model.encode((frames - mean) / std)
            parts.append(mean + std * model.feature_predictor(encodings))
    return torch.cat(parts).float().numpy()


def frame_errors(predicted, trajectories, exact, standardised=False):
    """`FrameErrors` of predictions beside those of the exact conditional mean.

    `predicted`, (n, n_frames - 1, 2), is what `predict_next_frames` gives for the (n, n_frames, 2)
    trajectories, and `exact` an `ExactNextFrame`. If `standardised`, errors are in units of each
    trajectory's standard deviation instead of length^2.
    """
    trajectories = np.asarray(trajectories, dtype=float)
    shown, target = trajectories[:, :-1], trajectories[:, 1:]
    if predicted.shape != target.shape:
        raise ValueError(
            f"predicted must have shape {target.shape}, one frame fewer than the trajectories; "
            f"got {predicted.shape}"
        )
    mean, variance = exact.moments(shown)
    unit = shown.std(axis=1, keepdims=True) if standardised else 1.0
    errors = (predicted - target, mean - target, shown - target)
    model, best, copy = (((e / unit) ** 2).sum(axis=-1) for e in errors)
    overlap = ((predicted - mean) * (target - mean) / unit**2).sum(axis=-1)
    return FrameErrors(model, best, (variance / unit**2).sum(axis=-1), copy, overlap)


def summarise(errors):
    """Means of `FrameErrors` over positions and trajectories: {name: (value, standard error)}.

    "model", "exact", "floor" and "copy"; "ratio", model / exact: below one means that the future
    was seen; "noise_seen", the regression of the prediction on the noise of the frame it predicts:
    0 for a forecast and 1 for a copy of the answer. Standard errors are over trajectories.
    """
    means = {field.name: getattr(errors, field.name).mean(axis=1) for field in fields(errors)}
    return {
        **{name: mean_with_error(means[name]) for name in ("model", "exact", "floor", "copy")},
        "ratio": ratio_with_error(means["model"], means["exact"]),
        "noise_seen": ratio_with_error(means["overlap"], means["exact"]),
    }


def measure(model, trajectories, exact):
    """Errors in the interior, at the last position, and at `DISTANCES` from the end.

    The first `N_RELAX` positions, of short windows at most half of all, are not in the interior.
    Returns a dict: "n_frames" and "n"; "interior" and "last": from `summarise`; "by_distance": a
    list of the same, each with its "distance".
    """
    errors = frame_errors(predict_next_frames(model, trajectories), trajectories, exact)
    n = errors.model.shape[1]
    first = min(N_RELAX, n // 2)
    return {
        "n_frames": trajectories.shape[1],
        "n": len(trajectories),
        "interior": summarise(errors.over(slice(first, n - 1))),
        "last": summarise(errors.over(slice(n - 1, n))),
        "by_distance": [
            {"distance": d} | summarise(errors.over(slice(n - d, n - d + 1)))
            for d in DISTANCES
            if d <= n - first
        ],
    }


def drawn_again(trajectories, frames, exact, seed):
    """Trajectories in which some `frames` are replaced by other successors of the frame before.

    No two of them may be neighbours, none the first. Returns float32 of the same shape.
    """
    changed = np.array(trajectories, np.float32)
    before = changed[:, np.asarray(frames) - 1]
    after = simulate(exact.config, before.reshape(-1, 2), seed)[:, 1]
    changed[:, frames] = after.reshape(before.shape)
    return changed


def noise_by_path(model, trajectories, exact, seed=0):
    """By which path the noise of a next frame comes into its prediction.

    The next frame is drawn again, given the frame before, in the encoder's input alone, then in
    the mean and standard deviation too. What the prediction loses of the noise with each was seen
    on that path. What is left was seen in later frames, which follow from the true next frame.
    Every eighth frame is drawn again, all in one pass.

    Returns {name: (value, standard error)}. "frame", "statistics" and "later": shares of the noise
    seen, which sum to "total", the "noise_seen" of these positions; "ratio", "ratio_redrawn" and
    "ratio_unseen": error over exact error as it is, with the frame drawn again, and with the
    statistics too.
    """
    positions = np.arange(N_RELAX, trajectories.shape[1] - 2, 8)
    other = drawn_again(trajectories, positions + 1, exact, seed)
    inputs = {"": (trajectories, None), "_redrawn": (other, trajectories), "_unseen": (other, None)}
    errors = {
        name: frame_errors(predict_next_frames(model, *given), trajectories, exact).over(positions)
        for name, given in inputs.items()
    }
    noise = errors[""].exact.mean(axis=1)
    seen = {name: e.overlap.mean(axis=1) for name, e in errors.items()}
    paths = {
        "frame": seen[""] - seen["_redrawn"],
        "statistics": seen["_redrawn"] - seen["_unseen"],
        "later": seen["_unseen"],
        "total": seen[""],
    }
    found = {name: ratio_with_error(values, noise) for name, values in paths.items()}
    return found | {
        f"ratio{n}": ratio_with_error(e.model.mean(axis=1), noise) for n, e in errors.items()
    }


def by_position(errors):
    """Error over floor at each position and its standard error, both (n_positions,).

    The floor is the mean of the conditional variance over trajectories: it has hardly any
    scatter, unlike the exact error of single frames.
    """
    floor = errors.floor.mean(axis=0)
    scatter = errors.model.std(axis=0, ddof=1) / np.sqrt(len(errors.model))
    return errors.model.mean(axis=0) / floor, scatter / floor
