"""The comparison of collective variables in full, made once and kept in results.

A file for each part: the baselines, the best that anyone could do, every training of the recipes
and, as a control, the random weights that it began with; and the committor from coordinates alone.
"""

from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from tqdm.auto import tqdm

from ...classification import predict_states
from ...datasets.sets import family_seed, make_dataset, regime_settings
from ...files.results import keep, rounded
from ...model.inference import weights_digest
from ...observer.ideal import IdealObserver, standardise
from ...reference.solver import GridSolver
from ...simulation.langevin import simulate
from ...states import assign_states
from ..kept_results import load_training, load_untrained, trained_names
from . import variational
from .baselines import baselines
from .frames import ExactFields, encode_frames, exact_committor, is_in_transition, pick_frames
from .past_windows import transition_points
from .readouts import fit_linear, fit_probe
from .scores import (
    REGIONS,
    block_masses,
    calibration_curve,
    error_sums,
    rank_correlation,
    region_factors,
)
from .tables import FOLDER, UNTRAINED

CALIBRATION_EDGES = np.linspace(0, 1, 11)


@dataclass(frozen=True)
class StudySettings:
    """What decides how the comparison goes."""

    n_train: int = 300  # trajectories on which read-outs are fitted,
    n_validation: int = 150  # choices made,
    n_scored: int = 400  # and everything scored
    n_trees: int = 3000  # to which boosted trees are fitted a second time, more than n_train
    scored: str = "test"  # family of the scored ones; another while the study is worked on
    index: int = 600  # which set of each family: one that no other part of the book uses
    shares: tuple = (1.0, 0.03)  # of frames looked at, where q is undecided and elsewhere
    ridges: tuple = (1.0, 10.0, 100.0)  # penalties among which validation chooses,
    rounds: tuple = (100, 300, 600, 1200)  # and numbers of boosted trees
    n_blocks: int = 80  # of scored trajectories, which are resampled
    n_classified: int = 240  # trajectories for the calibration of the classifier
    regime: str = "metastable"
    grid_step: float = 0.02


