"""What the trainings say together: verdicts on the poster's claims about attention.

A training is judged by its interval over trajectories. A size is judged by its trainings: a claim
is confirmed, or refuted, if it is in every one of them. Intervals are 95% bootstrap intervals.
"""

import numpy as np
import pandas as pd

from . import attention_measures as measures
from .classification import verdicts_in_words

#: Larger than in the same network before training, on the same trajectories.
ABOVE = "above untrained"
#: Bounds within which a measure counts as that of a model without the structure in question.
EQUAL_SIDES, NO_BLOCKS = (-0.1, 0.1), (0.9, 1.1)
#: "By all others": key timesteps get more than the uniform weight from this share of frames.
BY_ALL = (0.9, 1.0)
#: A sink would deliver, for each unit of attention, less than half of what other frames do.
NO_SINK = (0.5, np.inf)
#: No structure in single heads: at most this share of them has it.
HARDLY_ANY = (0.0, 0.1)
#: The poster's claims, and one of ours: measure, rule, and its norm-weighted measure.
CLAIMS = {
    "there are key timesteps": ("share", ABOVE, "norm_share"),
    "all others attend to them": ("readers", BY_ALL, None),
    "key timesteps are no sinks": ("key_norm", NO_SINK, None),
    "some heads attend to few frames": ("few", ABOVE, None),
    "future and past alike": ("sides", EQUAL_SIDES, "norm_sides"),
    "alike in each sub-section": ("moments", EQUAL_SIDES, None),
    "no local blocks": ("blocks", NO_BLOCKS, "norm_blocks"),
    "attention does not follow states": ("own_state", NO_BLOCKS, "norm_own_state"),
    "heads do not follow states": ("state_heads", HARDLY_ANY, None),
}


def values_of(kept, measure, which="trained"):
    """Values of a measure on each trajectory, as an array; NaN where there is none."""
    return np.array(kept[which]["each"][measure], float)


def within(interval, bounds):
    """Whether a quantity lies inside bounds, judging by its interval.

    Parameters
    ----------
    interval : (mean, low, high)
    bounds : (low, high)

    Returns
    -------
    {"confirmed", "refuted", "undecided"}
        Inside, outside, or across a bound.
    """
    _, low, high = interval
    if bounds[0] <= low and high <= bounds[1]:
        return "confirmed"
    return "refuted" if high < bounds[0] or low > bounds[1] else "undecided"


def judge(values, control, rule):
    """Verdict on one training.

    Parameters
    ----------
    values, control : (n,) or (n, n_sections) ndarray of float
        Of the trained and of the untrained network, on the same trajectories.
    rule : `ABOVE` or (low, high)
        With several sections, all must lie within the bounds.

    Returns
    -------
    {"confirmed", "refuted", "undecided"}
    """
    if rule == ABOVE:
        _, low, high = measures.bootstrap(values - control)
        return "confirmed" if low > 0 else "refuted" if high <= 0 else "undecided"
    intervals = np.transpose(measures.bootstrap(values)).reshape(-1, 3)
    found = {within(interval, rule) for interval in intervals}
    if "refuted" in found:
        return "refuted"
    return "undecided" if "undecided" in found else "confirmed"


def together(found):
    """Verdict on a size from those on its trainings: theirs if all agree, else "undecided"."""
    found = set(found)
    return found.pop() if len(found) == 1 else "undecided"


def spread(values):
    """Mean of a measure over trainings, its range over them, and its error over trajectories.

    Parameters
    ----------
    values : sequence of (n,) ndarray of float
        For each training, the measure on each trajectory.

    Returns
    -------
    mean, low, high : float
        Mean of the trainings' means, the lowest and the highest.
    half_width : float
        Of the interval over trajectories, mean over trainings.
    """
    intervals = np.array([measures.bootstrap(v) for v in values])
    means = intervals[:, 0]
    half_width = (intervals[:, 2] - intervals[:, 1]).mean() / 2
    return float(means.mean()), float(means.min()), float(means.max()), float(half_width)


def spread_text(values, digits=None):
    """ "mean ± over trajectories (lowest to highest training)"; without range if there is one.

    Digits are, by default, those that the error over trajectories leaves, three at most.
    """
    mean, low, high, half_width = spread(values)
    if digits is None:
        digits = 3 if half_width < 0.01 else int(np.clip(1 - np.floor(np.log10(half_width)), 0, 3))
    text = f"{mean:.{digits}f} ± {half_width:.{digits}f}"
    return f"{text} ({low:.{digits}f} to {high:.{digits}f})" if len(values) > 1 else text


def interval_text(interval, digits=2):
    """ "mean [low, high]", rounded."""
    mean, low, high = (f"{value:.{digits}f}" for value in interval)
    return f"{mean} [{low}, {high}]"


def _flat(values):
    # of measures with one value for each sub-section: the section that leans most
    if values.ndim == 1:
        return values
    return values[:, np.abs(values.mean(axis=0)).argmax()]


def verdicts(results):
    """Each claim about attention, judged for each size by a rule.

    Parameters
    ----------
    results : dict of str to dict of str to dict
        From `attention_study.load_results`: by size, then by training.

    Returns
    -------
    DataFrame
        One row for each claim and size. Columns "claim", "model", "measured", "untrained" (both
        as `spread_text`), "trainings" (in how many of them the claim is confirmed), "verdict",
        "norm-weighted" and "its verdict", the same from norm-weighted attention.
    """
    rows = []
    for claim, (measure, rule, normed) in CLAIMS.items():
        for size, trainings in results.items():
            trained, control = (
                [values_of(kept, measure, which) for kept in trainings.values()]
                for which in ("trained", "untrained")
            )
            found = [judge(*pair, rule) for pair in zip(trained, control, strict=True)]
            shown = [spread_text([_flat(v) for v in part]) for part in (trained, control)]
            count = f"{found.count('confirmed')} of {len(found)}"
            rows.append([claim, size, *shown, count, together(found), "", ""])
            if normed:
                trained, control = (
                    [values_of(kept, normed, which) for kept in trainings.values()]
                    for which in ("trained", "untrained")
                )
                found = [judge(*pair, rule) for pair in zip(trained, control, strict=True)]
                rows[-1][-2:] = spread_text(trained), together(found)
    columns = [
        "claim", "model", "measured", "untrained", "trainings", "verdict", "norm-weighted",
        "its verdict",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def claims_in_words(table):
    """{claim: "confirmed: small, medium; undecided: large"} of the table of `verdicts`."""
    return {
        claim: verdicts_in_words(rows.set_index("model")["verdict"])
        for claim, rows in table.groupby("claim", sort=False)
    }
