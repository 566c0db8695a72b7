"""Sets of simulated trajectories with their labels: fixed ones, and endless fresh streams."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from .potential import SADDLES, potential
from .simulation import REGIMES, sample_starts, simulate
from .states import assign_states

#: First seed of each family. Seeds of different families never meet, so a trajectory used for
#: a choice (train, validation) is never one that is scored (test). Test seeds of editions before
#: this one, 10,000 to 18,999, had been looked at while models were chosen: they are retired.
SEED_FAMILIES = {"train": 1, "test": 60_000, "validation": 20_000, "stream": 30_000}
#: Index of the test set that final accuracies are scored on. Set 0 was shown to provisional models.
FINAL_TEST = 1
LABELS = ("first", "last")
#: The name under which the `metastable` regime is started only where a particle could be found:
#: in the part of the box of starts that lies below the upper saddle.
EASY_STARTS = "easy_starts"
_EASY_CANDIDATES = 64


@dataclass(frozen=True)
class TrajectorySet:
    """Simulated trajectories and what is known of them.

    Parameters
    ----------
    trajectories : (n_trajectories, n_frames, 2) ndarray of float32
        Raw coordinates; frame 0 is the start.
    labels : (n_trajectories,) ndarray of int64
        State of the first frame (or of the last, see `make_dataset`).
    config : SimulationConfig
    seed : int
    """

    trajectories: np.ndarray
    labels: np.ndarray
    config: object
    seed: int

    def __len__(self):
        return len(self.trajectories)


def family_seed(family, index=0):
    """Seed number `index` of a family; `ValueError` for an unknown family or index."""
    if family not in SEED_FAMILIES:
        raise ValueError(f"unknown seed family {family!r}: choose one of {list(SEED_FAMILIES)}")
    if not 0 <= index < 9_000:
        raise ValueError(f"seed index must lie in 0..8999; got {index}")
    return SEED_FAMILIES[family] + index


def regime_settings(regime):
    """The `SimulationConfig` of a regime, or of "easy_starts"; `ValueError` if unknown."""
    if regime == EASY_STARTS:
        return REGIMES["metastable"]
    if regime not in REGIMES:
        raise ValueError(f"unknown regime {regime!r}: choose one of {[*REGIMES, EASY_STARTS]}")
    return REGIMES[regime]


def starts_of(regime, n, seed, first_trajectory=0):
    """Starts as a data set draws them: uniform over the box, or over its part below the saddle.

    Parameters
    ----------
    regime : str
        A key of `simulation.REGIMES`, or "easy_starts".
    n, seed, first_trajectory : int
        As for `simulation.sample_starts`; start number i does not depend on the others.

    Returns
    -------
    (n, 2) ndarray of float
    """
    if regime != EASY_STARTS:
        return sample_starts(n, seed, first_trajectory=first_trajectory)
    candidates = sample_starts(
        n * _EASY_CANDIDATES, seed, first_trajectory=first_trajectory * _EASY_CANDIDATES
    ).reshape(n, _EASY_CANDIDATES, 2)
    is_low = potential(candidates) < potential(SADDLES[0])
    return candidates[np.arange(n), is_low.argmax(axis=1)]


def make_dataset(n_trajectories, family="test", index=0, regime="metastable", label="first", **cfg):
    """Simulate trajectories from uniform random starts and label them.

    Parameters
    ----------
    n_trajectories : int
    family : {"train", "test", "validation"}
        Which seeds to draw on; train and test differ in nothing else.
    index : int
        Which seed of the family.
    regime : str
        A key of `simulation.REGIMES`, or "easy_starts".
    label : {"first", "last"}
        The frame whose state is the label of the trajectory.
    **cfg
        Fields of `SimulationConfig` that replace those of the regime (`n_frames=250`, ...).

    Returns
    -------
    TrajectorySet

    Raises
    ------
    ValueError
        If the regime, family or label is unknown, or a simulation setting is impossible.
    """
    config = replace(regime_settings(regime), **cfg)
    if label not in LABELS:
        raise ValueError(f"unknown label {label!r}: choose one of {list(LABELS)}")
    seed = family_seed(family, index)
    trajectories = simulate(config, starts_of(regime, n_trajectories, seed), seed)
    labels = assign_states(trajectories[:, 0 if label == "first" else -1])
    return TrajectorySet(trajectories, labels, config, seed)


class _Windows(torch.utils.data.Dataset):
    """Items of a training, addressed by number: windows of given lengths, stage after stage.

    Parameters
    ----------
    stages : sequence of (n_frames, n_items)
        Lengths of the windows, and how many there are of each, in order.
    """

    def __init__(self, stages):
        self.stages = [tuple(int(number) for number in stage) for stage in stages]
        if not self.stages or any(f < 2 or n < 1 for f, n in self.stages):
            raise ValueError(
                f"stages must be pairs (n_frames >= 2, n_items >= 1); got {list(stages)}"
            )
        self._ends = np.cumsum([n for _, n in self.stages])

    def __len__(self):
        return int(self._ends[-1])

    def n_frames(self, item):
        """Length of item number `item`."""
        return self.stages[self._stage(item)][0]

    def _stage(self, item):
        return int(np.searchsorted(self._ends, item, side="right"))

    def __getitem__(self, item):
        return self.__getitems__([item])[0]

    def __getitems__(self, items):
        """Items by number, as a list of dictionaries."""
        items = [int(item) for item in items]
        if min(items) < 0 or max(items) >= len(self):
            raise IndexError(f"items must lie in 0..{len(self) - 1}")
        found = []
        for item in items:
            window, label = self._window(item)
            found.append(
                {"trajectories": torch.from_numpy(window), "labels": torch.tensor(int(label))}
            )
        return found


class FreshTrajectories(_Windows):
    """A stream of trajectories that no model has seen, addressed by number.

    Item i depends on the seed and i only: any split over batches, workers and processes gives
    the same trajectories, and an interrupted training goes on with the ones it would have seen.

    Parameters
    ----------
    stages : sequence of (n_frames, n_items)
        Lengths of the trajectories, stage after stage.
    seed : int
    regime : str
        A key of `simulation.REGIMES`, or "easy_starts".
    """

    _BLOCK = 1024  # trajectories simulated together

    def __init__(self, stages, seed, regime="metastable"):
        super().__init__(stages)
        self.seed, self.regime = seed, regime
        self.config = regime_settings(regime)
        self._blocks = {}

    def _window(self, item):
        number, row = divmod(item, self._BLOCK)
        if number not in self._blocks:
            self._blocks = {n: b for n, b in self._blocks.items() if n == number - 1}
            self._blocks[number] = self._simulate(number)
        trajectories, labels = self._blocks[number]
        return trajectories[row, : self.n_frames(item)].copy(), labels[row]

    def _simulate(self, number):
        first = number * self._BLOCK
        n = min(self._BLOCK, len(self) - first)
        stages = self.stages[self._stage(first) : self._stage(first + n - 1) + 1]
        n_frames = max(n_frames for n_frames, _ in stages)
        starts = starts_of(self.regime, n, self.seed, first)
        config = replace(self.config, n_frames=n_frames)
        trajectories = simulate(config, starts, self.seed, first_trajectory=first)
        return trajectories, assign_states(trajectories[:, 0])


class FixedTrajectories(_Windows):
    """A fixed set of trajectories gone through again and again, in a new order on each pass.

    A window shorter than the trajectories is cut out of one at random; its label is the state of
    its own first frame.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) ndarray of float32
    stages : sequence of (n_frames, n_items)
    seed : int
        Of orders and cuts: item i depends on it and on i only.

    Raises
    ------
    ValueError
        If a stage is longer than the trajectories.
    """

    def __init__(self, trajectories, stages, seed):
        super().__init__(stages)
        self.trajectories, self.seed = trajectories, seed
        longest = max(n_frames for n_frames, _ in self.stages)
        if longest > trajectories.shape[1]:
            raise ValueError(
                f"windows of {longest} frames do not fit into trajectories of "
                f"{trajectories.shape[1]}"
            )
        self._pass = (None, None)

    def _window(self, item):
        number, place = divmod(item, len(self.trajectories))
        if self._pass[0] != number:
            order = np.random.default_rng((self.seed, number)).permutation(len(self.trajectories))
            self._pass = number, order
        trajectory, n_frames = self.trajectories[self._pass[1][place]], self.n_frames(item)
        n_places = len(trajectory) - n_frames + 1
        begin = np.random.default_rng((self.seed, item, 1)).integers(n_places)
        window = trajectory[begin : begin + n_frames].copy()
        return window, assign_states(window[:1])[0]