class Study:
    """Data, exact answers and scores shared by all parts, from `StudySettings`."""

    def __init__(self, settings):
        self.settings = settings
        self.config = regime_settings(settings.regime)
        self.solver = GridSolver(self.config.beta, self.config.diffusion, settings.grid_step)
        self.fields = ExactFields(self.solver, self.config)
        self.sets, self.frames = {}, {}
        # a validation set of its own where that is what is scored
        scored = settings.index + (settings.scored == "validation")
        for name, family, index, n in (
            ("train", "train", settings.index, settings.n_train),
            ("validation", "validation", settings.index, settings.n_validation),
            ("scored", settings.scored, scored, settings.n_scored),
        ):
            self.sets[name] = make_dataset(n, family, index, settings.regime)
            seed = family_seed(family, index)
            self.frames[name] = pick_frames(self.fields, self.sets[name], seed, settings.shares)
        self.mass = block_masses(self.frames["scored"], settings.n_blocks)

    def facts(self):
        """Exact numbers, how much was looked at, and the weight of each block."""
        inside = is_in_transition(exact_committor(self.solver)).astype(float)
        return {
            "share_in_transition": float(self.solver.average(inside)),
            "n_frames": {name: len(frames) for name, frames in self.frames.items()},
            "mass": rounded(self.mass, 4),
        }

    def report(self, predicted, validated, ranked=None):
        """What is kept of predictions for the scored and the validation frames. A monotone read-out
        makes ties that are no fault of its variable: then that is `ranked`, whatever its sign."""
        rank = rank_correlation(predicted if ranked is None else ranked, self.frames["scored"])
        rank = rank if ranked is None else abs(rank)
        return self.scores(predicted, predicted, rank) | {
            "validation": self.validation_error(validated)
        }

    def scores(self, by_region, predicted, rank):
        """Errors, rank and calibration of predictions for the scored frames, to be kept."""
        frames = self.frames["scored"]
        return {
            "squares": rounded(error_sums(by_region, frames, self.settings.n_blocks), 4),
            "rank": [rank],
            "calibration": calibration_curve(
                predicted, frames.committor, frames.weights, CALIBRATION_EDGES
            ),
        }

    def validation_error(self, predicted):
        """Root mean square error on validation frames, with the weights of the fit."""
        frames = self.frames["validation"]
        return float(np.sqrt(frames.training_weights @ (predicted - frames.committor) ** 2))

    def best(self, validated):
        """Key of the predictions for the validation frames that err least."""
        return min(validated, key=lambda key: self.validation_error(validated[key]))

    def probe(self, features, order=None):
        """Fit a linear probe on training frames, its penalty chosen on validation frames; `order`
        says which frame's committor each training frame is told, by default its own."""
        frames = self.frames["train"]
        order = np.arange(len(frames)) if order is None else order
        told = frames.committor[order], frames.training_weights[order]
        probes = {
            ridge: fit_probe(features["train"], *told, ridge) for ridge in self.settings.ridges
        }
        validated = {ridge: probe(features["validation"]) for ridge, probe in probes.items()}
        return probes[self.best(validated)]

    def trees(self, features, frames=None):
        """Report of boosted trees fitted to training frames, their number chosen on validation
        frames; `frames` are those of the training features, if they are not the study's own."""
        frames = frames or self.frames["train"]
        trees = HistGradientBoostingRegressor(
            max_iter=max(self.settings.rounds),
            learning_rate=0.06,
            l2_regularization=1.0,
            early_stopping=False,  # it would hold out frames of the same trajectories
            random_state=0,
        ).fit(
            features["train"],
            frames.committor,
            sample_weight=frames.training_weights * len(frames),
        )
        staged = {"validation": {}, "scored": {}}
        for family, kept in staged.items():
            for n, predicted in enumerate(trees.staged_predict(features[family]), start=1):
                if n in self.settings.rounds:
                    kept[n] = np.clip(predicted, 0, 1)
        n_trees = self.best(staged["validation"])
        report = self.report(staged["scored"][n_trees], staged["validation"][n_trees])
        return report | {"n_trees": n_trees, "n_frames": len(frames)}

    def position_error(self, located):
        """Root mean square distance of (n_scored, 2) positions from the true ones."""
        frames = self.frames["scored"]
        return float(np.sqrt(frames.weights @ np.square(located - frames.positions).sum(axis=1)))


# ---- transformers ---------------------------------------------------------------------------


def model_part(study, model):
    """Probes of every layer, and what is kept of the one that validation chooses, which boosted
    trees read, too."""
    encodings = {
        family: encode_frames(model, data.trajectories, frames.trajectory, frames.frame)
        for (family, data), frames in zip(study.sets.items(), study.frames.values(), strict=True)
    }
    layers, probes = {key: [] for key in ("validation", *REGIONS, "position")}, []
    for layer in range(encodings["train"].shape[1]):
        features = {family: values[:, layer] for family, values in encodings.items()}
        probe = study.probe(features)
        probes.append(probe)
        layers["validation"].append(study.validation_error(probe(features["validation"])))
        predicted = probe(features["scored"])
        sums = error_sums(predicted, study.frames["scored"], study.settings.n_blocks)
        for region in REGIONS:
            mean = np.sum(sums[region]) / study.mass[region].sum()
            layers[region].append(float(np.sqrt(mean)))
        locate = fit_linear(features["train"], study.frames["train"].positions)
        layers["position"].append(study.position_error(locate(features["scored"])))
    layer = int(np.argmin(layers["validation"]))
    features = {family: values[:, layer] for family, values in encodings.items()}
    # a probe that is told the committor of another frame: what the probe makes of nothing
    generator = np.random.default_rng(family_seed("train", study.settings.index))
    shuffled = study.probe(features, generator.permutation(len(study.frames["train"])))
    part = {"layers": layers, "layer": layer, "trees": study.trees(features)}
    for key, probe in (("probe", probes[layer]), ("shuffled", shuffled)):
        part[key] = study.report(*(probe(features[f]) for f in ("scored", "validation")))
    return part


