"""The collective variable chapter's tables and verdicts, from what `cv_results` read."""

import numpy as np
import pandas as pd

from .cv_results import IDEAL, SHUFFLED
from .cv_scores import calibration_curve
from .readouts import weighted_spearman

CLASSIFIER_EDGES = np.linspace(0, 1, 9)

#: What regions are called in tables and sentences.
REGION_NAMES = {
    "transition": "transition region",
    "boltzmann": "all frames",
    "even": "even in q",
}


def errors(kept, region, view="standardised"):
    """Root mean square error of every method in a region, as {name: Estimate}."""
    bootstrap = kept.bootstraps[region]
    return {
        name: bootstrap.error(method.squares[region]) for name, method in kept.methods(view).items()
    }


def score_table(kept, view="standardised"):
    """Errors and rank correlations of every method, as text.

    Parameters
    ----------
    kept : Kept
    view : {"standardised", "raw"}

    Returns
    -------
    pandas.DataFrame
        A row for each method: number of trainings, RMSE in each region, rank correlation.
    """
    methods = kept.methods(view)
    columns = {"trainings": {n: len(m.rank) if m.size else "" for n, m in methods.items()}}
    for region, words in REGION_NAMES.items():
        found = errors(kept, region, view)
        columns[words] = {name: estimate.text() for name, estimate in found.items()}
    columns["rank"] = {name: spread(method.rank) for name, method in methods.items()}
    return pd.DataFrame(columns)


def spread(values, digits=2):
    """Values of single trainings as "0.12 (0.10 to 0.13)": mean, least and greatest."""
    text = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
    return text


def listed(estimates, names, digits=3):
    """Estimates of some names in a line: "small 0.123 [0.110, 0.131], large ..."."""
    words = []
    for name in names:
        found = estimates[name]
        words.append(f"{name} {found.value:.{digits}f} [{found.low:.{digits}f}, ")
        words[-1] += f"{found.high:.{digits}f}]"
    return ", ".join(words)


def best_size(kept):
    """The size whose probes have the least mean error on validation trajectories."""
    means = {
        size: np.mean([part["probe"]["validation"] for part in parts])
        for size, parts in kept.trained.items()
    }
    return min(means, key=means.get)


def layer_table(kept):
    """The layer that validation chose for each training, 0 being the embedding, by size."""
    rows = {
        (size, kind): ", ".join(str(part["layer"]) for part in parts[size])
        for kind, parts in (("trained", kept.trained), ("untrained", kept.untrained))
        for size in kept.sizes
    }
    return pd.Series(rows, name="layer").unstack()[["trained", "untrained"]].loc[list(kept.sizes)]


def layer_curves(kept, quantity):
    """A quantity by layer: mean over trainings, least and greatest.

    Parameters
    ----------
    kept : Kept
    quantity : str
        Of `cv_scores.REGIONS`, or "position".

    Returns
    -------
    dict of str to (n_layers + 1, 3) ndarray
        For each size.
    """
    curves = {}
    for size, parts in kept.trained.items():
        values = np.array([part["layers"][quantity] for part in parts])
        curves[size] = np.stack([values.mean(axis=0), values.min(axis=0), values.max(axis=0)], 1)
    return curves


def mean_curve(curves):
    """Mean of calibration curves over trainings, column by column; empty bins stay NaN."""
    return {
        key: np.array([[np.nan if v is None else v for v in c[key]] for c in curves], float)
        .mean(axis=0)
        .tolist()
        for key in curves[0]
    }


def classifier_curves(kept, edges=CLASSIFIER_EDGES):
    """Mean probability of B in bins of q, as `plot_calibration` draws it.

    Parameters
    ----------
    kept : Kept
    edges : (n_bins + 1,) array_like

    Returns
    -------
    dict of str to dict
        For each size, averaged over trainings; "share in basin B" is that of the starts.
    """
    curves = {}
    for size, parts in kept.trained.items():
        known = [part["classifier"] for part in parts]
        equal = np.ones(len(known[0]["committor"]))
        curves[size] = mean_curve(
            [calibration_curve(k["probability"], k["committor"], equal, edges) for k in known]
        )
    first = known[0]  # the same starts for all
    curves["share in basin B"] = calibration_curve(first["state"], first["committor"], equal, edges)
    return curves


