"""Reading what `cv_study` kept: every method, and how often it was trained."""

import json
from dataclasses import dataclass, field

import numpy as np

from . import paths
from .cv_scores import REGIONS, Bootstrap
from .inference import load_checkpoint, weights_digest
from .training.recipes import N_SEEDS

FOLDER = paths.RESULTS / "collective_variable"
UNTRAINED = "untrained-"
#: Baselines that find a variable, or a committor, from trajectories alone.
SIMPLE = ("PCA", "TICA", "VAMPNet", "Markov model")
SHUFFLED, IDEAL = "shuffled committor", "best possible"


def training_names(size):
    """Names of the trainings of a size's recipe, by seed."""
    return [f"{size}-{seed}" for seed in range(N_SEEDS[size])]


def part_names(sizes):
    """All parts of the study for some sizes, in the order of their making."""
    trained = [name for size in sizes for name in training_names(size)]
    return ["baselines", "ideal", *trained, *(UNTRAINED + name for name in trained)]


@dataclass(frozen=True)
class Method:
    """One way to read the committor, trained once or several times.

    Attributes
    ----------
    name : str
    squares : dict of str to (n_trainings, n_blocks) ndarray
        Sums of squared errors, by region.
    rank : tuple of float
        Rank correlation in the transition region, one for each training.
    calibration : list of dict
        From `calibration_curve`, one for each training.
    size : str or None
        Of the model whose encodings are read.
    is_trained : bool
        Whether that model is.
    """

    name: str
    squares: dict
    rank: tuple
    calibration: list = field(repr=False)
    size: str | None = None
    is_trained: bool = False

    @classmethod
    def of_reports(cls, name, reports, **facts):
        """From the reports that the study kept, one for each training."""
        squares = {r: np.array([report["squares"][r] for report in reports]) for r in REGIONS}
        ranks = tuple(report["rank"][0] for report in reports)
        return cls(name, squares, ranks, [report["calibration"] for report in reports], **facts)


@dataclass(frozen=True)
class Kept:
    """All kept results for some sizes.

    Attributes
    ----------
    sizes : tuple of str
    baselines, ideal : dict
        Records of these parts.
    trained, untrained : dict of str to list of dict
        Records of each size's trainings, and of the weights that they began with.
    """

    sizes: tuple
    baselines: dict
    ideal: dict
    trained: dict
    untrained: dict

    @property
    def bootstraps(self):
        """A `Bootstrap` for each region."""
        return {region: Bootstrap(mass) for region, mass in self.baselines["mass"].items()}

    def methods(self, view="standardised"):
        """Every method of a view, by name; models see standardised coordinates only.

        Parameters
        ----------
        view : {"standardised", "raw"}

        Returns
        -------
        dict of str to Method
        """
        found = []
        if view == "standardised":
            found.append(Method.of_reports(IDEAL, [self.ideal["probe"]]))
            for size, parts in self.trained.items():
                reports = [part["probe"] for part in parts]
                found.append(Method.of_reports(size, reports, size=size, is_trained=True))
            for size, parts in self.untrained.items():
                reports = [part["probe"] for part in parts]
                found.append(Method.of_reports(f"{size}, untrained", reports, size=size))
            for size, parts in self.trained.items():
                reports = [part["shuffled"] for part in parts]
                found.append(Method.of_reports(f"{size}, {SHUFFLED}", reports, size=size))
        for name, report in self.baselines["views"][view].items():
            found.append(Method.of_reports(name, [report]))
        return {method.name: method for method in found}

    def best_simple(self, view="standardised"):
        """The one of `SIMPLE` with the least error on validation trajectories."""
        reports = self.baselines["views"][view]
        return min((n for n in SIMPLE if n in reports), key=lambda n: reports[n]["validation"])

    def trees(self):
        """Names of the boosted trees, those that were told of fewer trajectories first."""
        return [n for n in self.baselines["views"]["standardised"] if n.startswith("boosted")]


def load(part, folder=FOLDER):
    """The kept results of a part of `cv_study`.

    Parameters
    ----------
    part : str
        See `part_names`.
    folder : Path

    Raises
    ------
    ValueError
        If there are none.
    """
    path = folder / f"{part}.json"
    if not path.exists():
        raise ValueError(
            f"no results of {part!r} in {folder}: run python -m mb_support.cv_study {part}"
        )
    return json.loads(path.read_text())


def load_all(sizes, folder=FOLDER, checkpoints=paths.CHECKPOINTS):
    """The kept results for some sizes: of every training, and of every control.

    Parameters
    ----------
    sizes : sequence of str
    folder, checkpoints : Path
        Where results and checkpoints lie.

    Returns
    -------
    Kept

    Raises
    ------
    ValueError
        If a part is missing, was made with other settings than the rest, or if a checkpoint is of
        none of the trainings: what is there is not shown in place of what is not.
    """
    parts = {part: load(part, folder) for part in part_names(sizes)}
    for part, record in parts.items():
        if record["settings"] != parts["baselines"]["settings"]:
            raise ValueError(
                f"results of {part!r} were made with other settings than the baselines: run "
                "python -m mb_support.cv_study"
            )
    trained = {size: [parts[name] for name in training_names(size)] for size in sizes}
    for size, records in trained.items():
        digest = weights_digest(load_checkpoint(size, checkpoints))
        if digest not in [record["weights"] for record in records]:
            raise ValueError(
                f"no kept training of size {size!r} has the weights of the checkpoint: run "
                "python -m mb_support.cv_study"
            )
    untrained = {size: [parts[UNTRAINED + name] for name in training_names(size)] for size in sizes}
    return Kept(tuple(sizes), parts["baselines"], parts["ideal"], trained, untrained)
