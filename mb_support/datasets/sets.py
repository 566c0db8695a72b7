"""Sets of simulated trajectories with their labels: fixed ones, and endless fresh streams."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from ..checks import checked_count, checked_name, checked_positive
from ..potential import MUELLER_BROWN, SADDLES
from ..potential import potential as energy
from ..simulation.langevin import sample_starts, simulate
from ..simulation.settings import REGIMES, SimulationConfig
from ..states import assign_states
from .own import checked_runs, cut, read_file

#: First seed of each family. Seeds of different families never meet, so a trajectory used for
#: a choice (train, validation) is never one that is scored (test). Test seeds of editions before
#: this one, 10,000 to 18,999, had been looked at while models were chosen: they are retired.
SEED_FAMILIES = {"train": 1, "test": 60_000, "validation": 20_000, "stream": 30_000}
#: Index of the test set that final accuracies are scored on. Set 0 was shown to provisional models.
FINAL_TEST = 1
#: The name under which the `metastable` regime is started only where a particle could be found:
#: in the part of the box of starts that lies below the upper saddle.
EASY_STARTS = "easy_starts"
_EASY_CANDIDATES = 64


@dataclass(frozen=True)
class TrajectorySet:
    """Labelled trajectories: raw coordinates, (n, n_frames, n_features) float32, and labels, (n,).

    Made by `make_dataset`, or of one's own by `from_arrays` and `from_file`. `config` and `seed`
    are those of a simulation, and `potential` is what it and the labels are of. `mask`,
    (n, n_frames), is False for padding; `runs`, (n,), numbers the run that a window was cut from.
    """

    trajectories: np.ndarray
    labels: np.ndarray
    config: object = None
    seed: int | None = None
    mask: np.ndarray | None = None
    runs: np.ndarray | None = None
    potential: object = MUELLER_BROWN

    def __len__(self):
        return len(self.trajectories)

    @property
    def n_features(self):
        """Coordinates of a frame."""
        return self.trajectories.shape[-1]

    @property
    def n_states(self):
        """One more than the largest label, at least two."""
        return max(2, int(self.labels.max()) + 1)

    @classmethod
    def from_arrays(cls, trajectories, labels=None, *, window=None, stride=None):
        """A set from arrays of one's own.

        Parameters
        ----------
        trajectories : (n, n_frames, n_features) array_like, or list of (n_frames, n_features)
            Trajectories, of unequal length if need be: they are padded then. An array of two
            dimensions is one run.
        labels : sequence, optional
            For each trajectory an integer from 0, or one for each of its frames; the label of a
            trajectory, and of a window, is that of its first frame. Without labels all are 0.
        window : int, optional
            Cut runs into windows of so many frames, never across two runs; what is left over at a
            run's end is dropped.
        stride : int, optional
            Frames from one window to the next, by default as many as it has.

        Raises
        ------
        ValueError
            If a shape does not fit, a number is not finite, or labels are not integers from 0.

        Examples
        --------
        >>> data = TrajectorySet.from_arrays(np.random.rand(3, 1000, 4), [0, 1, 2], window=100)
        >>> data.trajectories.shape, data.labels[:12].tolist()
        ((30, 100, 4), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
        """
        runs, labels = checked_runs(trajectories, labels)
        if window is not None:
            window = checked_count("window", window, 2)
            stride = checked_count("stride", window if stride is None else stride, 1)
            cut_out, found, numbers = cut(runs, labels, window, stride)
            return cls(cut_out, found, runs=numbers)
        lengths = np.array([len(run) for run in runs])
        if lengths.min() < 2:
            raise ValueError("trajectories must have at least 2 frames")
        padded = np.zeros((len(runs), lengths.max(), runs[0].shape[1]), np.float32)
        for row, run in zip(padded, runs, strict=True):
            row[: len(run)] = run
        first = [label if np.ndim(label) == 0 else label[0] for label in labels]
        mask = np.arange(lengths.max()) < lengths[:, None]
        return cls(
            padded,
            np.array(first, dtype=np.int64),
            mask=None if mask.all() else mask,
            runs=np.arange(len(runs)),
        )

    @classmethod
    def from_file(cls, path, *, topology=None, labels=None, window=None, stride=None, **settings):
        """A set from a file: .npz, zarr, or a trajectory of molecular dynamics.

        An .npz file, or a zarr group, holds `trajectories` and, unless they are given here,
        `labels`. Of .xtc, .trr, .dcd and the like, which need MDAnalysis and a `topology`, sine and
        cosine of the backbone dihedrals are taken (`datasets.own.dihedral_features`, which takes
        `settings` such as ``step=10``). The rest is as for `from_arrays`.
        """
        trajectories, found = read_file(path, topology, **settings)
        return cls.from_arrays(
            trajectories, found if labels is None else labels, window=window, stride=stride
        )

    def take(self, rows):
        """The trajectories with some numbers, as a set."""
        parts = (self.trajectories, self.labels, self.mask, self.runs)
        trajectories, labels, mask, runs = (None if p is None else p[rows] for p in parts)
        return replace(self, trajectories=trajectories, labels=labels, mask=mask, runs=runs)

    def split(self, share=0.1, seed=0):
        """Two sets, the second with about a share of the runs: no run is in both."""
        if not checked_positive("share", share) < 1:
            raise ValueError(f"share must be less than 1; got {share!r}")
        seed = checked_count("seed", seed, 0)
        runs = np.arange(len(self)) if self.runs is None else self.runs
        names = np.random.default_rng(seed).permutation(np.unique(runs))
        if len(names) < 2:
            raise ValueError("there must be at least two runs to split; cut one run into several")
        held = np.isin(runs, names[: min(len(names) - 1, max(1, round(share * len(names))))])
        return self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))


def family_seed(family, index=0):
    """Seed number `index` of a family; `ValueError` for an unknown family or index."""
    checked_name("seed family", family, SEED_FAMILIES)
    return SEED_FAMILIES[family] + checked_count("seed index", index, 0, 8_999)


def regime_settings(regime):
    """The `SimulationConfig` of a regime, or of "easy_starts"; `ValueError` if unknown."""
    checked_name("regime", regime, [*REGIMES, EASY_STARTS])
    return REGIMES["metastable" if regime == EASY_STARTS else regime]


def starts_of(regime, n, seed, first_trajectory=0):
    """Starts as a data set draws them, (n, 2): uniform over the box, or its part below the saddle.

    `regime` is a key of `simulation.REGIMES` or "easy_starts"; the rest is as for `sample_starts`.
    """
    if regime != EASY_STARTS:
        return sample_starts(n, seed, first_trajectory=first_trajectory)
    candidates = sample_starts(
        n * _EASY_CANDIDATES, seed, first_trajectory=first_trajectory * _EASY_CANDIDATES
    ).reshape(n, _EASY_CANDIDATES, 2)
    is_low = energy(candidates) < energy(SADDLES[0])
    return candidates[np.arange(n), is_low.argmax(axis=1)]


def make_dataset(
    n_trajectories, family="test", index=0, regime="metastable", *, potential=MUELLER_BROWN, **cfg
):
    """Simulate trajectories from uniform random starts and label them.

    Parameters
    ----------
    n_trajectories : int
    family : {"train", "test", "validation"}
        Which seeds to draw on; train and test differ in nothing else.
    index : int
        Which seed of the family.
    regime : str or SimulationConfig
        A key of `simulation.REGIMES`, or "easy_starts"; or settings of your own.
    potential : Potential
        Of which starts, dynamics and states are; "easy_starts" is for Müller-Brown only.
    **cfg
        Fields of `SimulationConfig` that replace those of the regime (`n_frames=250`, ...).

    Returns
    -------
    TrajectorySet
    """
    given = regime if isinstance(regime, SimulationConfig) else regime_settings(regime)
    config = SimulationConfig.from_dict(given.to_dict() | cfg)
    seed = family_seed(family, index)
    if potential is MUELLER_BROWN:
        starts = starts_of(regime, n_trajectories, seed)
    elif isinstance(regime, str) and regime == EASY_STARTS:
        raise ValueError("easy_starts is a data set of the Müller-Brown potential only")
    else:
        starts = sample_starts(n_trajectories, seed, potential=potential)
    trajectories = simulate(config, starts, seed, potential=potential)
    labels = assign_states(trajectories[:, 0], potential)
    return TrajectorySet(trajectories, labels, config, seed, potential=potential)


def as_item(window, label, mask=None):
    """A window, (n_frames, n_features), its label and mask as an item of a training."""
    item = {"trajectories": torch.from_numpy(window), "labels": torch.tensor(int(label))}
    return item if mask is None else item | {"attention_mask": torch.from_numpy(mask)}


class Windows(torch.utils.data.Dataset):
    """Items of a training, addressed by number: windows of given lengths, stage after stage.

    `stages` are pairs (n_frames, n_items): lengths of the windows, and how many there are of each.
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
        return [as_item(*self._window(item)) for item in items]


@lru_cache(maxsize=4)
def order_of_pass(seed, number, n):
    """Order in which pass `number` goes through `n` items of a fixed set, an (n,) ndarray."""
    return np.random.default_rng((seed, number)).permutation(n)


class FreshTrajectories(Windows):
    """A stream of trajectories that no model has seen, addressed by number.

    Item i depends on the seed and i only: any split over batches, workers and processes gives the
    same trajectories, and an interrupted training goes on with the ones it would have seen.
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


class FixedTrajectories(Windows):
    """A fixed set of trajectories gone through again and again, in a new order on each pass.

    A window shorter than the trajectories is cut out of one at random and has the state of its own
    first frame as label, if labels of the set are such states. Of any other set, where nobody knows
    that, it is the beginning of a trajectory, with its label. Orders and cuts of item i depend on
    the seed and i only.
    """

    def __init__(self, data, stages, seed):
        super().__init__(stages)
        self.data, self.seed = data, seed
        longest, available = max(n for n, _ in self.stages), data.trajectories.shape[1]
        if longest > available:
            raise ValueError(
                f"windows of {longest} frames do not fit into trajectories of {available}"
            )
        self._may_cut = data.config is not None and np.array_equal(
            data.labels, assign_states(data.trajectories[:, 0], data.potential)
        )

    def _window(self, item):
        number, place = divmod(item, len(self.data))
        row = order_of_pass(self.seed, number, len(self.data))[place]
        n_frames = self.n_frames(item)
        trajectory = self.data.trajectories[row]
        if not self._may_cut:
            mask = None if self.data.mask is None else self.data.mask[row, :n_frames].copy()
            return trajectory[:n_frames].copy(), self.data.labels[row], mask
        n_places = len(trajectory) - n_frames + 1
        begin = np.random.default_rng((self.seed, item, 1)).integers(n_places)
        window = trajectory[begin : begin + n_frames].copy()
        return window, assign_states(window[:1], self.data.potential)[0]
