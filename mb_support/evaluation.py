"""Predictions of the committed models that take too long for the book, made once and kept.

``python -m mb_support.evaluation --size small`` classifies several test sets and many slices of
one, and writes every predicted state to ``results/evaluation_small.json``. It goes on from where
an interrupted run stopped.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from . import paths
from .classification import predict_states
from .datasets import make_dataset
from .inference import cached_predictions, load_checkpoint, weights_digest
from .model import SIZES
from .records import circumstances, write_json
from .slices import slice_table

#: Frames of a slice, and the frames at which slices begin.
SLICE_LENGTHS = (100, 250, 500)
SLICE_STARTS = (0, 10, 25, 50, 100, 200, 400, 600, 800)
#: Trajectories of a test set; those of which slices are taken; and how many test sets.
N_TEST = 1000
N_SLICED = {"small": 1000, "medium": 200, "large": 100}
N_SEEDS = {"small": 5, "medium": 3, "large": 2}


@dataclass(frozen=True)
class Task:
    """What is classified: a slice of each of the first trajectories of a test set.

    Attributes
    ----------
    regime : str
        Key of `simulation.REGIMES`.
    index : int
        Number of the test set.
    n : int
        How many of its trajectories.
    start, length : int
        First frame and number of frames of the slice.
    is_reversed : bool
        Whether the model is shown the frames in reverse order.
    """

    regime: str
    index: int = 0
    n: int = N_TEST
    start: int = 0
    length: int = 1000
    is_reversed: bool = False

    def frames(self, trajectories):
        """The slices, (n, length, 2), of the test set's trajectories."""
        chosen = trajectories[: self.n, self.start : self.start + self.length]
        return chosen[:, ::-1] if self.is_reversed else chosen


def tasks(size):
    """Everything that is evaluated for a size, as a list of `Task`; `ValueError` if unknown."""
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}: choose one of {list(SIZES)}")
    found = [Task("metastable", index) for index in range(N_SEEDS[size])]
    found += [Task("metastable", is_reversed=True, n=N_SLICED[size])]
    found += [Task("wild", n=N_SLICED[size]), Task("wild", n=N_SLICED[size], is_reversed=True)]
    for regime in ("metastable", "wild"):
        for length in SLICE_LENGTHS:
            starts = [start for start in SLICE_STARTS if start + length <= 1000]
            found += [Task(regime, 0, N_SLICED[size], start, length) for start in starts]
    return found


def pack(predicted):
    """States as hexadecimal text, four to a digit."""
    return np.packbits(np.asarray(predicted, dtype=np.uint8)).tobytes().hex()


