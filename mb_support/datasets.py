"""Sets of simulated trajectories with their labels: fixed ones, and endless fresh streams."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from .simulation import REGIMES, sample_starts, simulate
from .states import assign_states

#: First seed of each family. Seeds of different families never meet, so a trajectory used for
#: a choice (train, validation) is never one that is scored (test).
SEED_FAMILIES = {"train": 1, "test": 10_000, "validation": 20_000, "stream": 30_000}
LABELS = ("first", "last")


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
        A key of `simulation.REGIMES`.
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
    if regime not in REGIMES:
        raise ValueError(f"unknown regime {regime!r}: choose one of {list(REGIMES)}")
    if label not in LABELS:
        raise ValueError(f"unknown label {label!r}: choose one of {list(LABELS)}")
    seed = family_seed(family, index)
    config = replace(REGIMES[regime], **cfg)
    trajectories = simulate(config, sample_starts(n_trajectories, seed), seed)
    labels = assign_states(trajectories[:, 0 if label == "first" else -1])
    return TrajectorySet(trajectories, labels, config, seed)


class FreshTrajectories(torch.utils.data.Dataset):
    """A stream of trajectories that no model has seen, addressed by number.

    Item i is simulated when asked for, and depends on the seed and i only: any split over
    processes, workers or batches, and any resumed run, sees the same trajectories. Early items
    may be shorter than later ones (a curriculum), as every batch lies within one stage.

    Parameters
    ----------
    stages : sequence of (n_frames, n_items)
        Lengths of the trajectories, stage after stage.
    seed : int
    regime : str
    guidance : callable, optional
        From item number to the weight of the auxiliary loss; adds "states", the state of each
        frame, and "guidance" to an item.
    """

    def __init__(self, stages, seed, regime="metastable", guidance=None):
        if regime not in REGIMES:
            raise ValueError(f"unknown regime {regime!r}: choose one of {list(REGIMES)}")
        self.stages = [(int(n_frames), int(n_items)) for n_frames, n_items in stages]
        if not self.stages or any(f < 2 or n < 1 for f, n in self.stages):
            raise ValueError(
                f"stages must be pairs (n_frames >= 2, n_items >= 1); got {list(stages)}"
            )
        self.seed, self.regime, self.guidance = seed, regime, guidance
        self._ends = np.cumsum([n_items for _, n_items in self.stages])

    def __len__(self):
        return int(self._ends[-1])

    def n_frames(self, item):
        """Length of item number `item`."""
        return self.stages[int(np.searchsorted(self._ends, item, side="right"))][0]

    def __getitem__(self, item):
        return self.__getitems__([item])[0]

    def __getitems__(self, items):
        """Items by number, simulated together where their numbers are consecutive."""
        items = np.asarray(items, dtype=np.int64)
        if (items < 0).any() or (items >= len(self)).any():
            raise IndexError(f"items must lie in 0..{len(self) - 1}")
        runs = np.split(items, np.flatnonzero(np.diff(items) != 1) + 1)
        return [record for run in runs for record in self._simulate_run(run)]

    def _simulate_run(self, items):
        first, n = int(items[0]), len(items)
        config = replace(REGIMES[self.regime], n_frames=max(self.n_frames(i) for i in items))
        trajectories = simulate(
            config,
            sample_starts(n, self.seed, first_trajectory=first),
            self.seed,
            first_trajectory=first,
        )
        states = assign_states(trajectories if self.guidance else trajectories[:, :1])
        for item, trajectory, state in zip(items, trajectories, states, strict=True):
            n_frames = self.n_frames(item)
            record = {
                "trajectories": torch.from_numpy(trajectory[:n_frames].copy()),
                "labels": torch.tensor(int(state[0])),
            }
            if self.guidance:
                record["states"] = torch.from_numpy(state[:n_frames].copy())
                record["guidance"] = torch.tensor(self.guidance(int(item)), dtype=torch.float32)
            yield record
