"""What the trainings say together of attention: verdicts on claims, tables, words for the prose.

A training is judged by its 95% bootstrap interval over trajectories, a size by its trainings: a
claim is confirmed, or refuted, if it is in every one of them. Where a size has one training there
is no range over trainings; every table says how many there are. `results` are throughout those of
`study.load_results`, `trainings` those of one size.
"""

import numpy as np
import pandas as pd

from ...statistics import bootstrap_mean, rank_correlation, verdicts_in_words
from .measures import KEY_FRACTION, MEASURES, mean_distance

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
#: Experiments on frames: keys of what is kept.
EXPERIMENTS = {"removed": "removed", "unread": "not read"}
#: Frames removed, or left unread, where one number is asked for.
N_REMOVED = 50
#: Measures that the prose cites, trained and untrained.
_CITED = ("share", "readers", "few", "columns", "sides", "blocks", "own_state", "state_heads")


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
    """Verdict on one training: "confirmed", "refuted" or "undecided".

    `values` and `control` are (n,) or (n, n_sections), of the trained and of the untrained network
    on the same trajectories; `rule` is `ABOVE` or (low, high), within which all sections must lie.
    """
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


def spread(values):
    """Means of the trainings, and their half-width over trajectories, of (n,) arrays, one each."""
    mean, low, high = np.transpose([bootstrap_mean(v) for v in values])
    return mean, (high - low).mean() / 2


def spread_text(means, half_width):
    """ "mean ± over trajectories (lowest to highest training)"; without range if there is one.

    Digits are those that the error over trajectories leaves, three at most.
    """
    digits = int(np.clip(1 - np.floor(np.log10(max(half_width, 1e-3))), 0, 3))
    text = f"{np.mean(means):.{digits}f} ± {half_width:.{digits}f}"
    if len(means) == 1:
        return text
    return f"{text} ({np.min(means):.{digits}f} to {np.max(means):.{digits}f})"


def range_text(means, digits=2):
    """ "mean (lowest to highest training)", or "mean (1 seed)"."""
    low, high = (f"{value:.{digits}f}" for value in (np.min(means), np.max(means)))
    return f"{np.mean(means):.{digits}f} ({f'{low} to {high}' if len(means) > 1 else '1 seed'})"


def interval_text(interval, digits=2):
    """ "mean [low, high]", rounded."""
    mean, low, high = (f"{value:.{digits}f}" for value in interval)
    return f"{mean} [{low}, {high}]"


def mean_of(trainings, measure, which="trained"):
    """A measure of the trainings of one size: mean over trainings and trajectories."""
    return float(np.mean([np.nanmean(v) for v in values_of(trainings, which, "each", measure)]))


def in_words(results, *keys, digits=2):
    """Means of the values at nested keys: "small 0.08 (0.07 to 0.10), large 0.15 (1 seed)"."""
    return ", ".join(
        f"{size} {range_text([np.nanmean(v) for v in values_of(trainings, *keys)], digits)}"
        for size, trainings in results.items()
    )


def verdicts(results, weighted=False):
    """Each claim about attention, judged for each size by a rule.

    Of norm-weighted attention, if `weighted`, and the claims that can be put to it. By claim and
    size; columns "measured" and "untrained" (both as `spread_text`), "trainings" (in how many of
    them the claim is confirmed) and "verdict".
    """
    rows = {}
    for claim, (measure, rule, normed) in CLAIMS.items():
        measure = normed if weighted else measure
        for size, trainings in results.items() if measure else ():
            trained, control = (
                values_of(trainings, which, "each", measure) for which in ("trained", "untrained")
            )
            found = [judge(*pair, rule) for pair in zip(trained, control, strict=True)]
            rows[claim, label(size, trainings)] = {
                "measured": spread_text(*spread(map(_most_leaning, trained))),
                "untrained": spread_text(*spread(map(_most_leaning, control))),
                "trainings": f"{found.count('confirmed')} of {len(found)}",
                "verdict": together(found),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["claim", "model"])


def _most_leaning(values):
    # of measures with one value for each sub-section: the section that leans most
    if values.ndim == 1:
        return values
    return values[:, np.abs(values.mean(axis=0)).argmax()]


def claims_in_words(table):
    """{claim: "confirmed: small (5 seeds); undecided: large (1 seed)"} of a table of `verdicts`."""
    return {
        claim: verdicts_in_words(rows.droplevel("claim")["verdict"])
        for claim, rows in table.groupby(level="claim", sort=False)
    }


