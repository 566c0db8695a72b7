"""What the ideal observer makes of the test sets, computed once and kept.

``python -m mb_support.ceiling --regime metastable`` writes ``results/ceiling_metastable.json``. It
says for each trajectory, and for slices, how probable state B is to an observer who knows the
dynamics exactly but sees standardised coordinates, as the model does.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import paths
from .cache import SOLVER_MODULES, cached
from .datasets import make_dataset
from .observer import IdealObserver
from .regimes import REGIMES

#: (first frame, frames, trajectories) of what is observed of test set 0.
OBSERVED = ((0, 1000, 1000), (0, 250, 300), (50, 250, 300), (200, 250, 300), (600, 250, 300))

_MODULES = (*SOLVER_MODULES, "kernels", "simulation", "datasets", "transition_density", "observer")


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


def observe(regime, progress=True, observed=OBSERVED):
    """Compute what `results/ceiling_<regime>.json` holds.

    Parameters
    ----------
    regime : str
        Key of `REGIMES`.
    progress : bool
        Print a line for each part.
    observed : sequence of (first frame, frames, trajectories)

    Returns
    -------
    dict
    """
    began, parts = time.monotonic(), []
    data = make_dataset(max(n for _, _, n in observed), "test", 0, regime)
    for start, length, n in observed:
        # in portions, each kept, so that an interrupted run loses little
        first, last = [], []
        for low in range(0, n, 100):
            high = min(low + 100, n)

            def compute(low=low, high=high, start=start, length=length):
                observer = IdealObserver(REGIMES[regime], start, length, seed=40_000 + low)
                seen = observer.observe(data.trajectories[low:high, start : start + length])
                return {"first": seen.first, "last": seen.last}

            key = {"regime": regime, "start": start, "length": length, "rows": [low, high]}
            found = cached("ceiling", key, compute, _MODULES)
            first.append(found["first"])
            last.append(found["last"])
            if progress:
                print(f"{regime} {key}: {time.monotonic() - began:.0f} s", flush=True)
        first, last = (np.concatenate(part).round(5).tolist() for part in (first, last))
        parts.append({"start": start, "length": length, "first": first, "last": last})
    return {
        "regime": regime,
        "seconds": round(time.monotonic() - began, 1),
        "observations": parts,
    }


def load_ceilings(regime, folder=paths.RESULTS):
    """The kept observations of a regime.

    Parameters
    ----------
    regime : str
    folder : path

    Returns
    -------
    dict of (start, length) to Ceiling

    Raises
    ------
    ValueError
        If there are none.
    """
    path = Path(folder) / f"ceiling_{regime}.json"
    if not path.exists():
        raise ValueError(
            f"no observations of regime {regime!r} in {path.parent}: run "
            f"python -m mb_support.ceiling --regime {regime}"
        )
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
    parser.add_argument("--regime", required=True, choices=["metastable", "wild"])
    parser.add_argument("--output", type=Path, default=paths.RESULTS, help="folder to write to")
    options = parser.parse_args(arguments)
    record = observe(options.regime)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"ceiling_{options.regime}.json"
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(record) + "\n")
    partial.rename(path)
    for part in load_ceilings(options.regime, options.output).values():
        value, error = part.expected_accuracy
        print(f"{options.regime} [{part.start}, +{part.length}]: {value:.4f} +- {error:.4f}")


if __name__ == "__main__":
    main()
