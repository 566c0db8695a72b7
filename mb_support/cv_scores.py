"""Errors of predicted committors: over which frames, how uncertain, and which of two is lower.

Errors are root mean squares over three regions. "boltzmann" takes all frames with the Boltzmann
density, "transition" those with 0.1 < q < 0.9 with the same density, and "even" gives every eighth
of that range of q the same weight, however rarely it is visited.

Frames of one trajectory are alike, and predictions of two methods err on the same trajectories. So
squared errors are summed over blocks of trajectories, and blocks are resampled (bootstrap), the
same blocks for both methods. What trainings add to the uncertainty is their scatter, pooled over
the sizes of the model, since each size was trained a few times only.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .collective_variable import TRANSITION, is_in_transition
from .readouts import weighted_spearman

REGIONS = ("boltzmann", "transition", "even")
_N_EVEN = 8  # parts of the range of q with equal weight
_TAILS = (0.025, 0.975)  # intervals hold 95 %


def region_factors(frames):
    """What a frame's Boltzmann weight is multiplied with in each region, as functions of q.

    Parameters
    ----------
    frames : Frames
        They say how rarely each part of the range of q is visited.

    Returns
    -------
    dict of str to callable
        For each of `REGIONS`; and "fitted", the mixture with which probes are fitted.
    """

    def even_part(committor):
        low, high = TRANSITION
        part = np.floor((committor - low) / (high - low) * _N_EVEN)
        return part.astype(int).clip(0, _N_EVEN - 1)

    inside = frames.weights * frames.in_transition
    mass = np.bincount(even_part(frames.committor), inside, minlength=_N_EVEN)
    mass = np.where(mass > 0, mass, np.inf)
    return {
        "boltzmann": lambda q: np.ones_like(q),
        "transition": lambda q: is_in_transition(q).astype(float),
        "even": lambda q: is_in_transition(q) / mass[even_part(q)],
        "fitted": lambda q: 0.5 + 0.5 * is_in_transition(q) / inside.sum(),
    }


def error_sums(predicted, frames, n_blocks):
    """Weighted squared errors of a predicted committor, summed over blocks of trajectories.

    Parameters
    ----------
    predicted : (n,) array_like or dict of str to (n,) array_like
        Read-out for each frame; a dictionary holds one for each region.
    frames : Frames
    n_blocks : int
        Into which the trajectories are divided, in their order.

    Returns
    -------
    dict of str to (n_blocks,) ndarray
        For each of `REGIONS`.

    Raises
    ------
    ValueError
        If a prediction is missing or not finite, or there are more blocks than trajectories.
    """
    if not isinstance(predicted, dict):
        predicted = dict.fromkeys(REGIONS, predicted)
    sums = {}
    for region in REGIONS:
        values = np.asarray(predicted[region], dtype=float)
        if values.shape != frames.committor.shape or not np.isfinite(values).all():
            raise ValueError(
                f"predicted must be {len(frames)} finite numbers; got shape {values.shape}"
            )
        sums[region] = _block_sums((values - frames.committor) ** 2, frames, region, n_blocks)
    return sums


def block_masses(frames, n_blocks):
    """The weights themselves, summed like `error_sums`."""
    ones = np.ones(len(frames))
    return {region: _block_sums(ones, frames, region, n_blocks) for region in REGIONS}


def _block_sums(values, frames, region, n_blocks):
    if not 1 <= n_blocks <= frames.n_trajectories:
        raise ValueError(
            f"n_blocks must be from 1 to {frames.n_trajectories}, the trajectories; got "
            f"{n_blocks!r}"
        )
    block = frames.trajectory * n_blocks // frames.n_trajectories
    weights = frames.weights * region_factors(frames)[region](frames.committor)
    return np.bincount(block, weights * values, minlength=n_blocks)


def rank_correlation(predicted, frames, n_bootstrap=100, seed=0):
    """Spearman correlation of a predicted with the exact committor in the transition region.

    Parameters
    ----------
    predicted : (n,) array_like
    frames : Frames
    n_bootstrap : int
        Resamples of whole trajectories.
    seed : int

    Returns
    -------
    (float, float, float)
        Value, and the ends of its 95 % interval.
    """
    kept = np.flatnonzero(frames.in_transition & (frames.weights > 0))
    predicted, committor = np.asarray(predicted, dtype=float)[kept], frames.committor[kept]
    names, group = np.unique(frames.trajectory[kept], return_inverse=True)
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), n_bootstrap)
    weights = frames.weights[kept]
    resampled = [weighted_spearman(predicted, committor, weights * draw[group]) for draw in draws]
    value = weighted_spearman(predicted, committor, weights)
    return value, *np.nanquantile(resampled, _TAILS).tolist()


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


# ---- intervals and verdicts -----------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, and with its values for single trainings.

    Attributes
    ----------
    value, low, high : float
        Mean over trainings; the interval.
    trainings : tuple of float
        One value for each training; a method that is not trained several times has one.
    """

    value: float
    low: float
    high: float
    trainings: tuple

    def text(self, digits=3):
        """As "0.123 [0.110, 0.131]", followed by "(0.120 to 0.126)" if there are trainings."""
        text = f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        if len(self.trainings) > 1:
            text += f" ({min(self.trainings):.{digits}f} to {max(self.trainings):.{digits}f})"
        return text

    @property
    def verdict(self):
        """Of a difference: "lower" or "higher" if its interval leaves out zero, or "undecided"."""
        if self.high < 0:
            return "lower"
        return "higher" if self.low > 0 else "undecided"