def measure_table(results, names):
    """Measures of every size, trained and untrained; `names` are keys of `MEASURES`."""
    rows = {
        (MEASURES[name], label(size, trainings)): {
            which: spread_text(*spread(values_of(trainings, which, "each", name)))
            for which in ("trained", "untrained")
        }
        for name in names
        for size, trainings in results.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["measure", "model"])


def section_table(trainings, section):
    """Mean time difference in each sub-section, in frames, and whether it is "alike".

    A column for each training of one size, with its interval over trajectories.
    """
    columns = {}
    moments = values_of(trainings, "trained", "each", "moments")
    for name, values in zip(trainings, moments, strict=True):
        columns[name] = [
            f"{interval_text(interval * mean_distance(section), 1)} {within(interval, EQUAL_SIDES)}"
            for interval in np.transpose(bootstrap_mean(values))
        ]
    n_sections = len(columns[name])
    index = [f"{k * section} to {(k + 1) * section - 1}" for k in range(n_sections)]
    return pd.DataFrame(columns, index=index).rename_axis("frames")


def extreme_heads(results, names, which="trained"):
    """The heads that stand out, a row for each training; `names` of `EXTREME_HEADS`.

    Cells "layer.head: mean [low, high]", measured on trajectories that did not choose the head.
    """
    rows = {}
    for name, kept in ((n, k) for trainings in results.values() for n, k in trainings.items()):
        heads = {key: kept[which]["extreme"][key] for key in names}
        rows[name] = {
            key: f"{h['layer']}.{h['head']}: "
            + interval_text(bootstrap_mean(np.array(h["values"], float)))
            for key, h in heads.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def trainings_with(results, name, least=0.5):
    """In how many trainings a head of `EXTREME_HEADS` has a mean of `least` or more.

    On trajectories that did not choose it: "small 2 of 5, medium 3 of 3".
    """
    counts = []
    for size, trainings in results.items():
        means = [v.mean() for v in values_of(trainings, "trained", "extreme", name, "values")]
        counts.append(f"{size} {sum(mean >= least for mean in means)} of {len(means)}")
    return ", ".join(counts)


def targets_of_heads(results):
    """Frames attended to by each head, (layers, heads) by training, and of one untrained a size."""
    keys, found = ("heads", "head_targets"), {}
    for size, trainings in results.items():
        found |= zip(trainings, values_of(trainings, "trained", *keys), strict=True)
        found[f"{size} untrained"] = values_of(trainings, "untrained", *keys)[0]
    return found


def intervals(results, *keys):
    """{training: (mean, low, high)} over trajectories of the values at nested keys.

    If the first key is "trained", "small untrained" is the mean over the trainings' starts.
    """
    found = {}
    for size, trainings in results.items():
        found |= zip(trainings, map(bootstrap_mean, values_of(trainings, *keys)), strict=True)
        if keys[0] == "trained":
            control = values_of(trainings, "untrained", *keys[1:])
            found[f"{size} untrained"] = bootstrap_mean(np.mean(control, axis=0))
    return found


def bands(results, profile):
    """Means of a profile ("profile", "section_profiles", "lorenz") with 1.96 standard errors.

    Over trajectories: (mean, low, high) by training, "small-0 untrained" first, then "small-0".
    """
    found = {}
    for suffix, which in ((" untrained", "untrained"), ("", "trained")):
        for trainings in results.values():
            mean, error = (
                values_of(trainings, which, "means", profile, key) for key in ("mean", "se")
            )
            for name, m, e in zip(trainings, mean, error, strict=True):
                found[name + suffix] = m, m - 1.96 * e, m + 1.96 * e
    return found


def experiment_curves(results):
    """Probability of the true state by the number of frames removed, or left unread, none first.

    By experiment and size, then by which frames: (mean, low, high), mean over trainings and
    interval over trajectories.
    """
    return {
        (name, label(size, trainings)): {
            order: bootstrap_mean(np.mean(values_of(trainings, part, order), axis=0))
            for order in next(iter(trainings.values()))[part]
        }
        for part, name in EXPERIMENTS.items()
        for size, trainings in results.items()
    }


def _lost(trainings, part, order, n_removed):
    # probability of the true state lost beyond that lost with random frames, (n,) by training
    numbers = list(next(iter(trainings.values()))["settings"]["n_removed"])
    k = 1 + numbers.index(n_removed)
    chosen, random = (values_of(trainings, part, which) for which in (order, "random"))
    return [r[:, k] - c[:, k] for c, r in zip(chosen, random, strict=True)]


def experiment_costs(results):
    """Probability of the true state lost with chosen frames beyond that lost with random ones.

    Paired by trajectory; a column for each size, cells as `spread_text`.
    """
    columns = {}
    for size, trainings in results.items():
        kept = next(iter(trainings.values()))
        columns[label(size, trainings)] = pd.Series(
            {
                (order, name, n): spread_text(*spread(_lost(trainings, part, order, n)))
                for part, name in EXPERIMENTS.items()
                for order in kept[part]
                if order != "random"
                for n in kept["settings"]["n_removed"]
            }
        )
    return pd.DataFrame(columns).rename_axis(["frames", "experiment", "number"])


def suffers(results, part, order, n_removed):
    """Verdict, by size, on whether the answer suffers more from chosen frames than random ones."""
    return {
        label(size, trainings): together(
            judge(lost, 0.0, ABOVE) for lost in _lost(trainings, part, order, n_removed)
        )
        for size, trainings in results.items()
    }


def layer_table(results):
    """Increase of both losses when the attention of a layer is silenced, as `spread_text`."""
    columns = {}
    for size, trainings in results.items():
        means, errors = (values_of(trainings, "layers", key) for key in ("mean", "se"))
        half_widths = 1.96 * np.mean(errors, axis=0)  # (2, layers)
        for k, loss in enumerate(("frame", "state")):
            cells = list(map(spread_text, np.transpose(means)[:, k], half_widths[k]))
            index = range(1, 1 + len(cells))
            columns[label(size, trainings), loss] = pd.Series(cells, index)
    return pd.DataFrame(columns).fillna("").rename_axis(index="layer")


def head_correlations(trainings):
    """What predicts the size of the effect on the cross-entropy of silencing a head.

    Rank correlations over heads, one for each training of the small model: with its first-order
    prediction ("slope"), with how few frames a head attends to ("few"), and with the norm of what
    it reads ("norm").
    """
    effects = [np.abs(v[1]).ravel() for v in values_of(trainings, "small_heads", "mean")]
    predictors = {
        "slope": values_of(trainings, "small_heads", "slope"),
        "few": [-v for v in values_of(trainings, "trained", "heads", "head_targets")],
        "norm": values_of(trainings, "trained", "heads", "head_norms"),
    }
    return {
        name: [rank_correlation(v.ravel(), e) for v, e in zip(values, effects, strict=True)]
        for name, values in predictors.items()
    }


def words(results):
    """What the prose of the chapter cites, by key: texts, and numbers of the settings."""
    small = next(iter(results.values()))
    first = next(iter(small.values()))
    settings = first["settings"]
    found = {
        "n": settings["n_trajectories"],
        "n_half": settings["n_trajectories"] // 2,
        "n_both": settings["n_both"],
        "n_frames": settings["n_frames"],
        "n_removed": N_REMOVED,
        "enrichment_limit": 1 / KEY_FRACTION,
        "mean_distance": mean_distance(settings["section"]),
        "seeds": ", ".join(f"{size} {len(trainings)}" for size, trainings in results.items()),
    }
    for claim, text in claims_in_words(verdicts(results)).items():
        found[f"verdicts_{claim.replace(' ', '_')}"] = text
    for measure in _CITED:
        found[f"{measure}_words"] = in_words(results, "trained", "each", measure)
        found[f"{measure}_untrained"] = in_words(results, "untrained", "each", measure)
    for key, which in (("fewest_small", "trained"), ("fewest_control", "untrained")):
        targets = values_of(small, which, "heads", "head_targets")
        found[key] = range_text([v.min() for v in targets], 0)
    for key in ("first", "next", "previous"):
        found[f"{key}_frame_heads"] = trainings_with(results, f"{key} frame")
    for pair in [pair for pair in first["agreement"] if pair.endswith("occlusion")]:
        key = pair.replace(" – ", "_").replace("-", "_")
        found[f"rho_{key}_words"] = in_words(results, "agreement", pair)
    for part in EXPERIMENTS:
        for order in ("most attended", "first"):
            text = verdicts_in_words(suffers(results, part, order, N_REMOVED))
            found[f"{part}_{order.replace(' ', '_')}"] = text
    for key, values in head_correlations(small).items():
        found[f"rho_{key}_ablation"] = range_text(values)
    return found