def unpack(text, n):
    """The (n,) int64 states that `pack` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:n].astype(np.int64)


def classify_set(model, data, task):
    """Predicted states of a task's slices, kept on disk.

    Parameters
    ----------
    model : TrajectoryTransformer
    data : TrajectorySet
        The test set of the task, of `task.n` trajectories or more.
    task : Task

    Returns
    -------
    (task.n,) ndarray of int64
    """

    def compute():
        return predict_states(model, task.frames(data.trajectories))[0]

    return cached_predictions("states", model, data, compute, **asdict(task))


def checked_states(model, data, kept, task, n_live):
    """Kept states of a whole test set's first trajectories, some of them predicted again.

    Parameters
    ----------
    model : TrajectoryTransformer
    data : TrajectorySet
        The test set of the task.
    kept : Evaluation
        Of this model.
    task : Task
        Whole trajectories; of `task.n` of them states are returned.
    n_live : int
        How many are classified again, the first ones.

    Returns
    -------
    (task.n,) ndarray of int64

    Raises
    ------
    ValueError
        If more than one in a hundred of those come out otherwise: rounding may turn a coin on edge.
    """
    stored = kept.states(replace(task, n=N_TEST))[: task.n]
    n_live = min(n_live, task.n)
    again = classify_set(model, data, replace(task, n=n_live))
    differing = int((again != stored[:n_live]).sum())
    if differing > 0.01 * n_live:
        size = kept.record["size"]
        raise ValueError(
            f"{differing} of {n_live} states of {size!r} are not those that were kept: run "
            f"python -m mb_support.evaluation --size {size}"
        )
    return stored


def evaluate(size, folder=paths.CHECKPOINTS, only=None, progress=True):
    """Classify everything in `tasks(size)`.

    Parameters
    ----------
    size : {"small", "medium", "large"}
    folder : path
        Where the checkpoint of that size lies.
    only : sequence of Task, optional
        Part of the tasks.
    progress : bool
        Print a line for each task.

    Returns
    -------
    dict
        What `results/evaluation_<size>.json` holds.
    """
    model = load_checkpoint(size, folder)
    data, predictions, began = {}, [], time.monotonic()
    todo = tasks(size) if only is None else list(only)
    for number, task in enumerate(todo, start=1):
        key = task.regime, task.index
        if key not in data:
            data = {key: make_dataset(N_TEST, "test", task.index, task.regime)}
        predicted = classify_set(model, data[key], task)
        predictions.append(asdict(task) | {"states": pack(predicted)})
        if progress:
            seconds = time.monotonic() - began
            print(f"{size} {number}/{len(todo)} {seconds:6.0f} s  {task}", flush=True)
    return {
        "size": size,
        "weights": weights_digest(model),
        "seconds": round(time.monotonic() - began, 1),
        **circumstances("torch", "transformers"),
        "predictions": predictions,
    }


class Evaluation:
    """Kept predictions of one model.

    Parameters
    ----------
    record : dict
        From `evaluate`.
    """

    def __init__(self, record):
        self.record = record
        self._states = {}
        for entry in record["predictions"]:
            fields = {k: v for k, v in entry.items() if k != "states"}
            self._states[Task(**fields)] = unpack(entry["states"], fields["n"])

    @classmethod
    def load(cls, size, model=None, folder=paths.RESULTS):
        """Read the kept predictions of a size.

        Parameters
        ----------
        size : {"small", "medium", "large"}
        model : TrajectoryTransformer, optional
            If given, the predictions must be of these weights.
        folder : path

        Raises
        ------
        ValueError
            If there are none, or they are of other weights.
        """
        path = Path(folder) / f"evaluation_{size}.json"
        command = f"run python -m mb_support.evaluation --size {size}"
        if not path.exists():
            raise ValueError(f"no predictions of size {size!r} in {path.parent}: {command}")
        record = json.loads(path.read_text())
        if model is not None and record["weights"] != weights_digest(model):
            raise ValueError(f"{path.name} was made with other weights of {size!r}: {command}")
        return cls(record)

    @property
    def tasks(self):
        """The `Task` of each prediction, as a list."""
        return list(self._states)

    def states(self, task):
        """Predicted states of a task, (n,) int64; `ValueError` if it was not evaluated."""
        if task not in self._states:
            raise ValueError(f"{task} was not evaluated for {self.record['size']}")
        return self._states[task]

    def whole(self, regime, index=0, is_reversed=False):
        """Predictions from whole trajectories of a test set, (n,) int64; `ValueError` if none."""
        for task, states in self._states.items():
            asked = (regime, index, is_reversed, 0, 1000)
            if asked == (task.regime, task.index, task.is_reversed, task.start, task.length):
                return states
        raise ValueError(f"test set {index} of {regime!r} was not evaluated")

    @property
    def n_sets(self):
        """How many test sets of the default regime were evaluated as a whole."""
        return sum(
            task.regime == "metastable" and task.length == 1000 and not task.is_reversed
            for task in self._states
        )

    def slice_table(self, regime, length, states):
        """Accuracies from slices, as `slices.slice_table` gives them.

        Parameters
        ----------
        regime : str
        length : int
        states : (n, n_frames) ndarray of int
            State of every frame of test set 0; as many trajectories are counted as both have.

        Returns
        -------
        DataFrame
        """
        starts, predicted = self.slices(regime, length)
        n = min(len(states), predicted.shape[1])
        return slice_table(predicted[:, :n], starts, length, states[:n])

    def slices(self, regime, length):
        """Predictions from the slices of a length.

        Parameters
        ----------
        regime : str
        length : int

        Returns
        -------
        starts : (n_starts,) ndarray of int
        predicted : (n_starts, n) ndarray of int64

        Raises
        ------
        ValueError
            If there are none of that length.
        """
        found = {
            task.start: states
            for task, states in self._states.items()
            if (task.regime, task.length, task.is_reversed, task.index)
            == (regime, length, False, 0)
        }
        if not found:
            raise ValueError(f"no slices of {length} frames in regime {regime!r} were evaluated")
        starts = sorted(found)
        return np.array(starts), np.array([found[start] for start in starts])


def load_evaluations(models, folder=paths.RESULTS):
    """The kept predictions of several models, of those that have any.

    Parameters
    ----------
    models : dict of str to TrajectoryTransformer
        Models by size.
    folder : path

    Returns
    -------
    dict of str to Evaluation

    Raises
    ------
    ValueError
        If predictions are of other weights.
    """
    return {
        size: Evaluation.load(size, model, folder)
        for size, model in models.items()
        if (Path(folder) / f"evaluation_{size}.json").exists()
    }


def seed_table(evaluation, n):
    """Accuracy on each test set of the default regime.

    Parameters
    ----------
    evaluation : Evaluation
    n : int
        Trajectories counted of each test set.

    Returns
    -------
    (n_sets,) ndarray
    """
    found = []
    for index in range(evaluation.n_sets):
        labels = make_dataset(n, "test", index, n_frames=2).labels
        found.append(float((evaluation.whole("metastable", index)[:n] == labels).mean()))
    return np.array(found)


def excess_error(evaluation, share_of_b):
    """How much more often than an ideal observer a model errs on test sets, in expectation.

    A guess that differs from the observer's costs what the observer's is surer to be right. That
    estimates the difference of accuracies with less noise than labels do.

    Parameters
    ----------
    evaluation : Evaluation
    share_of_b : (n_sets, n) ndarray
        The observer's probability of label 1, of trajectories of the first test sets.

    Returns
    -------
    mean, standard_error : float
    """
    n_sets, n = min(evaluation.n_sets, len(share_of_b)), np.shape(share_of_b)[1]
    states = np.array([evaluation.whole("metastable", index)[:n] for index in range(n_sets)])
    gain = 2 * np.asarray(share_of_b[:n_sets]) - 1  # of the guess B over the guess A
    cost = np.where(states == (gain > 0), 0.0, np.abs(gain))
    return float(cost.mean()), float(cost.std() / np.sqrt(cost.size))


def main(arguments=None):
    """Command line: evaluate one size and write the result under ``results``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", required=True, choices=list(SIZES))
    parser.add_argument("--checkpoints", type=Path, default=paths.CHECKPOINTS)
    parser.add_argument("--output", type=Path, default=paths.RESULTS, help="folder to write to")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    path = options.output / f"evaluation_{options.size}.json"
    model = load_checkpoint(options.size, options.checkpoints)
    try:
        missing = set(tasks(options.size)) - set(
            Evaluation.load(options.size, model, path.parent).tasks
        )
    except ValueError:
        missing = set(tasks(options.size))
    if not missing:
        print(f"{path.stem} is up to date")
        return
    record = evaluate(options.size, options.checkpoints)
    write_json(path, record)
    print(f"{options.size}: {len(record['predictions'])} sets of predictions in {path}")


if __name__ == "__main__":
    main()
