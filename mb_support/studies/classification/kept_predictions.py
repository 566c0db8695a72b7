"""Predicted states of every training, on trajectories of the final test set: made once and kept.

``python -m mb_support.studies classification`` classifies, with each training whose weights lie
under ``.cache/trainings``, the test set of the data that it was trained on, and with the models in
``checkpoints`` slices, reversed and other trajectories too.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ...classification import predict_states
from ...datasets.sets import EASY_STARTS, FINAL_TEST, family_seed, make_dataset, regime_settings
from ...files import paths
from ...files.results import keep
from ...model.inference import cached_predictions, weights_digest
from ...model.settings import SIZES
from ...model.transformer import TrajectoryTransformer
from ...statistics import wilson_interval
from ...training.recipes import trainings

#: Trajectories of a test set, of which the first are sliced, reversed and so on.
N_TEST, N_SLICED = 5000, 1000
#: Frames of slices, and frames at which they begin, by regime.
SLICE_LENGTHS = {"metastable": (32, 128, 256), "wild": (128,)}
SLICE_STARTS = {
    "metastable": (0, 4, 16, 64, 128, 256, 384),
    "wild": (0, 1, 2, 4, 8, 16, 32, 64, 128),
}


@dataclass(frozen=True)
class Task:
    """What is classified: a slice of each of the first `n` trajectories of a test set.

    `length` frames from frame `start` on, shown in reverse order if `is_reversed`.
    """

    regime: str
    n: int
    start: int
    length: int
    is_reversed: bool = False

    def frames(self, trajectories):
        """The slices, (n, length, 2), of the test set's trajectories."""
        chosen = trajectories[: self.n, self.start : self.start + self.length]
        return chosen[:, ::-1] if self.is_reversed else chosen


def whole(regime, n=None, is_reversed=False):
    """The `Task` of whole trajectories, by default of all `N_TEST`."""
    n_frames = regime_settings(regime).n_frames
    return Task(regime, N_TEST if n is None else n, 0, n_frames, is_reversed)


def names():
    """Everything that can be evaluated: sizes (the committed models), and all trainings."""
    return [*SIZES, *trainings()]


def tasks(name):
    """What is classified with one of `names`, as a list of `Task`; `ValueError` if unknown."""
    if name in SIZES:
        found = [whole("metastable"), whole("metastable", N_SLICED, is_reversed=True)]
        found += [whole("wild", N_SLICED), whole(EASY_STARTS, N_SLICED)]
        return found + _slices("metastable")
    if name not in trainings():
        raise ValueError(f"unknown training {name!r}: choose of {', '.join(names())}")
    regime = trainings()[name].regime
    return [whole(regime), *(_slices("wild") if regime == "wild" else [])]


def _slices(regime):
    n_frames = regime_settings(regime).n_frames
    return [
        Task(regime, N_SLICED, start, length)
        for length in SLICE_LENGTHS[regime]
        for start in SLICE_STARTS[regime]
        if start + length <= n_frames
    ]


def pack(predicted):
    """States as hexadecimal text, four to a digit."""
    return np.packbits(np.asarray(predicted, dtype=np.uint8)).tobytes().hex()


def unpack(text, n):
    """The (n,) int64 states that `pack` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:n].astype(np.int64)


def settings_of(tasks_there):
    """What decides the test sets of some tasks, by regime: simulation and seed."""
    regimes = dict.fromkeys(task.regime for task in tasks_there)
    seed = {"seed": family_seed("test", FINAL_TEST)}
    return {regime: regime_settings(regime).to_dict() | seed for regime in regimes}


def check_test_sets(record, tasks_there, name):
    """Refuse a kept record, with the command that makes it anew, if it is of other trajectories."""
    if record["test_sets"] != json.loads(json.dumps(settings_of(tasks_there))):
        raise ValueError(f"{name} was made of other trajectories: {_command(name)}")


def _command(name):
    return f"run python -m mb_support.studies classification {name}"


def classify_set(model, data, task):
    """Predicted states of a task's slices, (task.n,) int64, kept on disk."""

    def compute():
        return predict_states(model, task.frames(data.trajectories))[0]

    return cached_predictions("states", model, data, compute, **asdict(task))


def evaluate(name, folder=paths.RESULTS, chosen=None, report=print):
    """Classify all `tasks` of one of `names`, or those `chosen`, and keep the states.

    Returns whether anything had to be classified: not what is there already of these weights, and
    nothing where there are no weights. `report` is told in a line what was done.
    """
    weights = paths.CHECKPOINTS / name if name in SIZES else paths.TRAININGS / name / "model"
    todo = tasks(name) if chosen is None else list(chosen)
    if not (weights / "model.safetensors").exists():
        report(f"{name}: not evaluated, there are no weights of it here")
        return False
    model = TrajectoryTransformer.from_pretrained(weights).eval()
    made_for = {
        "name": name,
        "weights": weights_digest(model),
        "test_sets": settings_of(todo),
        "tasks": [asdict(task) for task in todo],
    }

    def make():
        sets = {r: make_dataset(N_TEST, "test", FINAL_TEST, r) for r in made_for["test_sets"]}
        states = []
        for number, task in enumerate(todo, start=1):
            states.append(pack(classify_set(model, sets[task.regime], task)))
            report(f"{name} {number}/{len(todo)}  {task}")
        return {"states": states}

    return keep(result_path(name, folder), made_for, make, report=report)


