"""The comparison of collective variables in full, made once and kept.

``python -m mb_support.cv_study baselines small medium large`` writes one file for each part to
``results/collective_variable``; a part whose file is there and was made with the same settings
and weights is not made again. The chapter reads these files, and repeats a small part on fresh
trajectories.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch

from . import paths
from .classification import predict_states
from .collective_variable import (
    boltzmann_weight,
    calibration_curve,
    committor_scores,
    cut_windows,
    encode_frames,
    exact_committor,
    exact_vamp2,
    pick_frames,
    place_in_windows,
    vamp2_score,
)
from .cv_baselines import baselines
from .cv_results import FOLDER
from .datasets import family_seed, make_dataset
from .inference import checkpoint_sizes, load_checkpoint, weights_digest
from .memory import transition_points
from .model import TrajectoryConfig, TrajectoryTransformer
from .readouts import fit_linear, fit_probe
from .records import keep, run_study
from .reference import GridSolver
from .simulation import REGIMES, simulate
from .states import assign_states

CALIBRATION_EDGES = np.linspace(0, 1, 11)
#: Window in which dynamics is scored: two follow each other in a trajectory.
SCORED_WINDOW = 500


@dataclass(frozen=True)
class StudySettings:
    """What decides how the comparison goes.

    Parameters
    ----------
    n_train, n_validation, n_test : int
        Trajectories on which read-outs are fitted, choices made, and everything scored.
    window_lengths : tuple of int
        Windows shown to the models; the first is the main one, a whole trajectory, and one of
        them is `SCORED_WINDOW`.
    lag_time : int
        Frames, for the VAMP-2 score.
    shares : (float, float)
        Share of frames looked at, in transition and elsewhere.
    ridges : tuple of float
        Penalties among which validation chooses.
    n_classified : int
        Windows for the calibration of the classifier.
    regime : str
    grid_step : float
    """

    n_train: int = 400
    n_validation: int = 120
    n_test: int = 400
    window_lengths: tuple = (1000, 500, 250)
    lag_time: int = 100
    shares: tuple = (0.25, 0.02)
    ridges: tuple = (1.0, 10.0, 100.0)
    n_classified: int = 320
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
        self.config = REGIMES[settings.regime]
        self.solver = GridSolver(self.config.beta, self.config.diffusion, settings.grid_step)
        self.committor = exact_committor(self.solver)
        self.sets, self.frames = {}, {}
        sizes = {
            "train": settings.n_train,
            "validation": settings.n_validation,
            "test": settings.n_test,
        }
        for family, n in sizes.items():
            self.sets[family] = make_dataset(n, family, regime=settings.regime)
            self.frames[family] = pick_frames(
                self.solver, self.sets[family], family_seed(family), settings.shares
            )
        self.scored_window = SCORED_WINDOW
        lag, middle = settings.lag_time, SCORED_WINDOW
        self.pairs_now = np.arange(middle - lag, middle, 10)
        self.pair_weights = self._pair_weights()

    def exact(self):
        """Exact numbers that the scores are compared with."""
        lag = self.settings.lag_time * self.config.frame_time
        slowest = self.solver.implied_timescales(1)[0]
        inside = (self.committor > 0.1) & (self.committor < 0.9)
        return {
            "vamp2_bound": float(1 + np.exp(-2 * lag / slowest)),
            "vamp2_committor": exact_vamp2(self.solver, self.committor, lag),
            "vamp2_committor_sampled": self._sampled_committor_score(),
            "slowest_timescale": float(slowest),
            "lag": lag,
            "share_in_transition": float(self.solver.average(inside.astype(float))),
            "mean_committor": float(self.solver.average(self.committor)),
        }

    def _sampled_committor_score(self):
        # the exact committor on the same pairs: what sampling does to everyone's score
        trajectories = self.sets["test"].trajectories.astype(float)
        values = [
            self.solver.interpolate(self.committor, trajectories[:, frames], fill_value=0.5)
            for frames in (self.pairs_now, self.pairs_now + self.settings.lag_time)
        ]
        return self.vamp2(*values)

    def _pair_weights(self):
        first, last = int(self.pairs_now[0]), SCORED_WINDOW
        ratio = boltzmann_weight(self.solver, self.config, first, last)
        positions = self.sets["test"].trajectories[:, self.pairs_now].astype(float)
        return np.maximum(self.solver.interpolate(ratio, positions, fill_value=0.0), 0)

    def vamp2(self, now, later, n_bootstrap=200):
        """Score of a variable on pairs of test frames: (value, low, high).

        Parameters
        ----------
        now, later : (n_test, n_pairs) ndarray
            The variable at frames `pairs_now` and a lag later.
        """
        generator = np.random.default_rng(0)
        n = len(now)

        def score(chosen):
            arrays = (now[chosen].ravel(), later[chosen].ravel(), self.pair_weights[chosen].ravel())
            return vamp2_score(*arrays)

        value = score(np.arange(n))
        resampled = [score(generator.integers(n, size=n)) for _ in range(n_bootstrap)]
        return value, *np.quantile(resampled, [0.025, 0.975]).tolist()

    def windows(self, family, window_length):
        """Windows of a family's trajectories, and where its picked frames lie in them."""
        trajectories = self.sets[family].trajectories
        index = place_in_windows(self.frames[family], trajectories.shape[1], window_length)
        return cut_windows(trajectories, window_length), *index

    def report(self, predicted, variable=None):
        """Scores and calibration of predictions for the picked test frames.

        `variable`, where given, is what is ranked instead of the prediction: a monotone read-out
        makes ties that are no fault of the variable.
        """
        frames = self.frames["test"]
        scores = committor_scores(predicted, frames)
        if variable is not None:
            ranked = committor_scores(variable, frames)
            for region, measures in ranked.items():
                value, low, high = measures["spearman"]
                sign = 1 if ranked["boltzmann"]["spearman"][0] >= 0 else -1
                interval = sorted((sign * low, sign * high))
                scores[region]["spearman"] = (sign * value, *interval)
        curve = calibration_curve(predicted, frames.committor, frames.weights, CALIBRATION_EDGES)
        return {"scores": scores, "calibration": curve}

    @staticmethod
    def summary(report):
        """The main numbers of a report in one line."""
        scores = report["scores"]
        text = [f"{region} {scores[region]['rmse'][0]:.4f}" for region in scores]
        text.append(f"rank {scores['transition']['spearman'][0]:.3f}")
        if "vamp2" in report:
            text.append(f"vamp2 {report['vamp2'][0]:.3f}")
        return ", ".join(text)

    def best(self, candidates, predict):
        """The candidate with the least weighted squared error on validation frames."""
        frames = self.frames["validation"]
        weights = frames.training_weights
        errors = [weights @ (predict(c) - frames.committor) ** 2 for c in candidates]
        return candidates[int(np.argmin(errors))]

    def probe(self, features):
        """Fit a linear probe on training frames, its penalty chosen on validation frames.

        Parameters
        ----------
        features : dict of (n, n_features) ndarray
            For the picked frames of "train" and "validation".
        """
        frames = self.frames["train"]
        probes = [
            fit_probe(features["train"], frames.committor, frames.training_weights, ridge)
            for ridge in self.settings.ridges
        ]
        return self.best(probes, lambda probe: probe(features["validation"]))


