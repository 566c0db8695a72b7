"""What the ideal observer makes of the final test sets, computed once and kept.

He knows the dynamics exactly but sees standardised coordinates, as the model does. Where a normal
approximation of his posterior holds, it is asked of many more trajectories, and
``results/ceiling_metastable_approximate.json`` has its answers.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ...datasets.sets import EASY_STARTS, FINAL_TEST, make_dataset, regime_settings
from ...files import paths
from ...files.results import circumstances, keep, write_json
from ...observer.approximate import ApproximateObserver
from ...observer.ideal import IdealObserver
from ...potential import SADDLES, potential
from .kept_predictions import N_TEST

#: (first frame, frames, trajectories) that are observed of the final test set, in order of need.
OBSERVED = {
    "metastable": ((0, 512, 1000), (0, 128, 100), (16, 128, 100), (128, 128, 100), (384, 128, 100)),
    "wild": ((0, 256, 1000), (0, 128, 100), (2, 128, 100), (8, 128, 100), (64, 128, 100)),
    EASY_STARTS: ((0, 512, 200),),
}
#: Validation trajectories of the approximate estimate, where posteriors are near enough to normal
#: (in `wild` a frame tells too little), and which validation set they are.
N_APPROXIMATE = {"metastable": 20_000, EASY_STARTS: 5000}
APPROXIMATE_INDEX = 11
_PORTION = 50  # trajectories between two savings


@dataclass(frozen=True)
class Ceiling:
    """An ideal observer's P(state B | slice), (n,), of the trajectory's `first` frame and of the
    slice's `last` one, which the approximation does not say."""

    start: int
    length: int
    first: np.ndarray
    last: np.ndarray | None = None

    @property
    def guesses(self):
        """The more probable label of each trajectory, (n,) int64."""
        return (self.first > 0.5).astype(np.int64)

    @property
    def expected_accuracy(self):
        """The `mean_certainty` about the label."""
        return mean_certainty(self.first)


def mean_certainty(share_of_b):
    """Mean probability of the more probable state, with its standard error: as the share of right
    guesses, with less noise, because an even bet counts one half instead of luck."""
    certainty = np.maximum(share_of_b, 1 - np.asarray(share_of_b))
    return float(certainty.mean()), float(certainty.std() / np.sqrt(len(certainty)))


def _highest_start(regime):
    return float(potential(SADDLES[0])) if regime == EASY_STARTS else None


def data_digest(data):
    """SHA-256 over the first trajectories of a set, 16 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(data.trajectories[:20]).tobytes()).hexdigest()[:16]


def observe(regime, path, observed=None):
    """Observe slices of the final test set, as in `OBSERVED`, going on from what a file holds,
    which is written after every few trajectories; `ValueError` if it was made of other ones."""
    path, observed = Path(path), OBSERVED[regime] if observed is None else observed
    n_most = max(20, *(n for _, _, n in observed))  # as many as the digest is of
    data = make_dataset(n_most, "test", FINAL_TEST, regime)
    kept = {
        "regime": regime,
        "data": data_digest(data),
        "observations": [],
        "record": {"processor_time_s": 0.0} | circumstances("numpy", "numba"),
    }
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["data"] != data_digest(data):
            raise ValueError(f"{path} was made of other trajectories: remove it to begin anew")
    parts = {(part["start"], part["length"]): part for part in kept["observations"]}
    for start, length, n in observed:
        if (start, length) not in parts:
            parts[start, length] = {"start": start, "length": length, "first": [], "last": []}
            kept["observations"].append(parts[start, length])
        part = parts[start, length]
        todo = range(len(part["first"]), n, _PORTION)
        if todo:
            observer = IdealObserver(
                data.config, start, length, highest_start=_highest_start(regime)
            )
        for low in todo:
            began = time.process_time()
            rows = data.trajectories[low : min(low + _PORTION, n), start : start + length]
            seen = observer.observe(rows)
            part["first"] += seen.first.round(4).tolist()
            part["last"] += seen.last.round(4).tolist()
            spent = kept["record"]["processor_time_s"] + time.process_time() - began
            kept["record"]["processor_time_s"] = round(spent, 1)
            write_json(path, kept, indent=None)
            print(f"{regime}, {length} frames from {start}: {len(part['first'])} of {n}")


def approximate(regime, path, n_validation=None, n_test=N_TEST):
    """Ask the normal approximation of validation and of test trajectories, and keep its answers.

    The search begins at the truth and keeps a trace of it, so that the share of right guesses is a
    little too high: the mean certainty is the better estimate. False if it is there already.
    """
    observer = ApproximateObserver(regime_settings(regime), _highest_start(regime))
    n_validation = n_validation or N_APPROXIMATE[regime]

    def shares(n, family, index):
        data = make_dataset(n, family, index, regime)
        portions = np.array_split(data.trajectories, max(1, n // _PORTION))
        bar = tqdm(portions, f"{regime}, {family}")
        return np.concatenate([observer.observe(portion) for portion in bar]), data.labels

    def make():
        found, labels = shares(n_validation, "validation", APPROXIMATE_INDEX)
        expected, error = mean_certainty(found)
        return {
            "expected_accuracy": expected,
            "standard_error": error,
            "accuracy": float(((found > 0.5) == labels).mean()),
            "test": shares(n_test, "test", FINAL_TEST)[0].round(4).tolist(),
        }

    made_for = {
        "regime": regime,
        "data": data_digest(make_dataset(20, "test", FINAL_TEST, regime)),
        "n_validation": n_validation,
        "n_test": n_test,
    }
    return keep(Path(path), made_for, make, packages=("numpy", "numba"), indent=None)


def load_ceilings(regime, folder=paths.RESULTS):
    """The kept observations of a regime, as a dict of (start, length) to `Ceiling`."""
    path = Path(folder) / f"ceiling_{regime}.json"
    if not path.exists():
        return {}
    return {
        (part["start"], part["length"]): Ceiling(
            part["start"], part["length"], np.array(part["first"]), np.array(part["last"])
        )
        for part in json.loads(path.read_text())["observations"]
    }


def load_approximate(regime, folder=paths.RESULTS):
    """What `approximate` has found for a regime; None if it has not been asked."""
    path = Path(folder) / f"ceiling_{regime}_approximate.json"
    return json.loads(path.read_text()) if path.exists() else None


def ceiling_of_test_set(regime, folder=paths.RESULTS):
    """The `Ceiling` of whole test trajectories: approximate where that holds, else by sampling."""
    n_frames = regime_settings(regime).n_frames
    if regime in N_APPROXIMATE and (found := load_approximate(regime, folder)):
        return Ceiling(0, n_frames, np.array(found["test"]))
    whole = load_ceilings(regime, folder).get((0, n_frames))
    if whole is None:
        raise ValueError(
            f"no ceiling of {regime!r} in {folder}: run python -m mb_support.studies "
            f"classification ceiling_{regime}"
        )
    return whole


def _make(regime):
    observe(regime, paths.RESULTS / f"ceiling_{regime}.json")
    if regime in N_APPROXIMATE:
        approximate(regime, paths.RESULTS / f"ceiling_{regime}_approximate.json")


def parts():
    """{name: function that observes and keeps it}, such as "ceiling_wild"."""
    return {f"ceiling_{regime}": partial(_make, regime) for regime in OBSERVED}