def result_path(name, folder=paths.RESULTS):
    """Where the predictions of a name are kept."""
    return Path(folder) / "classification" / f"{name}.json"


class Predictions:
    """Kept predictions of one training, from the record that `evaluate` wrote.

    `states` has (n,) int64 by `Task`.
    """

    def __init__(self, record):
        self.record = record
        found = zip(record["tasks"], record["states"], strict=True)
        self.states = {Task(**task): unpack(text, task["n"]) for task, text in found}

    @classmethod
    def load(cls, name, model=None, folder=paths.RESULTS):
        """Read the kept predictions of one of `names`, which must be of `model` if it is given.

        Raises `ValueError` if there are none, or they are of other weights or trajectories.
        """
        path = result_path(name, folder)
        if not path.exists():
            raise ValueError(f"no predictions of {name!r} in {path.parent}: {_command(name)}")
        record = json.loads(path.read_text())
        if model is not None and record["weights"] != weights_digest(model):
            raise ValueError(f"{path.name} was made with other weights: {_command(name)}")
        found = cls(record)
        check_test_sets(record, found.states, name)
        return found

    def whole(self, regime="metastable", is_reversed=False):
        """Predictions from whole trajectories of a test set, (n,) int64; `ValueError` if none."""
        for task, states in self.states.items():
            if task == whole(regime, task.n, is_reversed):
                return states
        raise ValueError(f"the test set of {regime!r} was not evaluated")

    def slice_table(self, regime, length, states):
        """`slice_table` of the slices of a length.

        `states`, (n, n_frames), are those of every frame of the test set; as many trajectories
        are counted as both have.
        """
        of_length = (t for t in self.states if (t.regime, t.length) == (regime, length))
        found = {t.start: self.states[t] for t in of_length if not t.is_reversed}
        if len(found) < 2:
            raise ValueError(f"no slices of {length} frames in regime {regime!r} were evaluated")
        n = min(len(states), *map(len, found.values()))
        predicted = {start: found[start][:n] for start in sorted(found)}
        return slice_table(predicted, length, states[:n])


def slice_table(predicted, length, states):
    """Accuracy of slice predictions, {start: (n,)}, given the (n, n_frames) states of all frames.

    A DataFrame with a row per start: "length", "start", "n"; "label", "label_low", "label_high",
    the accuracy for the state of frame 0 with Wilson's interval; "own", that for the state of the
    slice's first frame.
    """
    rows = []
    for start, guess in predicted.items():
        n_right = int((guess == states[:, 0]).sum())
        low, high = wilson_interval(n_right, len(guess))
        row = {"length": length, "start": start, "n": len(guess), "label": n_right / len(guess)}
        row |= {"label_low": low, "label_high": high}
        rows.append(row | {"own": float((guess == states[:, start]).mean())})
    return pd.DataFrame(rows)


def trained_with(recipe, folder=paths.RESULTS):
    """States of whole test trajectories, as predicted by all trainings of a recipe that are kept.

    A recipe is a name without its seed, such as "small" or "small-fixed". (n_seeds, N_TEST) int64,
    of the test set of the data that they were trained on; without rows if nothing is kept.
    """
    known = [name for name in trainings() if name.rpartition("-")[0] == recipe]
    known = [name for name in known if result_path(name, folder).exists()]
    found = [Predictions.load(n, folder=folder).whole(trainings()[n].regime) for n in known]
    return np.array(found, dtype=np.int64).reshape(len(found), len(found[0]) if found else N_TEST)


def checked_states(model, data, kept, n_live):
    """Predict the first whole trajectories again, and compare with what is kept.

    `data` is their test set, and `kept` are `Predictions` of the model. Raises `ValueError` if more
    than one in a hundred come out otherwise: rounding may turn a coin on edge.
    """
    n_live = min(n_live, len(data))
    again = classify_set(model, data, replace(whole("metastable"), n=n_live))
    differing = int((again != kept.whole()[:n_live]).sum())
    if differing > 0.01 * n_live:
        name = kept.record["name"]
        raise ValueError(
            f"{differing} of {n_live} states of {name!r} are not those kept: {_command(name)}"
        )


def parts():
    """{name: function that predicts with it and keeps the states} of all trainings and sizes."""
    return {name: partial(evaluate, name) for name in names()}