# ---- transformers ---------------------------------------------------------------------------


def model_part(study, model, is_trained=True):
    """Probes of every layer, of all layers together, and dynamics scores, for one model."""
    part, probes = {"layers": {}, "all": {}}, {}
    lengths = study.settings.window_lengths if is_trained else study.settings.window_lengths[:1]
    for length in lengths:
        encodings = {}
        for family in ("train", "validation", "test"):
            windows, window, frame = study.windows(family, length)
            encodings[family] = encode_frames(model, windows, window, frame)
        part["layers"][length] = _layer_probes(study, encodings)
        flat = {family: values.reshape(len(values), -1) for family, values in encodings.items()}
        probes[length] = study.probe(flat)
        part["all"][length] = study.report(probes[length](flat["test"]))
        print(length, "all layers", study.summary(part["all"][length]), flush=True)
        if length == lengths[0]:
            with_position = {
                family: np.concatenate([values, study.frames[family].positions], axis=1)
                for family, values in flat.items()
            }
            probe = study.probe(with_position)
            part["all and position"] = study.report(probe(with_position["test"]))
            print(length, "all and position", study.summary(part["all and position"]), flush=True)
        del encodings, flat
    if is_trained:
        part["vamp2"] = _dynamics(study, model, probes)
        part["classifier"] = classifier_part(study, model)
    main = probes[lengths[0]]
    part["probe"] = {"weights": main.weights.tolist(), "intercept": main.intercept}
    return part


