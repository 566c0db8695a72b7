"""The comparison of collective variables in full, made once and kept.

``python -m mb_support.cv_study`` writes one file for each part to ``results/collective_variable``:
the baselines, the best that anyone could do, every training of the recipes and, as a control, the
random weights that each of them began with. A part whose file is there and was made with the same
settings and weights is not made again. The chapter reads these files.
"""

from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import torch

from . import paths
from .classification import predict_states
from .collective_variable import (
    ExactFields,
    encode_frames,
    exact_committor,
    is_in_transition,
    pick_frames,
)
from .cv_baselines import baselines
from .cv_ideal import best_committor
from .cv_results import FOLDER, UNTRAINED, part_names
from .cv_scores import (
    REGIONS,
    block_masses,
    calibration_curve,
    error_sums,
    rank_correlation,
)
from .datasets import family_seed, make_dataset, regime_settings
from .inference import weights_digest
from .memory import transition_points
from .model import SIZES, TrajectoryTransformer
from .observer import IdealObserver
from .readouts import fit_linear, fit_probe
from .records import keep, rounded, run_study
from .reference import GridSolver
from .simulation import simulate
from .states import assign_states
from .training.recipes import trainings
from .training.run import new_model

CALIBRATION_EDGES = np.linspace(0, 1, 11)


@dataclass(frozen=True)
class StudySettings:
    """What decides how the comparison goes.

    Parameters
    ----------
    n_train, n_validation, n_scored : int
        Trajectories on which read-outs are fitted, choices made, and everything scored.
    n_trees : int
        Trajectories that boosted trees are fitted to a second time, more than `n_train`.
    scored : str
        Family of the scored trajectories; another than "test" while the study is worked on.
    index : int
        Which set of each family: one that no other part of the book uses.
    shares : (float, float)
        Share of frames looked at, in transition and elsewhere.
    ridges : tuple of float
        Penalties among which validation chooses.
    n_blocks : int
        Blocks of scored trajectories that are resampled.
    n_classified : int
        Trajectories for the calibration of the classifier.
    regime : str
    grid_step : float
    """

    n_train: int = 300
    n_validation: int = 150
    n_scored: int = 400
    n_trees: int = 3000
    scored: str = "test"
    index: int = 600
    shares: tuple = (1.0, 0.03)
    ridges: tuple = (1.0, 10.0, 100.0)
    n_blocks: int = 80
    n_classified: int = 240
    regime: str = "metastable"
    grid_step: float = 0.02


