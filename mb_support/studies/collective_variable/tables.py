"""The collective variable chapter's tables and verdicts, from what `study` kept."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ...files import paths
from ...model.inference import load_checkpoint, weights_digest
from ...training.recipes import N_SEEDS
from ..measured import load_part
from .scores import REGIONS, Bootstrap, calibration_curve

FOLDER = paths.RESULTS / "collective_variable"
RECORDS = paths.RESULTS / "trainings"
UNTRAINED = "untrained-"
#: Baselines that find a variable, or a committor, from trajectories alone.
SIMPLE = ("PCA", "TICA", "VAMPNet", "Markov model")
SHUFFLED, IDEAL, CONSTANT = "shuffled committor", "best possible", "a constant"
BARE_STATE = "state of the first frame"
CLASSIFIER_EDGES = np.linspace(0, 1, 9)

#: What regions are called in tables and sentences.
REGION_NAMES = {
    "transition": "transition region",
    "boltzmann": "all frames",
    "even": "even in q",
}


# ---- what was kept --------------------------------------------------------------------------


def training_names(size, records=RECORDS):
    """Names of the finished trainings of a size's recipe, those that have a record, by seed."""
    names = [f"{size}-{seed}" for seed in range(N_SEEDS[size])]
    names = [name for name in names if (records / f"{name}.json").exists()]
    if not names:
        raise ValueError(f"no training of size {size!r} has a record in {records}")
    return names


def part_names(sizes, records=RECORDS):
    """All parts of the study for some sizes, in the order of their making."""
    trained = [name for size in sizes for name in training_names(size, records)]
    return ["baselines", "ideal", *trained, *(UNTRAINED + name for name in trained)]


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


def load_all(sizes, folder=FOLDER, checkpoints=paths.CHECKPOINTS, records=RECORDS):
    """The `Kept` results for some sizes: of every finished training, and of every control.

    It is a `ValueError` if a part is missing or has other settings than the rest, or a checkpoint
    is of none of the trainings: what is there is not shown in place of what is not.
    """
    parts = {p: load_part(p, folder, "collective_variable") for p in part_names(sizes, records)}
    for part, record in parts.items():
        if record["settings"] != parts["baselines"]["settings"]:
            raise ValueError(
                f"results of {part!r} were made with other settings than the baselines: run "
                "python -m mb_support.studies collective_variable"
            )
    names = {size: training_names(size, records) for size in sizes}
    trained = {size: [parts[name] for name in names[size]] for size in sizes}
    for size, found in trained.items():
        digest = weights_digest(load_checkpoint(size, checkpoints))
        if digest not in [record["weights"] for record in found]:
            raise ValueError(
                f"no kept training of size {size!r} has the weights of the checkpoint: run "
                "python -m mb_support.studies collective_variable"
            )
    untrained = {size: [parts[UNTRAINED + name] for name in names[size]] for size in sizes}
    return Kept(parts["baselines"], parts["ideal"], trained, untrained)


# ---- tables and curves ----------------------------------------------------------------------


def errors(kept, region, view="standardised"):
    """Root mean square error of every method in a region, as {name: Estimate}."""
    bootstrap = kept.bootstraps[region]
    return {
        name: bootstrap.error(method.squares(region)) for name, method in kept.methods(view).items()
    }


def scatter(values, digits):
    """Least and greatest of several trainings, as " (0.10 to 0.13)"; nothing for one."""
    low, high = min(values), max(values)
    return f" ({low:.{digits}f} to {high:.{digits}f})" if len(values) > 1 else ""


def spread(values, digits=2):
    """Values of single trainings as "0.12 (0.10 to 0.13)": mean, least and greatest."""
    return f"{np.mean(values):.{digits}f}" + scatter(values, digits)


def score_table(kept, view="standardised", constants=None):
    """Number of trainings, errors and rank correlation of every method of a view, as text.

    `constants` are errors of the best constant in each region, for a last row.
    """
    methods = kept.methods(view)
    table = pd.DataFrame(
        {
            "trainings": {name: len(m.reports) if m.size else "" for name, m in methods.items()},
            **{
                words: {n: e.text() + scatter(e.trainings, 3) for n, e in found.items()}
                for words, found in (
                    (words, errors(kept, region, view)) for region, words in REGION_NAMES.items()
                )
            },
            "rank": {
                name: spread([report["rank"][0] for report in method.reports])
                for name, method in methods.items()
            },
        }
    )
    if constants:
        exact = {words: f"{constants[region]:.3f}" for region, words in REGION_NAMES.items()}
        table.loc[CONSTANT] = exact | {"trainings": "", "rank": ""}
    return table if view == "standardised" else table.drop(columns="trainings")


def listed(estimates, names, digits=3):
    """Estimates of some names in a line: "small 0.123 [0.110, 0.131], n = 5; large ..."."""
    return "; ".join(
        f"{name} {estimates[name].text(digits)}, n = {len(estimates[name].trainings)}"
        for name in names
    )


def layer_table(kept):
    """The layer that validation chose for each training, 0 being the embedding, by size."""
    return pd.DataFrame(
        {
            kind: {size: ", ".join(str(part["layer"]) for part in parts[size]) for size in parts}
            for kind, parts in (("trained", kept.trained), ("untrained", kept.untrained))
        }
    )


