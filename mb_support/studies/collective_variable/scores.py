"""Errors of predicted committors: over which frames, how uncertain, and which of two is lower.

Errors are root mean squares over three regions. "boltzmann" takes all frames with the Boltzmann
density, "transition" those with 0.1 < q < 0.9 with the same density, and "even" gives every eighth
of that range of q the same weight, however rarely it is visited.

Frames of one trajectory are alike, and two methods err on the same trajectories. So squared errors
are summed over blocks of trajectories, and blocks are resampled (bootstrap), the same for both.
What trainings add to the uncertainty is their scatter, pooled over the sizes of the model.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .frames import TRANSITION, Frames, exact_committor, is_in_transition

REGIONS = ("boltzmann", "transition", "even")
_N_EVEN = 8  # parts of the range of q with equal weight
_TAILS = (0.025, 0.975)  # intervals hold 95 %


def region_factors(frames):
    """What a frame's Boltzmann weight is multiplied with in each region, as functions of q.

    For each of `REGIONS`, and for "fitted", the mixture with which probes are fitted. `frames` say
    how rarely each part of the range of q is visited.
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

    `predicted` holds (n,) numbers, one for each of the `frames`, or a dictionary of them, for each
    region. The trajectories are divided into `n_blocks`, in their order. Gives (n_blocks,) for each
    of `REGIONS`.
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


def best_constants(solver):
    """Error of the best constant in each region, exact: what is known without looking, a dict.

    It is the standard deviation of the committor there.
    """
    committor = exact_committor(solver).ravel()
    density = solver.stationary_density().ravel()
    nodes = Frames(None, None, None, committor, density / density.sum(), 0)
    errors = {}
    for region in REGIONS:
        weights = nodes.weights * region_factors(nodes)[region](committor)
        mean = np.average(committor, weights=weights)
        errors[region] = float(np.sqrt(np.average((committor - mean) ** 2, weights=weights)))
    return errors


def weighted_spearman(values, others, weights):
    """Spearman rank correlation in which rows carry weights; NaN if a variable is constant.

    Ranks are positions in the weighted distribution of each variable (ties share the middle);
    with equal weights this is the usual coefficient.
    """
    weights = np.asarray(weights, dtype=float)
    first, second = _weighted_ranks(values, weights), _weighted_ranks(others, weights)
    first, second = (ranks - np.average(ranks, weights=weights) for ranks in (first, second))
    spread = (weights @ first**2) * (weights @ second**2)
    return float(weights @ (first * second) / np.sqrt(spread)) if spread > 0 else float("nan")


def _weighted_ranks(values, weights):
    level = stats.rankdata(values, method="dense") - 1
    mass = np.bincount(level, weights)
    return (np.cumsum(mass) - mass / 2)[level]


def rank_correlation(predicted, frames, n_bootstrap=100, seed=0):
    """Spearman correlation of a predicted with the exact committor in the transition region.

    The value, and the ends of its 95 % interval from resampled trajectories.
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

    "committor" and "mean" are weighted means in each bin, "low" and "high" the 16 % and 84 %
    quantiles of the predictions; lists, with NaN in an empty bin.
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
    """A number with its 95 % interval, and with its values for single trainings."""

    value: float  # mean over trainings
    low: float
    high: float
    trainings: tuple  # one value for each; a method that is not trained has one

    def text(self, digits=3, sign=""):
        """As "0.123 [0.110, 0.131]"; with `sign` "+", as "+0.123 [+0.110, +0.131]"."""
        value, low, high = (f"{v:{sign}.{digits}f}" for v in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"

    @property
    def verdict(self):
        """Of a difference: "lower" or "higher" if its interval leaves out zero, or "undecided"."""
        if self.high < 0:
            return "lower"
        return "higher" if self.low > 0 else "undecided"


class Bootstrap:
    """Resamples of blocks of trajectories, the same for every method; `mass` as `block_masses`."""

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
        """Root mean square error, an `Estimate` whose interval is over trajectories alone.

        `squares` are from `error_sums`: (n_trainings, n_blocks) or (n_blocks,).
        """
        values = np.sqrt(self._mean_squares(squares))
        means = values.mean(axis=1)
        tails = np.quantile(means[1:], _TAILS).tolist()
        return Estimate(float(means[0]), *tails, tuple(values[0].tolist()))

    def differences(self, squares, rivals):
        """By how much the errors of models exceed those of their rivals, {size: Estimate}.

        `squares` are (n_trainings, n_blocks) sums for each size, `rivals` those of what it is
        compared with: one, or one for each training in the same order. Intervals are over
        trajectories and trainings, with a half-width of sqrt((z e)^2 + (t s)^2 / k): e the standard
        error from trajectories, s the standard deviation over trainings, pooled over sizes, k the
        number of trainings, z and t the normal and Student's quantile. A size that was trained once
        counts as if it scattered like the rest; where no size was trained twice there is no
        interval, and nothing is decided.
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

    def shares_known(self, squares, variance, best):
        """How much of what can be known models know, an `Estimate` for each size.

        (variance - error) / (variance - least), of mean squares: 0 as much as a constant, whose
        error is the variance, and 1 as much as `best`, of (n_blocks,). Intervals as in
        `differences`.
        """
        least = self._mean_squares(best)
        return _over_trainings(
            {
                size: (variance - self._mean_squares(found)) / (variance - least)
                for size, found in squares.items()
            }
        )


def _over_trainings(values):
    # estimates from (1 + n_bootstrap, n_trainings) values of each size, the sample's own first
    trained = {size: rows[0] for size, rows in values.items()}
    freedom = sum(len(own) - 1 for own in trained.values())
    squares = sum(((own - own.mean()) ** 2).sum() for own in trained.values())
    scatter = np.nan
    if freedom:
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
