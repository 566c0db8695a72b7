"""What the ideal observer makes of the test sets, computed once and kept.

``python -m mb_support.ceiling --regime metastable`` writes ``results/ceiling_metastable.json``. It
says for each trajectory, and for slices, how probable state B is to an observer who knows the
dynamics exactly but sees standardised coordinates, as the model does.

``--approximate`` asks the teacher instead, who knows the truth and needs no search: a hundred times
as many trajectories, for one number, in ``results/ceiling_metastable_approximate.json``.
"""

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from . import paths
from .datasets import make_dataset
from .observer import IdealObserver
from .records import write_json
from .regimes import REGIMES
from .teacher import Teacher

#: (first frame, frames, trajectories) of what is observed of test set 0, in the order of need.
OBSERVED = {
    "metastable": (
        (0, 1000, 400),
        (0, 250, 150),
        (50, 250, 150),
        (200, 250, 150),
        (600, 250, 150),
        (0, 1000, 1000),
    ),
    "wild": (
        (0, 1000, 200),
        (0, 250, 150),
        (50, 250, 150),
        (200, 250, 150),
        (600, 250, 150),
        (0, 1000, 400),
    ),
}
#: Trajectories, and which validation set they are, of the teacher's estimate; and of how many
#: trajectories of how many test sets it is asked one by one.
N_APPROXIMATE, APPROXIMATE_INDEX = 20_000, 11
N_JUDGED, N_JUDGED_SETS = 1000, 5
_PORTION = 50  # trajectories between two savings


@dataclass(frozen=True)
class Ceiling:
    """The ideal observer's conclusions from slices of the first trajectories of test set 0.

    Attributes
    ----------
    start, length : int
        First frame and number of frames of the slices.
    first : (n,) ndarray
        P(label = 1 | slice), the label being the state of the trajectory's frame 0.
    last : (n,) ndarray
        P(state of the slice's last frame = 1 | slice).
    """

    start: int
    length: int
    first: np.ndarray
    last: np.ndarray

    @property
    def guesses(self):
        """The more probable label of each trajectory, (n,) int64."""
        return (self.first > 0.5).astype(np.int64)

    @property
    def expected_accuracy(self):
        """Mean posterior probability of the guess, and its standard error.

        It estimates the same limit as the share of right guesses, with less noise, because a
        guess that is an even bet counts one half instead of luck.
        """
        certainty = np.maximum(self.first, 1 - self.first)
        return float(certainty.mean()), float(certainty.std() / np.sqrt(len(certainty)))


def observe(regime, path, observed=None, progress=True):
    """Observe slices of test set 0, going on from what a file already holds.

    Parameters
    ----------
    regime : str
        Key of `REGIMES`.
    path : path
        File to go on from and to write to, after every few trajectories.
    observed : sequence of (first frame, frames, trajectories), optional
        By default those of `OBSERVED`.
    progress : bool
        Print a line each time the file is written.

    Raises
    ------
    ValueError
        If the file was made of other trajectories.
    """
    path, observed = Path(path), OBSERVED[regime] if observed is None else observed
    n_most = max(20, *(n for _, _, n in observed))  # as many as the digest is of
    data = make_dataset(n_most, "test", 0, regime)
    record = {"regime": regime, "data": data_digest(data), "seconds": 0.0, "observations": []}
    if path.exists():
        record = json.loads(path.read_text())
        if record["data"] != data_digest(data):
            raise ValueError(f"{path} was made of other trajectories: remove it to begin anew")
    parts = {(part["start"], part["length"]): part for part in record["observations"]}
    for start, length, n in observed:
        part = parts.get((start, length))
        if part is None:
            part = {"start": start, "length": length, "first": [], "last": []}
            parts[start, length] = part
            record["observations"].append(part)
        observer = IdealObserver(REGIMES[regime], start, length)
        for low in range(len(part["first"]), n, _PORTION):
            began = time.monotonic()
            rows = data.trajectories[low : min(low + _PORTION, n), start : start + length]
            seen = observer.observe(rows)
            part["first"] += seen.first.round(5).tolist()
            part["last"] += seen.last.round(5).tolist()
            record["seconds"] = round(record["seconds"] + time.monotonic() - began, 1)
            write_json(path, record, indent=None)
            if progress:
                done = len(part["first"])
                print(f"{regime}, {length} frames from {start}: {done} of {n}", flush=True)


