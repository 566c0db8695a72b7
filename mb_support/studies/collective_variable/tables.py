"""The collective variable chapter's tables and verdicts, from what `study` kept."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ...files import paths
from ...statistics import with_range
from ..kept_results import by_size, load_measured, load_part
from .scores import REGIONS, Bootstrap, calibration_curve

CHAPTER = "collective_variable"
FOLDER = paths.RESULTS / CHAPTER
UNTRAINED = "untrained-"
#: Baselines that find a variable, or a committor, from trajectories alone.
SIMPLE = ("PCA", "TICA", "VAMPNet", "Markov model")
SHUFFLED, IDEAL, CONSTANT = "shuffled committor", "best possible", "a constant"
#: Encodings read by boosted trees, and the features of the boosted trees read linearly.
BY_TREES, LINEAR_IN_FEATURES = "read by trees", "linear in hand-made features"
BARE_STATE = "state of the first frame"
CLASSIFIER_EDGES = np.linspace(0, 1, 9)
#: What regions are called in tables and sentences.
REGION_NAMES = {
    "transition": "transition region",
    "boltzmann": "all frames",
    "even": "equal weight at every q",
}


@dataclass(frozen=True)
class Method:
    """One way to read the committor, trained once or several times."""

    reports: list  # that the study kept, one for each training
    size: str | None = None  # of the model whose encodings are read
    is_trained: bool = False  # whether that model is

    def squares(self, region):
        """Sums of squared errors in a region, (n_trainings, n_blocks)."""
        return np.array([report["squares"][region] for report in self.reports])

    def calibration(self):
        """Mean of the calibration curves over trainings."""
        return mean_curve([report["calibration"] for report in self.reports])


@dataclass(frozen=True)
class Kept:
    """All kept results for some sizes: records of the parts of `study`."""

    baselines: dict
    ideal: dict
    trained: dict  # by size, a list with a record of each training,
    untrained: dict  # and of the weights that each of them began with

    @property
    def sizes(self):
        """Sizes of the models, in order."""
        return tuple(self.trained)

    @property
    def bootstraps(self):
        """A `Bootstrap` for each region."""
        return {region: Bootstrap(mass) for region, mass in self.baselines["mass"].items()}

    def methods(self, view="standardised"):
        """Every `Method` of a view, by name; models see standardised coordinates only."""
        found = {}
        if view == "standardised":
            found[IDEAL] = Method([self.ideal["probe"]])
            for end, kept, key, is_trained in (
                ("", self.trained, "probe", True),
                (", untrained", self.untrained, "probe", False),
                (f", {BY_TREES}", self.trained, "trees", True),
                (f", untrained, {BY_TREES}", self.untrained, "trees", False),
                (f", {SHUFFLED}", self.trained, "shuffled", False),
            ):
                for size, parts in kept.items():
                    found[size + end] = Method([part[key] for part in parts], size, is_trained)
        reports = self.baselines["views"][view]
        return found | {name: Method([report]) for name, report in reports.items()}

    def best_simple(self, view="standardised"):
        """The one of `SIMPLE` with the least error on validation trajectories."""
        reports = self.baselines["views"][view]
        return min((n for n in SIMPLE if n in reports), key=lambda n: reports[n]["validation"])

    def trees(self):
        """Names of the boosted trees, those that were told of fewer trajectories first."""
        return [n for n in self.baselines["views"]["standardised"] if n.startswith("boosted")]


def load_all(sizes, folder=FOLDER, checkpoints=paths.CHECKPOINTS):
    """The `Kept` results for some sizes, every training with its control, made with one setting."""
    measured = load_measured(sizes, folder, CHAPTER, checkpoints)
    trained = {size: list(kept.values()) for size, kept in measured.items()}
    untrained = {
        size: [load_part(f"{UNTRAINED}{size}-{seed}", folder, CHAPTER) for seed in kept]
        for size, kept in measured.items()
    }
    baselines, ideal = (load_part(part, folder, CHAPTER) for part in ("baselines", "ideal"))
    models = [part for kept in (trained, untrained) for parts in kept.values() for part in parts]
    if any(part["settings"] != baselines["settings"] for part in (ideal, *models)):
        raise ValueError(
            f"parts in {folder} were made with different settings: run "
            f"python -m mb_support.studies {CHAPTER}"
        )
    return Kept(baselines, ideal, trained, untrained)


# ---- tables and curves ----------------------------------------------------------------------


def numbers(kept):
    """How many trainings and trajectories there are, in a line."""
    made, n_frames = kept.baselines["settings"], kept.baselines["n_frames"]["scored"]
    trained = ", ".join(f"{size} {len(parts)}" for size, parts in kept.trained.items())
    sets = f"{made['n_train']} to fit on, {made['n_validation']} to choose on, {made['n_scored']}"
    return f"trainings: {trained}; trajectories: {sets} scored, {n_frames} frames of them"


def errors(kept, region, view="standardised"):
    """Root mean square error of every method in a region, as {name: Estimate}."""
    bootstrap = kept.bootstraps[region]
    return {
        name: bootstrap.error(method.squares(region)) for name, method in kept.methods(view).items()
    }


def spread(values):
    """Values of single trainings as "0.12 (0.10 to 0.13)": mean, least and greatest."""
    return with_range(f"{np.mean(values):.2f}", values, equal=True)


def score_table(kept, view="standardised", constants=None):
    """Errors and rank correlation of every method of a view, as text; with `constants`, the errors
    of the best constant in each region, a last row."""
    methods = kept.methods(view)
    columns = {"trainings": {n: len(m.reports) if m.size else "" for n, m in methods.items()}}
    for region, words in REGION_NAMES.items():
        found = errors(kept, region, view).items()
        columns[words] = {n: with_range(e.text(), e.trainings, 3, equal=True) for n, e in found}
    columns["rank"] = {n: spread([r["rank"][0] for r in m.reports]) for n, m in methods.items()}
    table = pd.DataFrame(columns)
    if constants:
        exact = {words: f"{constants[region]:.3f}" for region, words in REGION_NAMES.items()}
        table.loc[CONSTANT] = exact | {"trainings": "", "rank": ""}
    return table if view == "standardised" else table.drop(columns="trainings")


def layer_table(kept):
    """The layer that validation chose for each training, 0 being the embedding, by size."""
    chosen = {}
    for kind, found in (("trained", kept.trained), ("untrained", kept.untrained)):
        chosen[kind] = {s: ", ".join(str(p["layer"]) for p in parts) for s, parts in found.items()}
    return pd.DataFrame(chosen)


def layer_curves(kept, quantity):
    """A region's error, or that of "position", by layer: {size: (n_layers + 1, 3)}, mean over
    trainings, least and greatest."""
    curves = {}
    for size, parts in kept.trained.items():
        values = np.array([part["layers"][quantity] for part in parts])
        curves[size] = np.stack([values.mean(axis=0), values.min(axis=0), values.max(axis=0)], 1)
    return curves


def mean_curve(curves):
    """Mean of calibration curves over trainings, column by column; empty bins stay NaN."""
    return {
        key: np.array([c[key] for c in curves], dtype=float).mean(axis=0).tolist()
        for key in curves[0]
    }


def calibration_curves(kept):
    """Calibration of each size's probe, of trees told of most, and of the best possible."""
    methods = kept.methods()
    names = {size: size for size in kept.sizes}
    names |= {"boosted trees": kept.trees()[-1], IDEAL: IDEAL}
    return {shown: methods[name].calibration() for shown, name in names.items()}