class Study:
    """Data, exact answers and scores shared by all parts.

    Parameters
    ----------
    settings : StudySettings
    """

    def __init__(self, settings):
        self.settings = settings
        self.config = regime_settings(settings.regime)
        self.solver = GridSolver(self.config.beta, self.config.diffusion, settings.grid_step)
        self.fields = ExactFields(self.solver, self.config)
        self.sets, self.frames = {}, {}
        families = {
            "train": ("train", settings.index, settings.n_train),
            "validation": ("validation", settings.index, settings.n_validation),
            # a validation set of its own where that is what is scored
            "scored": (
                settings.scored,
                settings.index + (settings.scored == "validation"),
                settings.n_scored,
            ),
        }
        for name, (family, index, n) in families.items():
            self.sets[name] = make_dataset(n, family, index, settings.regime)
            self.frames[name] = pick_frames(
                self.fields, self.sets[name], family_seed(family, index), settings.shares
            )

    def facts(self):
        """Exact numbers, how much was looked at, and the weight of each block."""
        committor = exact_committor(self.solver)
        inside = is_in_transition(committor).astype(float)
        return {
            "share_in_transition": float(self.solver.average(inside)),
            "mean_committor": float(self.solver.average(committor)),
            "slowest_timescale": float(self.solver.implied_timescales(1)[0]),
            "n_frames": {name: len(frames) for name, frames in self.frames.items()},
            "n_in_transition": {n: int(f.in_transition.sum()) for n, f in self.frames.items()},
            "mass": _lists(block_masses(self.frames["scored"], self.settings.n_blocks)),
        }

    def report(self, predicted, validated, ranked=None):
        """What is kept of predictions for the scored frames.

        Parameters
        ----------
        predicted : (n_scored,) ndarray
        validated : (n_validation,) ndarray
            The same read-out for the validation frames.
        ranked : (n_scored,) ndarray, optional
            What is ranked instead: a monotone read-out makes ties that are no fault of the
            variable. Its sign does not count.

        Returns
        -------
        dict
        """
        frames = self.frames["scored"]
        rank = rank_correlation(predicted if ranked is None else ranked, frames)
        if ranked is not None and rank[0] < 0:
            rank = -rank[0], -rank[2], -rank[1]
        return {
            "squares": _lists(error_sums(predicted, frames, self.settings.n_blocks)),
            "validation": self.validation_error(validated),
            "rank": list(rank),
            "calibration": calibration_curve(
                predicted, frames.committor, frames.weights, CALIBRATION_EDGES
            ),
        }

    def validation_error(self, predicted):
        """Root mean square error on validation frames, with the weights of the fit."""
        frames = self.frames["validation"]
        return float(np.sqrt(frames.training_weights @ (predicted - frames.committor) ** 2))

    def best(self, candidates, predict):
        """Key of the candidate with the least error on validation frames."""
        errors = {key: self.validation_error(predict(c)) for key, c in candidates.items()}
        return min(errors, key=errors.get)

    def probe(self, features, order=None):
        """Fit a linear probe on training frames, its penalty chosen on validation frames.

        Parameters
        ----------
        features : dict of (n, n_features) ndarray
            For the picked frames of "train" and "validation".
        order : (n_train,) ndarray of int, optional
            Which frame's committor each training frame is told; by default its own.
        """
        frames = self.frames["train"]
        order = np.arange(len(frames)) if order is None else order
        told = frames.committor[order], frames.training_weights[order]
        probes = {
            ridge: fit_probe(features["train"], *told, ridge) for ridge in self.settings.ridges
        }
        return probes[self.best(probes, lambda probe: probe(features["validation"]))]

    def tell(self, name, report):
        """Print the main numbers of a report."""
        mass = block_masses(self.frames["scored"], self.settings.n_blocks)
        errors = [
            f"{region} {np.sqrt(sum(report['squares'][region]) / mass[region].sum()):.4f}"
            for region in REGIONS
        ]
        print(f"{name}: {', '.join(errors)}, rank {report['rank'][0]:.3f}", flush=True)


def _lists(sums):
    return {region: rounded(values.tolist(), 4) for region, values in sums.items()}


# ---- transformers ---------------------------------------------------------------------------


def model_part(study, model, name):
    """Probes of every layer, and what is kept of the one that validation chooses."""
    encodings = {
        family: encode_frames(model, data.trajectories, *_places(study.frames[family]))
        for family, data in study.sets.items()
    }
    layers, probes = {key: [] for key in ("validation", *REGIONS, "position")}, []
    mass = block_masses(study.frames["scored"], study.settings.n_blocks)
    for layer in range(encodings["train"].shape[1]):
        features = {family: values[:, layer] for family, values in encodings.items()}
        probes.append(study.probe(features))
        layers["validation"].append(study.validation_error(probes[-1](features["validation"])))
        sums = error_sums(
            probes[-1](features["scored"]), study.frames["scored"], study.settings.n_blocks
        )
        for region in REGIONS:
            layers[region].append(float(np.sqrt(sums[region].sum() / mass[region].sum())))
        locate = fit_linear(features["train"], study.frames["train"].positions)
        layers["position"].append(_position_error(study, locate(features["scored"])))
    layer = int(np.argmin(layers["validation"]))
    features = {family: values[:, layer] for family, values in encodings.items()}
    shuffled = study.probe(features, _shuffled(study))
    part = {"layers": layers, "layer": layer}
    for key, probe in (("probe", probes[layer]), ("shuffled", shuffled)):
        part[key] = study.report(*(probe(features[f]) for f in ("scored", "validation")))
        study.tell(f"{name}, layer {layer}, {key}", part[key])
    return part


def _places(frames):
    return frames.trajectory, frames.frame


def _shuffled(study):
    # a probe that is told the committor of another frame: what the probe makes of nothing
    generator = np.random.default_rng(family_seed("train", study.settings.index))
    return generator.permutation(len(study.frames["train"]))


