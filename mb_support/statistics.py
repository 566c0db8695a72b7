"""Estimates and their uncertainty: means, ratios, bootstrap, verdicts, and how to write them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest, norm, rankdata, t

#: Of all intervals.
CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
#: Standard errors to each side of an estimate whose distribution is normal.
Z = float(norm.ppf(TAILS[1]))


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error, and the ends of its 95% interval."""

    value: float
    standard_error: float
    low: float
    high: float


def resamples(n_units, n_samples, seed=0):
    """How often each of n independent units counts in each bootstrap sample, (n_samples, n)."""
    if n_units < 1:
        raise ValueError(f"n_units must be at least 1 to resample; got {n_units}")
    draws = np.random.default_rng(seed)
    return draws.multinomial(n_units, np.full(n_units, 1 / n_units), n_samples)


def bootstrap(statistic, n_units, n_samples=200, seed=0):
    """`Estimate` of a statistic of independent units; error and percentiles by resampling them.

    `statistic` takes (n_units,) weights, how often each trajectory or group of them counts; the
    value is that with all weights one. Samples in which it is not finite are left out; without a
    finite one the interval is all NaN.
    """
    if n_units < 2:
        raise ValueError(f"n_units must be at least 2 to resample; got {n_units}")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(np.ones(n_units)))
        samples = np.array([statistic(w) for w in resamples(n_units, n_samples, seed)], float)
    samples = samples[np.isfinite(samples)]
    if len(samples) < 2:
        return Estimate(value, np.nan, np.nan, np.nan)
    low, high = np.quantile(samples, TAILS)
    return Estimate(value, float(samples.std(ddof=1)), float(low), float(high))


def bootstrap_mean(values, n_samples=1000, seed=0):
    """Mean over the first axis of (n_trajectories, ...) values, NaN where one says nothing, with
    its bootstrap interval: (mean, low, high)."""
    values = np.asarray(values, float)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    counts = resamples(len(values), n_samples, seed)
    with np.errstate(invalid="ignore"):
        mean = filled.sum(axis=0) / known.sum(axis=0)
        resampled = np.tensordot(counts, filled, 1) / np.tensordot(counts, known.astype(float), 1)
    # a resample may hold none of the trajectories that say something; NaN only if there is none
    resampled = np.where(np.isnan(resampled), mean, resampled)
    low, high = np.quantile(resampled, TAILS, axis=0)
    return mean, low, high


def jackknife(statistic, n_units):
    """A statistic of all `n_units` independent units, and its standard error when each is left out
    in turn. `statistic` takes the numbers of the units that count, and returns an array (...)."""
    if n_units < 2:
        raise ValueError(f"n_units must be at least 2 to leave one out; got {n_units}")
    units = np.arange(n_units)
    left_out = np.array([statistic(np.delete(units, unit)) for unit in units])
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(statistic(units)), np.sqrt(spread * (n_units - 1) / n_units)


def mean_with_error(values):
    """Mean of (n,) values and its standard error."""
    values = np.asarray(values)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def ratio_with_error(numerator, denominator):
    """Ratio of two means over the same (n,) units, and its standard error to first order."""
    ratio = numerator.mean() / denominator.mean()
    spread = (numerator - ratio * denominator).std(ddof=1) / np.sqrt(len(numerator))
    return float(ratio), float(spread / denominator.mean())


def pooled_scatter(values):
    """Standard deviation over trainings, pooled over groups of them, and Student's quantile for it;
    NaN if nothing was trained twice. `values` has (n_trainings, ...) for each group."""
    freedom = sum(len(v) - 1 for v in values)
    squares = sum(((v - v.mean(axis=0)) ** 2).sum(axis=0) for v in values)
    if freedom < 1:
        return squares * np.nan, np.nan
    return np.sqrt(squares / freedom), t.ppf(TAILS[1], freedom)


def half_width(error, scatter, quantile, n_trainings):
    """Half of a 95% interval of a mean over trainings, from both sources of chance.

    sqrt((z e)^2 + (t s)^2 / k): e the standard error from trajectories, s the deviation over
    trainings and t its quantile, both from `pooled_scatter`, k their number. Chance from
    trajectories is part of s, too: rather too wide than too narrow.
    """
    return np.hypot(Z * error, quantile * scatter / np.sqrt(n_trainings))