def layer_curves(kept, quantity):
    """One of `cv_scores.REGIONS`, or "position", by layer, for each size.

    (n_layers + 1, 3) arrays: mean over trainings, least and greatest.
    """
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
    return first["committor"], predicted, first["state"]


def classifier_curves(kept, edges=CLASSIFIER_EDGES):
    """Mean probability of B in bins of q, by size; "share in basin B" is that of the starts."""
    committor, predicted, state = _classified(kept)
    equal = np.ones(len(committor))
    return {
        name: mean_curve([calibration_curve(p, committor, equal, edges) for p in found])
        for name, found in (predicted | {"share in basin B": [state]}).items()
    }


def classifier_ranks(kept):
    """Rank correlations with q of the classifier's probability, by size, and of the bare state.

    A tuple each, with a value for each training.
    """
    committor, predicted, state = _classified(kept)
    return {
        name: tuple(float(spearmanr(p, committor)[0]) for p in found)
        for name, found in (predicted | {BARE_STATE: [state]}).items()
    }


def classifier_table(kept):
    """`classifier_ranks` as text, with the number of starts and of trainings."""
    rows = {
        name: {
            "starts": len(_classified(kept)[0]),
            "trainings": "" if name == BARE_STATE else len(values),
            "rank correlation with q": spread(values),
        }
        for name, values in classifier_ranks(kept).items()
    }
    return pd.DataFrame(rows).T


# ---- verdicts -------------------------------------------------------------------------------


def compare(kept):
    """Error of each size's probe minus that of each rival, {(size, rival, region): Estimate}.

    The rivals: "untrained" and "shuffled committor", training by training; "simple", the best of
    `SIMPLE` by validation; each of `Kept.trees`; and "best possible". `Estimate.verdict` says which
    error is lower.
    """
    methods, bootstraps = kept.methods(), kept.bootstraps
    rivals = {
        "untrained": {size: methods[f"{size}, untrained"] for size in kept.sizes},
        SHUFFLED: {size: methods[f"{size}, {SHUFFLED}"] for size in kept.sizes},
        "simple": dict.fromkeys(kept.sizes, methods[kept.best_simple()]),
        **{name: dict.fromkeys(kept.sizes, methods[name]) for name in kept.trees()},
        IDEAL: dict.fromkeys(kept.sizes, methods[IDEAL]),
    }
    found = {}
    for rival, of_size in rivals.items():
        for region, bootstrap in bootstraps.items():
            ours = {size: methods[size].squares(region) for size in kept.sizes}
            theirs = {size: method.squares(region) for size, method in of_size.items()}
            for size, estimate in bootstrap.differences(ours, theirs).items():
                found[size, rival, region] = estimate
    return {key: found[key] for size in kept.sizes for key in found if key[0] == size}


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
    return "; ".join(f"{s} ({', '.join(found[s])})" for s in sizes if s in found) or "none"


def shares_known(kept, region, constants):
    """How much of what can be known each size's probe knows: 0 like a constant, 1 like the best.

    An `Estimate` for each size; `constants` are errors of the best constant in each region.
    """
    methods = kept.methods()
    ours = {size: methods[size].squares(region) for size in kept.sizes}
    best = methods[IDEAL].squares(region)
    return kept.bootstraps[region].shares_known(ours, constants[region] ** 2, best)


def classifier_verdict(kept):
    """Sizes whose classifier follows q more closely than the bare state, in every training."""
    ranks = classifier_ranks(kept)
    bare = ranks[BARE_STATE][0]
    return ", ".join(size for size in kept.sizes if min(ranks[size]) > bare) or "none"


def findings(kept, constants):
    """Numbers and words that the chapter's sentences quote, by name."""
    found = {region: errors(kept, region) for region in REGIONS}
    trees, simple, raw_simple = kept.trees(), kept.best_simple(), kept.best_simple("raw")
    raw, comparisons = errors(kept, "transition", "raw"), compare(kept)
    numbers = {
        "ideal_transition": found["transition"][IDEAL].value,
        "ideal_even": found["even"][IDEAL].value,
        "trees_transition": found["transition"][trees[0]].value,
        "constant_transition": constants["transition"],
        "constant_even": constants["even"],
        "baseline_name": simple,
        "raw_baseline_name": raw_simple,
        "raw_baseline_transition": raw[raw_simple].value,
        "raw_radial_transition": raw["radial functions of x, y"].value,
        "n_more": kept.baselines["settings"]["n_trees"],
        "n_scored": kept.baselines["settings"]["n_scored"],
        "share": 100 * kept.baselines["share_in_transition"],
    }
    untrained = [f"{size}, untrained" for size in kept.sizes]
    for region in REGIONS:
        numbers[f"trained_{region}"] = listed(found[region], kept.sizes)
        numbers[f"untrained_{region}"] = listed(found[region], untrained)
        numbers[f"share_{region}"] = listed(shares_known(kept, region, constants), kept.sizes, 2)
    rivals = {"untrained": "untrained", "simple": "simple", "ideal": IDEAL}
    rivals |= {"trees": trees[0], "many_trees": trees[-1]}
    for key, rival in rivals.items():
        for verdict in ("lower", "higher", "undecided"):
            numbers[f"{verdict}_than_{key}"] = who(comparisons, rival, verdict)
    return numbers
