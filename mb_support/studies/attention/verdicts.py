"""Verdicts on claims about attention, from trajectories and trainings.

A training is judged by its 95% bootstrap interval over trajectories, a size by its trainings: a
claim is confirmed, or refuted, if it is in every one of them. `results` are throughout those of
`study.load_results`, `trainings` those of one size.
"""

import numpy as np
import pandas as pd

from ...statistics import bootstrap_mean, with_interval, with_range

#: Larger than in the same network before training, on the same trajectories.
ABOVE = "above untrained"
#: Bounds within which a measure counts as that of a model without the structure in question.
EQUAL_SIDES, NO_BLOCKS = (-0.1, 0.1), (0.9, 1.1)
#: "By all others": key timesteps get more than the uniform weight from this share of frames.
BY_ALL = (0.9, 1.0)
#: A sink would deliver, for each unit of attention, less than half of what other frames do.
NO_SINK = (0.5, np.inf)
#: The poster's claims, and ours: measure, rule, and its norm-weighted measure.
CLAIMS = {
    "there are key timesteps": ("share", ABOVE, "norm_share"),
    "all others attend to them": ("readers", BY_ALL, None),
    "by norm, key timesteps are no sinks": ("key_norm", NO_SINK, None),
    "some heads attend to few frames": ("few", ABOVE, None),
    "future and past alike": ("sides", EQUAL_SIDES, "norm_sides"),
    "alike in each sub-section": ("moments", EQUAL_SIDES, None),
    "no local blocks": ("blocks", NO_BLOCKS, "norm_blocks"),
    "attention does not follow states": ("own_state", NO_BLOCKS, "norm_own_state"),
    "some heads follow states": ("state_heads", ABOVE, None),
}


def values_of(trainings, *keys):
    """What each training has at nested keys, as arrays; NaN where there is nothing."""
    found = []
    for kept in trainings.values():
        for key in keys:
            kept = kept[key]
        found.append(np.array(kept, float))
    return found


def label(size, trainings):
    """Name of a size in tables and verdicts: "small (5 seeds)", "large (1 seed)"."""
    return f"{size} ({len(trainings)} seed{'s' if len(trainings) > 1 else ''})"


def within(interval, bounds):
    """Whether a quantity lies inside (low, high) bounds, judging by its (mean, low, high)."""
    _, low, high = interval
    if bounds[0] <= low and high <= bounds[1]:
        return "confirmed"
    return "refuted" if high < bounds[0] or low > bounds[1] else "undecided"


def judge(values, control, rule):
    """Verdict on one training from (n,) or (n, n_sections) values of the trained and of the
    untrained network; `rule` is `ABOVE` or (low, high), within which all sections must lie."""
    if rule == ABOVE:
        _, low, high = bootstrap_mean(values - control)
        return "confirmed" if low > 0 else "refuted" if high <= 0 else "undecided"
    intervals = np.transpose(bootstrap_mean(values)).reshape(-1, 3)
    found = {within(interval, rule) for interval in intervals}
    return next(v for v in ("refuted", "undecided", "confirmed") if v in found)


def together(found):
    """Verdict on a size from those on its trainings: theirs if all agree, else "undecided"."""
    found = set(found)
    return found.pop() if len(found) == 1 else "undecided"


def spread_text(values):
    """ "mean [95 % interval] (lowest to highest training)" of (n,) values, one of a training."""
    means, low, high = np.transpose([bootstrap_mean(v) for v in values])
    return error_text(means, (high - low).mean() / 2)


def error_text(means, half_width):
    """`spread_text` of means; digits are those that the error leaves, three at most."""
    digits = int(np.clip(1 - np.floor(np.log10(max(half_width, 1e-3))), 0, 3))
    mean = np.mean(means)
    text = with_interval(mean, mean - half_width, mean + half_width, digits)
    return with_range(text, means, digits, equal=True)


def verdicts(results, weighted=False):
    """Each claim about attention, judged for each size by a rule; with `weighted`, of norm-weighted
    attention. "trainings" says in how many of them the claim is confirmed."""
    rows = {}
    for claim, (measure, rule, normed) in CLAIMS.items():
        measure = normed if weighted else measure
        for size, trainings in results.items() if measure else ():
            trained, control = (
                values_of(trainings, which, "each", measure) for which in ("trained", "untrained")
            )
            found = [judge(*pair, rule) for pair in zip(trained, control, strict=True)]
            rows[claim, label(size, trainings)] = {
                "measured": spread_text(map(most_leaning, trained)),
                "untrained": spread_text(map(most_leaning, control)),
                "trainings": f"{found.count('confirmed')} of {len(found)}",
                "verdict": together(found),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["claim", "model"])


def most_leaning(values):
    """Of measures with one value for each sub-section, (n, n_sections), the one that leans most."""
    if values.ndim == 1:
        return values
    return values[:, np.abs(values.mean(axis=0)).argmax()]


def lost(trainings, part, order, n_removed):
    """Probability of the true state lost beyond that lost with random frames, (n,) by training."""
    numbers = list(next(iter(trainings.values()))["settings"]["n_removed"])
    k = 1 + numbers.index(n_removed)
    chosen, random = (values_of(trainings, part, which) for which in (order, "random"))
    return [r[:, k] - c[:, k] for c, r in zip(chosen, random, strict=True)]


def suffers(results, part, order, n_removed):
    """Verdict, by size, on whether the answer suffers more from chosen frames than random ones."""
    return {
        label(size, trainings): together(
            judge(values, 0.0, ABOVE) for values in lost(trainings, part, order, n_removed)
        )
        for size, trainings in results.items()
    }
