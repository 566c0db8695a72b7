"""How far a model's next-frame error lies above, or below, the best possible without the answer.

The poster's encoder is bidirectional: at every position but the last, the frame it is asked for
is in its own input. The yardstick is the exact conditional mean of the next frame. For any
forecast f of x', with m = E[x' | x] and noise n = x' - m,

|f - x'|^2 = |n|^2 + |f - m|^2 - 2 (f - m) . n .

An honest forecast cannot be correlated with the noise, so the last term averages to zero and its
error is at least |n|^2. How much of n is in f is therefore the measure of the leak.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from .cache import SOLVER_MODULES, cached
from .forecast import simulated_moments
from .inference import as_trajectories, evaluating, rows_per_batch
from .model import TrajectoryTransformer
from .reference import GridSolver
from .simulation import REGIMES, START_BOX


class FixedScaleTransformer(TrajectoryTransformer):
    """The model with frames standardised by constants instead of by their own statistics.

    The constants are mean and standard deviation of the uniform distribution over
    `simulation.START_BOX`. A trajectory's own mean and standard deviation are computed from all of
    its frames and so tell every position something of what comes later; constants do not.
    """

    def standardise(self, frames, attention_mask=None):
        """As `TrajectoryTransformer.standardise`, with the same constants for all trajectories."""
        shape = (len(frames), 1, 2)
        mean = frames.new_tensor(START_BOX.mean(axis=0)).expand(shape)
        std = frames.new_tensor((START_BOX[1] - START_BOX[0]) / np.sqrt(12)).expand(shape)
        return (frames - mean) / std, mean, std


class ExactNextFrame:
    """Exact mean and variance of the next simulated frame, at any point.

    Parameters
    ----------
    regime : str
        Key of `simulation.REGIMES`; overdamped.
    grid_step : float
        Distance between the nodes of the solver, reduced length.

    Attributes
    ----------
    solver : GridSolver
    """

    def __init__(self, regime="metastable", grid_step=0.02):
        config = replace(REGIMES[regime], n_frames=2)
        self.solver = GridSolver(config.beta, config.diffusion, grid_step)
        moments = cached(
            "next_frame",
            {"config": config.to_dict(), "grid_step": grid_step},
            lambda: dict(
                zip(("mean", "covariance"), simulated_moments(self.solver, config), strict=True)
            ),
            modules=SOLVER_MODULES,
        )
        self._fields = np.concatenate([moments["mean"], moments["covariance"][[0, 1], [0, 1]]])

    def moments(self, frames):
        """Conditional mean and variance of the next frame.

        Parameters
        ----------
        frames : (..., 2) ndarray

        Returns
        -------
        mean, variance : (..., 2) ndarray
        """
        values = np.moveaxis(self.solver.interpolate(self._fields, frames), 0, -1)
        return values[..., :2], values[..., 2:]


@dataclass(frozen=True)
class FrameErrors:
    """Squared errors of next-frame predictions, trajectory by trajectory and frame by frame.

    Position t is the output that is compared with frame t + 1; the last one is the only one
    whose frame the encoder was not shown. All in units of the trajectory's own standard deviation
    over the frames shown, summed over the two coordinates, as in the poster's loss.

    Attributes
    ----------
    model : (n, n_frames - 1) ndarray
        |f - x'|^2.
    exact : (n, n_frames - 1) ndarray
        |m - x'|^2, the error of the exact conditional mean on the same frames.
    floor : (n, n_frames - 1) ndarray
        Its expectation, the conditional variance.
    copy : (n, n_frames - 1) ndarray
        |x - x'|^2, the error of repeating the frame before.
    overlap : (n, n_frames - 1) ndarray
        (f - m) . (x' - m): zero on average for every honest forecast.
    """

    model: np.ndarray
    exact: np.ndarray
    floor: np.ndarray
    copy: np.ndarray
    overlap: np.ndarray

    def over(self, positions):
        """The same for a selection of positions (slice or array of indices)."""
        return FrameErrors(
            *(
                getattr(self, name)[:, positions]
                for name in ("model", "exact", "floor", "copy", "overlap")
            )
        )


def predict_next_frames(model, trajectories):
    """Predictions of every frame but the first, the last frame being withheld from the encoder.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) array_like

    Returns
    -------
    (n, n_frames - 1, 2) ndarray of float32
        Raw coordinates.
    """
    frames = as_trajectories("trajectories", trajectories)[:, :-1]
    parts = []
    with evaluating(model):
        for part in frames.split(rows_per_batch(frames.shape[1])):
            standardised, mean, std = model.standardise(part)
            parts.append(mean + std * model.feature_predictor(model.encode(standardised)))
    return torch.cat(parts).float().numpy()


def frame_errors(predicted, trajectories, exact):
    """Errors of predictions beside those of the exact conditional mean.

    Parameters
    ----------
    predicted : (n, n_frames - 1, 2) ndarray
        As `predict_next_frames` gives them.
    trajectories : (n, n_frames, 2) ndarray
    exact : ExactNextFrame

    Returns
    -------
    FrameErrors

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    trajectories = np.asarray(trajectories, dtype=float)
    shown, target = trajectories[:, :-1], trajectories[:, 1:]
    if predicted.shape != target.shape:
        raise ValueError(
            f"predicted must have shape {target.shape}, one frame fewer than the trajectories; "
            f"got {predicted.shape}"
        )
    mean, variance = exact.moments(shown)
    unit = shown.std(axis=1, keepdims=True)
    errors = (predicted - target, mean - target, shown - target)
    model, best, copy = (((e / unit) ** 2).sum(axis=-1) for e in errors)
    overlap = ((predicted - mean) * (target - mean) / unit**2).sum(axis=-1)
    return FrameErrors(model, best, (variance / unit**2).sum(axis=-1), copy, overlap)


@dataclass(frozen=True)
class LeakSummary:
    """Mean errors with standard errors over trajectories, and the two ratios that matter.

    Attributes
    ----------
    model, exact, floor, copy : (value, standard error)
        As in `FrameErrors`.
    ratio : (value, standard error)
        model / exact: below one means that the future was seen.
    noise_seen : (value, standard error)
        Regression of the prediction on the noise of the frame it predicts, 0 for a forecast and 1
        for a copy of the answer.
    """

    model: tuple
    exact: tuple
    floor: tuple
    copy: tuple
    ratio: tuple
    noise_seen: tuple


def summarise(errors):
    """`LeakSummary` of `FrameErrors`, over all their positions and trajectories."""
    means = {
        name: getattr(errors, name).mean(axis=1)
        for name in ("model", "exact", "floor", "copy", "overlap")
    }
    return LeakSummary(
        **{name: _mean(means[name]) for name in ("model", "exact", "floor", "copy")},
        ratio=_ratio(means["model"], means["exact"]),
        noise_seen=_ratio(means["overlap"], means["exact"]),
    )


def _mean(values):
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _ratio(numerator, denominator):
    # value and first-order standard error of a ratio of means over the same trajectories
    ratio = numerator.mean() / denominator.mean()
    spread = (numerator - ratio * denominator).std(ddof=1) / np.sqrt(len(numerator))
    return float(ratio), float(spread / denominator.mean())
