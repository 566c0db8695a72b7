"""Errors of predicted committors: over which frames, how uncertain, and which of two is lower.

Errors are root mean squares over three regions. "boltzmann" takes all frames with the Boltzmann
density, "transition" those with 0.1 < q < 0.9 with the same density, and "even" gives every eighth
of that range of q the same weight, however rarely it is visited.

Frames of one trajectory are alike, and two methods err on the same trajectories. So squared errors
are summed over blocks of trajectories, and blocks are resampled, the same for both. What trainings
add to the uncertainty is their scatter, pooled over the sizes of the model.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ...statistics import TAILS, half_width, pooled_scatter, resamples, with_interval
from .frames import TRANSITION, Frames, exact_committor, is_in_transition

REGIONS = ("boltzmann", "transition", "even")
_N_EVEN = 8  # parts of the range of q with equal weight


def region_factors(frames):
    """What a frame's Boltzmann weight is multiplied with, as functions of q, for each of `REGIONS`
    and for "fitted", the mixture with which probes are fitted."""

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
    """Weighted squared errors of a committor, (n,) or one for each region, summed over blocks of
    trajectories: {region: (n_blocks,)}."""
    if not isinstance(predicted, dict):
        predicted = dict.fromkeys(REGIONS, predicted)
    squares = {region: (predicted[region] - frames.committor) ** 2 for region in REGIONS}
    return _block_sums(squares, frames, n_blocks)


def block_masses(frames, n_blocks):
    """The weights themselves, summed like `error_sums`."""
    return _block_sums(dict.fromkeys(REGIONS, np.ones(len(frames))), frames, n_blocks)


def _block_sums(values, frames, n_blocks):
    block = frames.trajectory * n_blocks // frames.n_trajectories
    factors, sums = region_factors(frames), {}
    for region in REGIONS:
        weights = frames.weights * factors[region](frames.committor)
        sums[region] = np.bincount(block, weights * values[region], minlength=n_blocks)
    return sums


def best_constants(solver):
    """Error of the best constant in each region: the standard deviation of the committor there."""
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
    """Spearman rank correlation in which rows carry weights; NaN if a variable is constant. Ranks
    are positions in the weighted distribution of each variable (ties share the middle)."""
    weights = np.asarray(weights, dtype=float)
    first, second = _weighted_ranks(values, weights), _weighted_ranks(others, weights)
    first, second = (ranks - np.average(ranks, weights=weights) for ranks in (first, second))
    spread = (weights @ first**2) * (weights @ second**2)
    return float(weights @ (first * second) / np.sqrt(spread)) if spread > 0 else float("nan")


def _weighted_ranks(values, weights):
    level = rankdata(values, method="dense") - 1
    mass = np.bincount(level, weights)
    return (np.cumsum(mass) - mass / 2)[level]


def rank_correlation(predicted, frames):
    """Spearman correlation of a prediction with the exact committor in the transition region."""
    kept = frames.in_transition & (frames.weights > 0)
    return weighted_spearman(predicted[kept], frames.committor[kept], frames.weights[kept])


def calibration_curve(predicted, committor, weights, edges):
    """Weighted means, and quantiles of 16 % ("low") and 84 % ("high") of the predictions, in bins
    of the exact committor, as lists; NaN in an empty bin."""
    predicted, committor, weights = map(np.asarray, (predicted, committor, weights))
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
        return with_interval(self.value, self.low, self.high, digits, sign)

    @property
    def verdict(self):
        """Of a difference: "lower" or "higher" if its interval leaves out zero, or "undecided"."""
        if self.high < 0:
            return "lower"
        return "higher" if self.low > 0 else "undecided"


class Bootstrap:
    """Resamples of blocks of trajectories, the same for every method; `mass` as `block_masses`."""

    def __init__(self, mass, n_bootstrap=2000):
        self._mass = np.asarray(mass, dtype=float)
        n = len(self._mass)
        # the sample itself comes first
        self._draws = np.concatenate([np.ones((1, n)), resamples(n, n_bootstrap)])

    def mean_squares(self, squares):
        """Of sums over blocks, ([n_trainings,] n_blocks): (1 + n_bootstrap, n_trainings)."""
        return (self._draws @ np.atleast_2d(squares).T) / (self._draws @ self._mass)[:, None]

    def constant(self, error):
        """Squares of a method that errs by as much everywhere, (n_blocks,)."""
        return error**2 * self._mass

    def error(self, squares):
        """Root mean square error, an `Estimate` whose interval is over trajectories alone."""
        values = np.sqrt(self.mean_squares(squares))
        means = values.mean(axis=1)
        tails = np.quantile(means[1:], TAILS).tolist()
        return Estimate(float(means[0]), *tails, tuple(values[0].tolist()))

    def differences(self, squares, rivals):
        """By how much errors of models, (n_trainings, n_blocks) squares of each size, exceed those
        of rivals: one, or one for each training in the same order."""
        return over_trainings(
            {
                size: np.sqrt(self.mean_squares(ours)) - np.sqrt(self.mean_squares(rivals[size]))
                for size, ours in squares.items()
            }
        )

    def shares_known(self, squares, variance, best):
        """How much of what can be known models know: (variance - error) / (variance - least), of
        mean squares; 0 as much as a constant, 1 as much as `best`, (n_blocks,)."""
        least = self.mean_squares(best)
        return over_trainings(
            {
                size: (variance - self.mean_squares(found)) / (variance - least)
                for size, found in squares.items()
            }
        )


def over_trainings(values):
    """Estimates from (1 + n_bootstrap, n_trainings) values of each size, the sample's own first.

    Intervals are by `half_width`; a size that was trained once counts as if it scattered like the
    rest, and where none was trained twice there is no interval.
    """
    scatter, quantile = pooled_scatter([rows[0] for rows in values.values()])
    found = {}
    for size, (own, *resampled) in values.items():
        half = half_width(np.mean(resampled, axis=1).std(), scatter, quantile, len(own))
        mean = own.mean()
        found[size] = Estimate(*map(float, (mean, mean - half, mean + half)), tuple(own.tolist()))
    return found
