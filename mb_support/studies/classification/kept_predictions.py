"""Predicted states of every training, on trajectories of the final test set: made once and kept.

Each training whose weights lie under ``.cache/trainings`` classifies the test set of the data that
it was trained on; the models in ``checkpoints`` slices, reversed and other trajectories too.
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
from ...statistics import bootstrap_mean, wilson_interval
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
    """What is classified: `length` frames from `start` on of the first `n` of a test set."""

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
    return Task(regime, n or N_TEST, 0, regime_settings(regime).n_frames, is_reversed)


def tasks(name):
    """What is classified with a size (the committed model) or a training, as a list of `Task`."""
    if name in SIZES:
        found = [whole("metastable"), whole("metastable", N_SLICED, is_reversed=True)]
        found += [whole("wild", N_SLICED), whole(EASY_STARTS, N_SLICED)]
        return found + _slices("metastable")
    regime = trainings()[name].regime
    return [whole(regime), *(_slices("wild") if regime == "wild" else [])]


def _slices(regime):
    return [
        Task(regime, N_SLICED, start, length)
        for length in SLICE_LENGTHS[regime]
        for start in SLICE_STARTS[regime]
        if start + length <= regime_settings(regime).n_frames
    ]


def pack(predicted):
    """States as hexadecimal text, four to a digit."""
    return np.packbits(np.asarray(predicted, dtype=np.uint8)).tobytes().hex()


def unpack(text, n):
    """The (n,) int64 states that `pack` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:n].astype(np.int64)


def settings_of(tasks_there):
    """What decides the test sets of some tasks, by regime: simulation and seed."""
    seed = {"seed": family_seed("test", FINAL_TEST)}
    return {task.regime: regime_settings(task.regime).to_dict() | seed for task in tasks_there}


def read_record(path, tasks_of=None):
    """What is kept in a file; `ValueError` if it is missing or not of the test sets of the tasks,
    by default those that it names."""
    command = f"run python -m mb_support.studies classification {path.stem}"
    if not path.exists():
        raise ValueError(f"no predictions of {path.stem!r} in {path.parent}: {command}")
    record = json.loads(path.read_text())
    there = tasks_of or [Task(**task) for task in record["tasks"]]
    if record["test_sets"] != json.loads(json.dumps(settings_of(there))):
        raise ValueError(f"{path.name} was made of other trajectories: {command}")
    return record


def classify_set(model, data, task):
    """Predicted states of a task's slices, (task.n,) int64, kept on disk."""

    def compute():
        return predict_states(model, task.frames(data.trajectories))[0]

    return cached_predictions("states", model, data, compute, **asdict(task))


def evaluate(name, folder=paths.RESULTS, chosen=None):
    """Classify all `tasks` of a name, or those `chosen`, and keep the states; True if any was
    left."""
    weights = paths.CHECKPOINTS / name if name in SIZES else paths.TRAININGS / name / "model"
    todo = tasks(name) if chosen is None else list(chosen)
    if not (weights / "model.safetensors").exists():
        print(f"{name}: not evaluated, there are no weights of it here")
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
        return {"states": [pack(classify_set(model, sets[task.regime], task)) for task in todo]}

    return keep(result_path(name, folder), made_for, make)


def result_path(name, folder=paths.RESULTS):
    """Where the predictions of a name are kept."""
    return Path(folder) / "classification" / f"{name}.json"


class Predictions:
    """Kept predictions of a size or a training: `states` has (n,) int64 by `Task`."""

    def __init__(self, name, folder=paths.RESULTS):
        self.record = read_record(result_path(name, folder))
        found = zip(self.record["tasks"], self.record["states"], strict=True)
        self.states = {Task(**task): unpack(text, task["n"]) for task, text in found}

    def whole(self, regime="metastable", is_reversed=False):
        """Predictions from whole trajectories of a test set, (n,) int64."""
        states = {(t.regime, t.is_reversed, t.start, t.length): s for t, s in self.states.items()}
        return states[regime, is_reversed, 0, regime_settings(regime).n_frames]

    def slice_table(self, regime, length, states):
        """`slice_table` of the slices of a length; `states`, (n, n_frames), are of all frames."""
        found = {
            t.start: s for t, s in self.states.items() if (t.regime, t.length) == (regime, length)
        }
        n = min(len(states), *map(len, found.values()))
        return slice_table({start: found[start][:n] for start in sorted(found)}, length, states[:n])


def slice_table(predicted, length, states):
    """Accuracy of slice predictions, {start: (n,)}, given the (n, n_frames) states of all frames.

    "label" is that for the state of frame 0, with Wilson's interval, and "lost" by how much it is
    below that of the first slice, (value, low, high) on the same trajectories; "own" is that for
    the state of the slice's first frame.
    """
    rows = []
    first = predicted[min(predicted)] == states[:, 0]
    for start, guess in predicted.items():
        n_right = int((guess == states[:, 0]).sum())
        low, high = wilson_interval(n_right, len(guess))
        row = {"length": length, "start": start, "n": len(guess), "label": n_right / len(guess)}
        row |= {"label_low": low, "label_high": high}
        row["lost"] = bootstrap_mean(first.astype(float) - (guess == states[:, 0]))
        rows.append(row | {"own": float((guess == states[:, start]).mean())})
    return pd.DataFrame(rows)


def trained_with(recipe, folder=paths.RESULTS):
    """States of whole test trajectories by one training, or by all kept ones of a recipe, such as
    "small-fixed": (n_seeds, N_TEST) int64; without rows if nothing is kept."""
    known = [name for name in trainings() if recipe in (name, name.rpartition("-")[0])]
    known = [name for name in known if result_path(name, folder).exists()]
    found = [Predictions(n, folder).whole(trainings()[n].regime) for n in known]
    return np.array(found, dtype=np.int64).reshape(len(found), len(found[0]) if found else N_TEST)


def check_states(model, data, kept, n_live):
    """Predict the first whole trajectories again; `ValueError` if they are not what is kept. One in
    a hundred may come out otherwise: rounding may turn a coin on edge."""
    n_live = min(n_live, len(data))
    again = classify_set(model, data, replace(whole("metastable"), n=n_live))
    differing = int((again != kept.whole()[:n_live]).sum())
    if differing > 0.01 * n_live or kept.record["weights"] != weights_digest(model):
        name = kept.record["name"]
        raise ValueError(
            f"{differing} of {n_live} states of {name!r} are not those kept, or they are of other "
            f"weights: run python -m mb_support.studies classification {name}"
        )


def parts():
    """{name: function that predicts with it and keeps the states} of all sizes and trainings."""
    return {name: partial(evaluate, name) for name in (*SIZES, *trainings())}