def _position_error(study, located):
    frames = study.frames["scored"]
    miss = np.square(located - frames.positions).sum(axis=1)
    return float(np.sqrt(frames.weights @ miss))


def classifier_part(study, model):
    """The classifier's probability of B for trajectories that begin at points of known committor.

    Equally many starts from each eighth of the range 0.02 < q < 0.98, there with the Boltzmann
    density.
    """
    settings, edges = study.settings, np.linspace(0.02, 0.98, 9)
    committor = exact_committor(study.solver)
    generator = np.random.default_rng(family_seed(settings.scored, settings.index + 2))
    n = settings.n_classified // (len(edges) - 1)
    points = np.concatenate(
        [
            transition_points(study.solver, committor, n, generator, low, high)
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        ]
    )
    shown = simulate(study.config, points, family_seed(settings.scored, settings.index + 2))
    probability = predict_states(model, shown, progress=False)[1][:, 1]
    return {
        "committor": rounded(study.fields.committor(points).tolist(), 4),
        "state": assign_states(points).tolist(),
        "probability": rounded(probability.tolist(), 4),
    }


def ideal_part(study):
    """What the ideal observer makes of the scored frames: nobody can do better."""
    frames, n_blocks = study.frames["scored"], study.settings.n_blocks
    observer = IdealObserver(study.config)
    trajectories = study.sets["scored"].trajectories
    found = best_committor(observer, study.fields, trajectories, frames, progress=True)
    report = {
        "squares": _lists(error_sums(found, frames, n_blocks)),
        "rank": list(rank_correlation(found["transition"], frames)),
        "calibration": calibration_curve(
            found["fitted"], frames.committor, frames.weights, CALIBRATION_EDGES
        ),
        "position": _position_error(study, found["position"]),
        "effective_samples": float(np.nanmedian(found["effective_samples"])),
    }
    study.tell("ideal observer", report)
    return {"probe": report}


# ---- keeping it -----------------------------------------------------------------------------


def load_model(part, folder=paths.TRAININGS):
    """The model of a part: a training's, or, for "untrained-" and its name, what it began as.

    Parameters
    ----------
    part : str
    folder : Path
        Where the trainings lie.

    Returns
    -------
    TrajectoryTransformer

    Raises
    ------
    ValueError
        If there is no such training, or its weights are not there.
    """
    name = part.removeprefix(UNTRAINED)
    if name not in trainings():
        raise ValueError(f"no training is called {name!r}: choose one of {list(trainings())}")
    if part != name:
        with torch.random.fork_rng(devices=[]):
            return new_model(trainings()[name]).eval()
    weights = folder / name / "model"
    if not (weights / "model.safetensors").exists():
        raise ValueError(
            f"no weights in {weights}: make them with python -m mb_support.training --name {name}"
        )
    return TrajectoryTransformer.from_pretrained(weights).eval()


def make_part(study, part, folder=FOLDER, trained=paths.TRAININGS):
    """Make one part and write its file, unless it is there already.

    Parameters
    ----------
    study : Study
    part : str
        "baselines", "ideal", the name of a training, or "untrained-" and such a name.
    folder : Path
        Where results go.
    trained : Path
        Where the trainings lie.

    Raises
    ------
    ValueError
        As `load_model`.
    """
    makers = {
        "baselines": lambda: study.facts() | {"views": baselines(study)},
        "ideal": lambda: ideal_part(study),
    }
    model = None if part in makers else load_model(part, trained)

    def of_model():
        found = model_part(study, model, part)
        if not part.startswith(UNTRAINED):
            found["classifier"] = classifier_part(study, model)
        return found

    made_for = {
        "settings": asdict(study.settings),
        "weights": None if model is None else weights_digest(model),
    }
    packages = ("torch", "transformers", "deeptime", "scikit-learn")
    keep(folder / f"{part}.json", made_for, makers.get(part, of_model), packages)


def main(arguments=None):
    """Command line: see the module."""
    study = cache(lambda: Study(StudySettings()))  # not before it is needed: it simulates
    run_study(
        __doc__.splitlines()[0],
        lambda part: make_part(study(), part),
        part_names(SIZES),
        arguments,
    )


if __name__ == "__main__":
    main()