def approximate(regime, n_trajectories=N_APPROXIMATE, index=APPROXIMATE_INDEX, progress=True):
    """The ceiling for whole trajectories, as a normal approximation of the posterior gives it.

    Parameters
    ----------
    regime : str
        Key of `REGIMES`.
    n_trajectories : int
        Of a validation set: no test set is used up.
    index : int
        Which validation set.
    progress : bool
        Draw a progress bar.

    Returns
    -------
    dict
        "expected_accuracy", the mean probability of the more probable label, its
        "standard_error", and the "accuracy" of these guesses; "regime", "n_trajectories", "index".
    """
    data = make_dataset(n_trajectories, "validation", index, regime)
    share_of_b = _judged(data, progress)
    certainty = np.maximum(share_of_b, 1 - share_of_b)
    return {
        "regime": regime,
        "n_trajectories": n_trajectories,
        "index": index,
        "expected_accuracy": float(certainty.mean()),
        "standard_error": float(certainty.std() / np.sqrt(n_trajectories)),
        "accuracy": float(((share_of_b > 0.5) == data.labels).mean()),
    }


def judge_test_sets(regime, n_sets=N_JUDGED_SETS, n_trajectories=N_JUDGED, progress=True):
    """What the teacher says of whole trajectories of the first test sets.

    Parameters
    ----------
    regime : str
        Key of `REGIMES`.
    n_sets, n_trajectories : int
        Test sets, and trajectories of each.
    progress : bool
        Draw a progress bar.

    Returns
    -------
    (n_sets, n_trajectories) ndarray
        Probability that the first frame lies in B.
    """
    sets = (make_dataset(n_trajectories, "test", index, regime) for index in range(n_sets))
    return np.array([_judged(data, progress) for data in sets])


def _judged(data, progress):
    teacher = Teacher(data.config)
    rows = tqdm(data.trajectories, "trajectories", disable=not progress)
    return np.array([teacher.judge(trajectory)[0][1] for trajectory in rows])


def load_approximate(regime, folder=paths.RESULTS):
    """What `approximate` has found for a regime; None if it has not been asked."""
    path = Path(folder) / f"ceiling_{regime}_approximate.json"
    return json.loads(path.read_text()) if path.exists() else None


def data_digest(data):
    """SHA-256 over the first trajectories of a set, 16 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(data.trajectories[:20]).tobytes()).hexdigest()[:16]


def load_ceilings(regime, folder=paths.RESULTS):
    """The kept observations of a regime.

    Parameters
    ----------
    regime : str
    folder : path

    Returns
    -------
    dict of (start, length) to Ceiling
        Empty if there are none.
    """
    path = Path(folder) / f"ceiling_{regime}.json"
    if not path.exists():
        return {}
    parts = json.loads(path.read_text())["observations"]
    return {
        (part["start"], part["length"]): Ceiling(
            part["start"], part["length"], np.array(part["first"]), np.array(part["last"])
        )
        for part in parts
    }


def main(arguments=None):
    """Command line: observe one regime and write the result under ``results``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regime", required=True, choices=list(OBSERVED))
    parser.add_argument("--output", type=Path, default=paths.RESULTS, help="folder to write to")
    parser.add_argument("--approximate", action="store_true", help="ask the teacher")
    options = parser.parse_args(arguments)
    if options.approximate:
        found = approximate(options.regime)
        found["test_sets"] = judge_test_sets(options.regime).round(4).tolist()
        write_json(options.output / f"ceiling_{options.regime}_approximate.json", found)
        print(f"{found['expected_accuracy']:.4f} +- {found['standard_error']:.4f}")
        return
    observe(options.regime, options.output / f"ceiling_{options.regime}.json")
    for part in load_ceilings(options.regime, options.output).values():
        value, error = part.expected_accuracy
        print(f"{options.regime} [{part.start}, +{part.length}]: {value:.4f} +- {error:.4f}")


if __name__ == "__main__":
    main()