def classifier_ranks(kept):
    """Rank correlation of the classifier's probability with q, and of the bare state with q.

    Returns
    -------
    dict of str to tuple of float
        For each size one for each training; "state of the first frame" has one.
    """
    ranks = {}
    for size, parts in kept.trained.items():
        known = [part["classifier"] for part in parts]
        ranks[size] = tuple(weighted_spearman(k["probability"], k["committor"]) for k in known)
    first = known[0]  # the same starts for all
    ranks["state of the first frame"] = (weighted_spearman(first["state"], first["committor"]),)
    return ranks


# ---- verdicts -------------------------------------------------------------------------------


def compare(kept):
    """Error of each size's probe minus that of each rival, over trajectories and trainings.

    Parameters
    ----------
    kept : Kept

    Returns
    -------
    dict of (str, str, str) to Estimate
        By size, rival and region. The rivals: "untrained" and "shuffled committor", training by
        training; "simple", the best of `SIMPLE` by validation; each of `Kept.trees`; and "best
        possible". `Estimate.verdict` says which error is lower.
    """
    methods = kept.methods()
    rivals = {
        "untrained": {size: methods[f"{size}, untrained"] for size in kept.sizes},
        SHUFFLED: {size: methods[f"{size}, {SHUFFLED}"] for size in kept.sizes},
        "simple": dict.fromkeys(kept.sizes, methods[kept.best_simple()]),
        **{name: dict.fromkeys(kept.sizes, methods[name]) for name in kept.trees()},
        IDEAL: dict.fromkeys(kept.sizes, methods[IDEAL]),
    }
    found = {}
    for region, bootstrap in kept.bootstraps.items():
        ours = {size: methods[size].squares[region] for size in kept.sizes}
        for rival, of_size in rivals.items():
            theirs = {size: method.squares[region] for size, method in of_size.items()}
            for size, estimate in bootstrap.differences(ours, theirs).items():
                found[size, rival, region] = estimate
    return {
        (size, rival, region): found[size, rival, region]
        for size in kept.sizes
        for rival in rivals
        for region in kept.bootstraps
    }


def verdict_table(comparisons):
    """Differences of `compare` with their verdicts, as text: rows size and rival."""
    rows = {}
    for (size, rival, region), estimate in comparisons.items():
        text = f"{estimate.verdict}: {estimate.value:+.3f} [{estimate.low:+.3f}, "
        rows.setdefault((size, rival), {})[REGION_NAMES[region]] = text + f"{estimate.high:+.3f}]"
    table = pd.DataFrame(rows).T[list(REGION_NAMES.values())]
    table.index.names = ["size", "compared with"]
    return table


def who(comparisons, rival, verdict, regions=("transition", "boltzmann", "even")):
    """Sizes and regions with a verdict against a rival, in words.

    Parameters
    ----------
    comparisons : dict
        From `compare`.
    rival : str
    verdict : {"lower", "higher", "undecided"}
    regions : sequence of str

    Returns
    -------
    str
        Such as "small (all frames); large (transition region, all frames)", or "none".

    Raises
    ------
    ValueError
        If nothing was compared with that rival.
    """
    if not any(r == rival for _, r, _ in comparisons):
        raise ValueError(f"nothing was compared with {rival!r}")
    found = {}
    for region in regions:
        for (size, other, where), estimate in comparisons.items():
            if (other, where) == (rival, region) and estimate.verdict == verdict:
                found.setdefault(size, []).append(REGION_NAMES[region])
    sizes = dict.fromkeys(size for size, _, _ in comparisons)
    words = [f"{size} ({', '.join(found[size])})" for size in sizes if size in found]
    return "; ".join(words) or "none"


def shares_known(kept, region):
    """How much of what can be known each size's probe knows: 0 like its shuffled twin, 1 the best.

    Returns
    -------
    dict of str to Estimate
    """
    methods = kept.methods()
    ours = {size: methods[size].squares[region] for size in kept.sizes}
    chance = {size: methods[f"{size}, {SHUFFLED}"].squares[region] for size in kept.sizes}
    best = methods[IDEAL].squares[region]
    return kept.bootstraps[region].shares_known(ours, chance, best)


def classifier_verdict(kept):
    """Sizes whose classifier follows q more closely than the bare state, in every training.

    Returns
    -------
    str
        Their names, or "none".
    """
    ranks = classifier_ranks(kept)
    bare = ranks["state of the first frame"][0]
    return ", ".join(size for size in kept.sizes if min(ranks[size]) > bare) or "none"