def wilson_interval(n_right, n):
    """95% interval of a proportion: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927)."""
    if not 0 <= n_right <= n or n < 1:
        raise ValueError(f"n_right must be from 0 to n, with n at least 1; got {n_right} of {n}")
    interval = binomtest(int(n_right), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def rank_correlation(first, second):
    """Spearman's rank correlation along the last axis; NaN where one of the two is constant."""
    a, b = (rankdata(values, axis=-1) for values in (first, second))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=-1) / scale


def jensen_shannon_divergence(p, q):
    """Jensen-Shannon divergence of two distributions (n,), in nats: from 0 to ln 2."""
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    if p.shape != q.shape or p.ndim != 1:
        raise ValueError(f"p and q must be (n,) arrays of equal length; got {p.shape}, {q.shape}")
    for name, values in (("p", p), ("q", q)):
        if not np.isfinite(values).all() or (values < 0).any() or values.sum() == 0:
            raise ValueError(f"{name} must be finite, non-negative and not all zero")
    return float(jensenshannon(p, q) ** 2)


def binomial_error(accuracy, n):
    """Standard error of an accuracy over `n` trajectories."""
    return float(np.sqrt(accuracy * (1 - accuracy) / n))


def verdict(interval, other):
    """Whether one interval (low, high) lies above another (the same number twice if exact):
    "confirmed", "refuted" if below, "undecided" if they overlap."""
    for low, high in (interval, other):
        if not low <= high:
            raise ValueError(f"an interval is (low, high), low first; got ({low}, {high})")
    if interval[0] > other[1]:
        return "confirmed"
    return "refuted" if interval[1] < other[0] else "undecided"


def verdicts_in_words(verdicts):
    """One line of {name: verdict}: "confirmed for small, undecided for medium and large"."""
    by_verdict = {}
    for name, found in verdicts.items():
        by_verdict.setdefault(found, []).append(name)
    return ", ".join(f"{found} for {_listed(names)}" for found, names in by_verdict.items())


def answers_in_words(verdicts):
    """`verdicts_in_words` after a question: "yes for medium and large, no for small"."""
    words = {"confirmed": "yes", "refuted": "no"}
    return verdicts_in_words({name: words.get(v, v) for name, v in verdicts.items()})


def _listed(names):
    # "small", "small and medium" or "small, medium and large"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def with_interval(value, low, high, digits=2, sign=""):
    """An estimate in words: "0.12 [0.10, 0.13]", or "+0.12 [+0.10, +0.13]" with `sign` "+"."""
    value, low, high = (f"{number:{sign}.{digits}f}" for number in (value, low, high))
    return f"{value} [{low}, {high}]"


def with_range(text, values, digits=2, equal=False):
    """A text, and after it the range of `values` over trainings; of `equal` ones if asked for."""
    low, high = min(values), max(values)
    if len(values) == 1 or (low == high and not equal):
        return text
    return f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def power_of_ten(exponent):
    """ "10⁻⁵" for -5."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def scientific(value, digits=1):
    """A number as text, such as "1.6 × 10⁻⁶"."""
    factor, exponent = f"{value:.{digits}e}".split("e")
    return f"{factor} × {power_of_ten(int(exponent))}"


def with_error(value, error):
    """An estimate in words: to the second digit of its standard error, such as "175 ± 12"; "no
    passage" if there is no error, as for times of passages that never came."""
    if not np.isfinite(error):
        return "no passage"
    if 0 < error < 1e-3 and abs(value) < 0.01:
        exponent = int(np.floor(np.log10(max(abs(value), error))))
        shown = f"{value / 10.0**exponent:.2f} ± {error / 10.0**exponent:.2f}"
        return f"({shown}) × {power_of_ten(exponent)}"
    digits = 1 - int(np.floor(np.log10(error))) if error > 0 else 3
    shown = max(0, digits)
    return f"{round(value, digits):.{shown}f} ± {round(error, digits):.{shown}f}"