def _layer_probes(study, encodings):
    rows = []
    for layer in range(encodings["train"].shape[1]):
        features = {family: values[:, layer] for family, values in encodings.items()}
        probe = study.probe(features)
        report = study.report(probe(features["test"]))
        locate = fit_linear(features["train"], study.frames["train"].positions)
        miss = locate(features["test"]) - study.frames["test"].positions
        weights = study.frames["test"].weights
        report["position_rmse"] = float(np.sqrt(weights @ np.square(miss).sum(axis=1)))
        del report["calibration"]
        rows.append(report)
        print(" layer", layer, study.summary(report), report["position_rmse"], flush=True)
    return rows


def _dynamics(study, model, probes):
    """VAMP-2 score of probes' committors on the same pairs of frames.

    "within": both frames are encoded in one window of the whole trajectory, so that a pair shares
    what the encoder sees. "across": they are encoded in two windows that do not overlap, and the
    bound of the dynamics holds.
    """
    trajectories = study.sets["test"].trajectories
    n, n_frames = trajectories.shape[:2]

    def read(frames, length):
        window, frame = np.divmod(frames, length)
        window = (np.arange(n)[:, None] * (n_frames // length) + window).ravel()
        windows = cut_windows(trajectories, length)
        encoded = encode_frames(model, windows, window, np.tile(frame, n))
        return probes[length](encoded.reshape(len(encoded), -1)).reshape(n, -1)

    now, later = study.pairs_now, study.pairs_now + study.settings.lag_time
    return {
        name: study.vamp2(read(now, length), read(later, length))
        for name, length in (("within", n_frames), ("across", SCORED_WINDOW))
    }


def classifier_part(study, model, lengths=(1000, 250)):
    """The classifier's probability of B for windows that begin at points of known committor."""
    settings = study.settings
    edges = np.linspace(0.02, 0.98, 9)
    generator = np.random.default_rng(family_seed("test", 500))
    points = np.concatenate(
        [
            transition_points(
                study.solver, study.committor, settings.n_classified // 8, generator, low, high
            )
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        ]
    )
    windows = simulate(study.config, points, family_seed("test", 500))
    committor = np.clip(study.solver.interpolate(study.committor, points), 0, 1)
    result = {"committor": committor.tolist(), "state": assign_states(points).tolist()}
    for length in lengths:
        probability = predict_states(model, windows[:, :length], progress=False)[1][:, 1]
        result[f"probability_{length}"] = np.round(probability, 5).tolist()
    return result


def untrained(size, seed=0):
    """A model of a size with random weights, from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TrajectoryTransformer(TrajectoryConfig.of_size(size)).eval()


# ---- keeping it -----------------------------------------------------------------------------


def make_part(study, part, folder=FOLDER, checkpoints=paths.CHECKPOINTS):
    """Make one part and write its file, unless it is there already.

    Parameters
    ----------
    study : Study
    part : str
        "baselines", a size, or "untrained_" and a size.
    """
    model = None
    if part.startswith("untrained_"):
        model = untrained(part.removeprefix("untrained_"))
    elif part != "baselines":
        model = load_checkpoint(part, checkpoints)
    made_for = {
        "settings": asdict(study.settings),
        "weights": None if model is None else weights_digest(model),
    }

    def body():
        if model is None:
            return {"exact": study.exact(), "views": baselines(study)}
        return model_part(study, model, is_trained=not part.startswith("untrained_"))

    packages = ("torch", "transformers", "deeptime", "scikit-learn")
    keep(folder / f"{part}.json", made_for, body, packages)


def main(arguments=None):
    """Command line: see the module."""
    sizes, study = checkpoint_sizes(), Study(StudySettings())
    names = ["baselines", *sizes, *(f"untrained_{size}" for size in sizes)]
    run_study(__doc__.splitlines()[0], lambda part: make_part(study, part), names, arguments)


if __name__ == "__main__":
    main()