class Bootstrap:
    """Resamples of blocks of trajectories, the same for every method.

    Parameters
    ----------
    mass : (n_blocks,) array_like
        From `block_masses`.
    n_bootstrap : int
    seed : int
    """

    def __init__(self, mass, n_bootstrap=2000, seed=0):
        self._mass = np.asarray(mass, dtype=float)
        n = len(self._mass)
        draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_bootstrap)
        self._draws = np.concatenate([np.ones((1, n)), draws])  # the sample itself comes first

    def _mean_squares(self, squares):
        # (1 + n_bootstrap, n_trainings): of the sample and of its resamples
        squares = np.atleast_2d(np.asarray(squares, dtype=float))
        if squares.shape[1] != len(self._mass):
            raise ValueError(
                f"squares must be sums over {len(self._mass)} blocks; got {squares.shape[1]}"
            )
        return (self._draws @ squares.T) / (self._draws @ self._mass)[:, None]

    def error(self, squares):
        """Root mean square error of a method; its interval is over trajectories alone.

        Parameters
        ----------
        squares : (n_trainings, n_blocks) or (n_blocks,) array_like
            From `error_sums`.

        Returns
        -------
        Estimate

        Raises
        ------
        ValueError
            If the number of blocks is another.
        """
        values = np.sqrt(self._mean_squares(squares))
        means = values.mean(axis=1)
        tails = np.quantile(means[1:], _TAILS).tolist()
        return Estimate(float(means[0]), *tails, tuple(values[0].tolist()))

    def differences(self, squares, rivals):
        """By how much the errors of models exceed those of their rivals.

        Parameters
        ----------
        squares : dict of str to (n_trainings, n_blocks) array_like
            From `error_sums`, for each size.
        rivals : dict of str to (n_trainings, n_blocks) or (n_blocks,) array_like
            Of what each size is compared with: one, or one for each training in the same order.

        Returns
        -------
        dict of str to Estimate
            Their intervals are over trajectories and trainings.

        Raises
        ------
        ValueError
            If the number of blocks is another, the trainings cannot be paired, or no size was
            trained twice: nothing tells how trainings scatter.

        Notes
        -----
        The half-width is sqrt((z e)^2 + (t s)^2 / k): e the standard error from trajectories, s the
        standard deviation over trainings, pooled over sizes, k the number of trainings, z and t the
        normal and Student's quantile.
        """
        values = {}
        for size, found in squares.items():
            ours = np.sqrt(self._mean_squares(found))
            theirs = np.sqrt(self._mean_squares(rivals[size]))
            if theirs.shape[1] not in (1, ours.shape[1]):
                raise ValueError(
                    f"rivals must have one or {ours.shape[1]} trainings; got {theirs.shape[1]}"
                )
            values[size] = ours - theirs
        return _over_trainings(values)

    def shares_known(self, squares, chance, best):
        """How much of what can be known models know: 0 as much as `chance`, 1 as the best.

        Parameters
        ----------
        squares, chance : dict of str to (n_trainings, n_blocks) array_like
            For each size.
        best : (n_blocks,) array_like

        Returns
        -------
        dict of str to Estimate
            (chance - error) / (chance - best), of mean squares; intervals as in `differences`.
        """
        least, values = self._mean_squares(best), {}
        for size, found in squares.items():
            none = self._mean_squares(chance[size])
            values[size] = (none - self._mean_squares(found)) / (none - least)
        return _over_trainings(values)


def _over_trainings(values):
    # estimates from (1 + n_bootstrap, n_trainings) values of each size, the sample's own first
    trained = {size: rows[0] for size, rows in values.items()}
    freedom = sum(len(own) - 1 for own in trained.values())
    if freedom < 1:
        raise ValueError("no size was trained twice: nothing tells how trainings scatter")
    squares = sum(((own - own.mean()) ** 2).sum() for own in trained.values())
    scatter = np.sqrt(squares / freedom) * stats.t.ppf(_TAILS[1], freedom)
    found = {}
    for size, own in trained.items():
        by_trajectories = values[size][1:].mean(axis=1).std() * stats.norm.ppf(_TAILS[1])
        half = np.hypot(by_trajectories, scatter / np.sqrt(len(own)))
        mean = own.mean()
        found[size] = Estimate(
            float(mean), float(mean - half), float(mean + half), tuple(own.tolist())
        )
    return found