def _classified(kept):
    # the committors of the starts, the same for all, and what is predicted of B, by name
    known = {size: [part["classifier"] for part in parts] for size, parts in kept.trained.items()}
    first = known[kept.sizes[0]][0]
    predicted = {size: [k["probability"] for k in found] for size, found in known.items()}
    return np.array(first["committor"]), predicted, first["state"]


def classifier_curves(kept, edges=CLASSIFIER_EDGES):
    """Mean probability of B in bins of q, by size; "share in basin B" is that of the starts."""
    committor, predicted, state = _classified(kept)
    equal = np.ones(len(committor))
    return {
        name: mean_curve([calibration_curve(p, committor, equal, edges) for p in found])
        for name, found in (predicted | {"share in basin B": [state]}).items()
    }


def classifier_table(kept):
    """Rank correlations with q of the classifier's probability, and whether it beats the bare state
    of the first frame: if it does in every training."""
    committor, predicted, state = _classified(kept)
    bare = float(spearmanr(state, committor)[0])
    rows = {}
    for name, found in predicted.items():
        ranks = [float(spearmanr(p, committor)[0]) for p in found]
        rows[name] = [len(ranks), spread(ranks), "yes" if min(ranks) > bare else "no"]
    rows[BARE_STATE] = ["", spread([bare]), ""]
    columns = ["trainings", "rank correlation with q", "above the state in every training"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.insert(0, "starts", len(committor))
    return table


# ---- verdicts -------------------------------------------------------------------------------


def compare(kept, constants):
    """Error of each size's probe minus that of each rival, {(size, rival, region): Estimate};
    controls training by training, "simple" is the best of `SIMPLE` by validation, and `constants`
    are the errors of the best constant in each region."""
    methods, sizes, found = kept.methods(), kept.sizes, {}
    rivals = {
        "untrained": {size: methods[f"{size}, untrained"] for size in sizes},
        SHUFFLED: {size: methods[f"{size}, {SHUFFLED}"] for size in sizes},
        "simple": dict.fromkeys(sizes, methods[kept.best_simple()]),
        **{
            name: dict.fromkeys(sizes, methods[name])
            for name in (LINEAR_IN_FEATURES, *kept.trees())
        },
        IDEAL: dict.fromkeys(sizes, methods[IDEAL]),
    }
    for region, bootstrap in kept.bootstraps.items():
        ours = {size: methods[size].squares(region) for size in sizes}
        for rival, of_size in rivals.items():
            theirs = {size: method.squares(region) for size, method in of_size.items()}
            found[rival, region] = bootstrap.differences(ours, theirs)
        flat = dict.fromkeys(sizes, bootstrap.constant(constants[region]))
        found[CONSTANT, region] = bootstrap.differences(ours, flat)
    return {key: found[key[1:]][key[0]] for key in product(sizes, (CONSTANT, *rivals), REGIONS)}


def verdict_table(comparisons):
    """Differences of `compare` with their verdicts, as text: rows size and rival."""
    rows = {}
    for (size, rival, region), estimate in comparisons.items():
        row = rows.setdefault((size, rival), {"trainings": len(estimate.trainings)})
        row[REGION_NAMES[region]] = f"{estimate.verdict}: {estimate.text(3, '+')}"
    table = pd.DataFrame(rows).T[["trainings", *REGION_NAMES.values()]]
    table.index.names = ["size", "compared with"]
    return table


def who(comparisons, rival, verdict):
    """Sizes and regions with a verdict against a rival: "small (all frames); ..." or "none"."""
    found = {}
    for region, words in REGION_NAMES.items():
        for (size, other, where), estimate in comparisons.items():
            if (other, where) == (rival, region) and estimate.verdict == verdict:
                found.setdefault(size, []).append(words)
    sizes = dict.fromkeys(size for size, _, _ in comparisons)
    everywhere = list(REGION_NAMES.values())
    words = {s: "everywhere" if f == everywhere else ", ".join(f) for s, f in found.items()}
    return "; ".join(f"{size} ({words[size]})" for size in sizes if size in words) or "none"


def summary_table(comparisons):
    """Where the probe's error is lower, higher or undecided, a row for each rival."""
    verdicts = ("lower", "higher", "undecided")
    rivals = dict.fromkeys(rival for _, rival, _ in comparisons)
    return pd.DataFrame(
        {f"error {v}": {rival: who(comparisons, rival, v) for rival in rivals} for v in verdicts}
    )


def shares_known(kept, region, constants):
    """How much of what can be known each size's probe knows, from 0 like a constant, whose errors
    are `constants`, to 1 like the best."""
    methods = kept.methods()
    ours = {size: methods[size].squares(region) for size in kept.sizes}
    best = methods[IDEAL].squares(region)
    return kept.bootstraps[region].shares_known(ours, constants[region] ** 2, best)


def share_table(kept, constants):
    """`shares_known` of all regions as text, and the errors of a constant and of the best."""
    columns = {}
    for region, words in REGION_NAMES.items():
        column = {s: e.text(2) for s, e in shares_known(kept, region, constants).items()}
        column["error of a constant"] = f"{constants[region]:.3f}"
        column["least possible error"] = errors(kept, region)[IDEAL].text()
        columns[words] = column
    return pd.DataFrame(columns)


def trees_against_untrained(kept):
    """Error in the transition region of trees that read encodings, minus theirs from the weights
    before training: {size: Estimate}."""
    methods, region = kept.methods(), "transition"
    ours, theirs = (
        {size: methods[f"{size}{which}, {BY_TREES}"].squares(region) for size in kept.sizes}
        for which in ("", ", untrained")
    )
    return kept.bootstraps[region].differences(ours, theirs)


def _listed(estimates, names):
    # "small 0.123 [0.110, 0.131], n = 5; large ..."
    return "; ".join(
        f"{name} {estimates[name].text()}, n = {len(estimates[name].trainings)}" for name in names
    )


def _sizes_listed(estimates, sizes, ending):
    # "small 0.123 [0.110, 0.131]; large ..." of one reading of every size
    return "; ".join(f"{size} {estimates[size + ending].text()}" for size in sizes)


def findings(kept, constants):
    """Numbers and words that sentences quote, by name."""
    found, comparisons = errors(kept, "transition"), compare(kept, constants)
    even = errors(kept, "even")
    raw, raw_simple = errors(kept, "transition", "raw"), kept.best_simple("raw")
    untrained = [f"{size}, untrained" for size in kept.sizes]
    numbers = by_size("error", {s: found[s].text() for s in kept.sizes})
    numbers |= by_size("untrained", {s: found[f"{s}, untrained"].text() for s in kept.sizes})
    numbers |= {
        "trained_transition": _listed(found, kept.sizes),
        "untrained_transition": _listed(found, untrained),
        "by_trees_transition": _sizes_listed(found, kept.sizes, f", {BY_TREES}"),
        "untrained_by_trees_transition": _sizes_listed(
            found, kept.sizes, f", untrained, {BY_TREES}"
        ),
        "trained_even": _sizes_listed(even, kept.sizes, ""),
        "constant_even": constants["even"],
        "features_transition": found[LINEAR_IN_FEATURES].value,
        "ideal_transition": found[IDEAL].value,
        "trees_transition": found[kept.trees()[0]].value,
        "constant_transition": constants["transition"],
        "baseline_name": kept.best_simple(),
        "raw_baseline_name": raw_simple,
        "raw_baseline_transition": raw[raw_simple].value,
        "raw_radial_transition": raw["radial functions of x, y"].value,
        "n_more": kept.baselines["settings"]["n_trees"],
        "n_scored": kept.baselines["settings"]["n_scored"],
        "share": 100 * kept.baselines["share_in_transition"],
    }
    by_trees = trees_against_untrained(kept)
    numbers["trained_read_by_trees"] = "; ".join(
        f"{size} {estimate.verdict} ({estimate.text(3, '+')})"
        for size, estimate in by_trees.items()
    )
    shares = shares_known(kept, "transition", constants)
    numbers["share_transition"] = "; ".join(f"{s} {e.text(2)}" for s, e in shares.items())
    rivals = {
        "constant": CONSTANT,
        "untrained": "untrained",
        "simple": "simple",
        "features": LINEAR_IN_FEATURES,
        "trees": kept.trees()[0],
        "ideal": IDEAL,
    }
    for key, rival in rivals.items():
        for verdict in ("lower", "higher", "undecided"):
            numbers[f"{verdict}_than_{key}"] = who(comparisons, rival, verdict)
    return numbers