def classifier_part(study, model):
    """The classifier's probability of B for trajectories that begin at points of known committor,
    equally many from each eighth of 0.02 < q < 0.98."""
    settings, edges = study.settings, np.linspace(0.02, 0.98, 9)
    committor = exact_committor(study.solver)
    seed = family_seed(settings.scored, settings.index + 2)
    generator = np.random.default_rng(seed)
    n = settings.n_classified // (len(edges) - 1)
    points = np.concatenate(
        [
            transition_points(study.solver, committor, n, generator, low, high)
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        ]
    )
    shown = simulate(study.config, points, seed)
    probability = predict_states(model, shown, progress=False)[1][:, 1]
    return {
        "committor": rounded(study.fields.committor(points), 4),
        "state": assign_states(points).tolist(),
        "probability": rounded(probability, 4),
    }


# ---- the best that anyone could do ------------------------------------------------------------


def best_committor(observer, fields, trajectories, frames, progress=False):
    """Posterior mean of the committor of frames, given their standardised trajectories.

    Samples of the shift and scale that were taken away say where every frame was. The mean of q,
    each with the weight with which a frame there is scored, has the least expected squared error:
    {name: (n,)} for each of `REGIONS` and "fitted"; and "position", (n, 2), and
    "effective_samples", (n_trajectories,), NaN where no frame was asked for.
    """
    standardised, _ = standardise(trajectories)
    factors = region_factors(frames)
    found = {name: np.empty(len(frames)) for name in factors}
    found["position"] = np.empty((len(frames), 2))
    found["effective_samples"] = np.full(len(standardised), np.nan)
    for number in tqdm(np.unique(frames.trajectory), "trajectories", disable=not progress):
        rows = np.flatnonzero(frames.trajectory == number)
        z = standardised[number]
        locations, weights = observer.sample_posterior(z, int(number))
        found["effective_samples"][number] = 1 / np.square(weights).sum()
        places = locations[:, None, :2] + np.exp(locations[:, None, 2:]) * z[frames.frame[rows]]
        committor = fields.committor(places)  # (samples, frames)
        density = weights[:, None] * fields.weight(places)
        for name, factor in factors.items():
            found[name][rows] = _mean(committor, density * factor(committor), weights)
        for axis in (0, 1):
            found["position"][rows, axis] = _mean(places[..., axis], density, weights)
    return found


def _mean(values, densities, weights):
    # a frame that no sample puts into a region has no weight there: then the plain mean
    total = densities.sum(axis=0)
    weighted = (densities * values).sum(axis=0) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, weighted, weights @ values)


def ideal_part(study, observer=None):
    """What the ideal observer makes of the scored frames: nobody can do better."""
    frames, trajectories = study.frames["scored"], study.sets["scored"].trajectories
    observer = observer or IdealObserver(study.config)
    found = best_committor(observer, study.fields, trajectories, frames, progress=True)
    rank = rank_correlation(found["transition"], frames)
    report = study.scores(found, found["fitted"], rank) | {
        "position": study.position_error(found["position"]),
        "effective_samples": float(np.nanmedian(found["effective_samples"])),
    }
    return {"probe": report}


# ---- keeping it -----------------------------------------------------------------------------


def load_model(part):
    """The model of a part: a training's, or, for "untrained-" and its name, what it began as."""
    if part.startswith(UNTRAINED):
        return load_untrained(part.removeprefix(UNTRAINED))
    return load_training(part)[0]


def make_part(study, part, folder=FOLDER, model=None):
    """Make a part of `parts` and keep it, unless it is there already."""
    makers = {
        "baselines": lambda: study.facts() | {"views": baselines(study)},
        "ideal": lambda: ideal_part(study),
    }
    if part not in makers:
        model = model or load_model(part)

    def of_model():
        found = model_part(study, model)
        if not part.startswith(UNTRAINED):
            found["classifier"] = classifier_part(study, model)
        return found

    made_for = {
        "settings": asdict(study.settings),
        "weights": None if model is None else weights_digest(model),
    }
    packages = ("torch", "transformers", "deeptime", "scikit-learn")
    keep(folder / f"{part}.json", made_for, makers.get(part, of_model), packages)


def parts():
    """{name: function that makes and keeps it}: baselines, the best possible, and the models."""
    study = cache(lambda: Study(StudySettings()))  # not before it is needed: it simulates
    names = trained_names()
    names = ["baselines", "ideal", *names, *(UNTRAINED + name for name in names)]
    made = {part: lambda part=part: make_part(study(), part) for part in names}
    return made | variational.parts()
