"""Sets of simulated trajectories with their labels: fixed ones, and endless fresh streams."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from .simulation import REGIMES, sample_starts, simulate
from .states import assign_states, height_above_ridge
from .teacher import Teacher

#: First seed of each family. Seeds of different families never meet, so a trajectory used for
#: a choice (train, validation) is never one that is scored (test).
SEED_FAMILIES = {"train": 1, "test": 10_000, "validation": 20_000, "stream": 30_000}
LABELS = ("first", "last")
#: A start is near the ridge if it lies within this height of the separatrix, reduced length.
NEAR_RIDGE = 0.35
#: How starts are focused while a trained model is refined: nearer, hence more candidates.
REFINING_FOCUS = {"near_ridge": 0.15, "n_candidates": 48}
#: Frames at the beginning of a thinned trajectory that are all kept: starts are what is asked for.
DENSE_FRAMES = 32


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


def focused_starts(n, seed, first_trajectory=0, n_candidates=16, near_ridge=NEAR_RIDGE):
    """Starts near the ridge, where the state of the first frame is hard to tell.

    Parameters
    ----------
    n, seed, first_trajectory : int
        As for `simulation.sample_starts`; start number i does not depend on the others.
    n_candidates : int
        Uniform candidates drawn for each; the first one near the ridge is taken.
    near_ridge : float
        Largest vertical distance to the separatrix, reduced length.

    Returns
    -------
    (n, 2) ndarray of float
    """
    candidates = sample_starts(
        n * n_candidates, seed, first_trajectory=first_trajectory * n_candidates
    ).reshape(n, n_candidates, 2)
    near = np.abs(height_above_ridge(candidates)) < near_ridge
    return candidates[np.arange(n), near.argmax(axis=1)]  # the first candidate if none is near


def thinned_frames(n_frames, n_kept, seed, block_length=1):
    """Frames that stand for a whole trajectory: all of its beginning, and samples of the rest.

    Parameters
    ----------
    n_frames : int
    n_kept : int
        More than `DENSE_FRAMES`, at most `n_frames`; those above `DENSE_FRAMES` are whole blocks.
    seed : int or sequence of int
    block_length : int
        Neighbouring frames that are kept together, so that the steps between them are seen.

    Returns
    -------
    frames : (n_kept,) ndarray of int64
        Increasing: the first `DENSE_FRAMES` frames, then one block at random out of each of equal
        stretches.
    counts : (n_kept,) ndarray of float32
        How many frames each of them stands for; they sum to `n_frames`.

    Raises
    ------
    ValueError
        If `n_kept` is out of range, or does not leave room for whole blocks.
    """
    if not DENSE_FRAMES < n_kept <= n_frames:
        raise ValueError(f"n_kept must lie in {DENSE_FRAMES + 1}..{n_frames}; got {n_kept}")
    n_sampled = n_kept - DENSE_FRAMES
    if block_length < 1 or n_sampled % block_length:
        raise ValueError(
            f"n_kept - {DENSE_FRAMES} = {n_sampled} frames are not blocks of {block_length}"
        )
    n_blocks = n_sampled // block_length
    stretch = (n_frames - DENSE_FRAMES) / n_blocks
    begins = np.arange(n_blocks) * stretch
    free = stretch if block_length == 1 else stretch - block_length
    drawn = begins + free * np.random.default_rng(seed).random(n_blocks)
    first = np.minimum(DENSE_FRAMES + drawn.astype(np.int64), n_frames - block_length)
    blocks = first[:, None] + np.arange(block_length)
    counts = np.full(n_sampled, stretch / block_length)
    return (
        np.r_[np.arange(DENSE_FRAMES), blocks.ravel()],
        np.r_[np.ones(DENSE_FRAMES), counts].astype(np.float32),
    )


class FreshTrajectories(torch.utils.data.Dataset):
    """A stream of trajectories that no model has seen, addressed by number.

    Item i is simulated when asked for, and depends on the seed and i only: any split over
    processes, workers or batches, and any resumed run, sees the same trajectories. Early items
    may be shorter than later ones (a curriculum), as every batch lies within one stage.

    Parameters
    ----------
    stages : sequence of (n_frames, n_items) or (n_frames, n_items, n_kept)
        Lengths of the trajectories, stage after stage. With `n_kept`, items also hold "frames"
        and "counts", the `thinned_frames` that stand for all but the last.
    seed : int
    regime : str
    n_guided : int
        Number of items, from the first, that are made for learning quickly: every second of
        them starts near the ridge, and they hold "states", the state of each frame, and
        "guidance", a weight that falls linearly from one to zero.
    block_length : int
        As for `thinned_frames`.
    taught : bool
        If True, guided trajectories are made for refining instead. Three of four start near the
        ridge, nearer than before, and they hold what the `Teacher` concludes from the frames
        shown: "soft_labels" for the state of the first one, "located", where all but the last
        frame lie, and "states" there. "guidance" stays one.
    """

    def __init__(self, stages, seed, regime="metastable", n_guided=0, block_length=1, taught=False):
        if regime not in REGIMES:
            raise ValueError(f"unknown regime {regime!r}: choose one of {list(REGIMES)}")
        self.stages = [tuple(int(number) for number in stage) for stage in stages]
        if not self.stages or any(stage[0] < 2 or stage[1] < 1 for stage in self.stages):
            raise ValueError(
                "stages must be (n_frames >= 2, n_items >= 1) or (n_frames, n_items, n_kept); "
                f"got {list(stages)}"
            )
        self.seed, self.regime, self.n_guided = seed, regime, int(n_guided)
        self.block_length = block_length
        self.teacher = Teacher(REGIMES[regime]) if taught else None
        self._ends = np.cumsum([stage[1] for stage in self.stages])

    def __len__(self):
        return int(self._ends[-1])

    def stage(self, item):
        """The stage that item number `item` belongs to."""
        return self.stages[int(np.searchsorted(self._ends, item, side="right"))]

    def n_frames(self, item):
        """Length of item number `item`."""
        return self.stage(item)[0]

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
        starts = sample_starts(n, self.seed, first_trajectory=first)
        if self.teacher is None:
            focused, focus = items % 2 == 0, {}
        else:
            focused, focus = items % 4 != 3, REFINING_FOCUS
        focused &= items < self.n_guided
        if focused.any():
            near = focused_starts(n, self.seed + 1, first_trajectory=first, **focus)
            starts[focused] = near[focused]
        config = replace(REGIMES[self.regime], n_frames=max(self.n_frames(i) for i in items))
        trajectories = simulate(config, starts, self.seed, first_trajectory=first)
        show_states = self.n_guided and self.teacher is None
        states = assign_states(trajectories if show_states else trajectories[:, :1])
        for item, trajectory, state in zip(items, trajectories, states, strict=True):
            n_frames = self.n_frames(item)
            record = {
                "trajectories": torch.from_numpy(trajectory[:n_frames].copy()),
                "labels": torch.tensor(int(state[0])),
            }
            if show_states:
                record["states"] = torch.from_numpy(state[:n_frames].copy())
            if self.n_guided:
                share = 1.0 if self.teacher is not None else 1.0 - item / self.n_guided
                record["guidance"] = torch.tensor(share if item < self.n_guided else 0.0)
            frames = None
            if len(self.stage(item)) > 2:
                frames, counts = thinned_frames(
                    n_frames - 1, self.stage(item)[2], (self.seed, int(item)), self.block_length
                )
                record |= {"frames": torch.from_numpy(frames), "counts": torch.from_numpy(counts)}
            if self.teacher is not None and self.n_guided:
                shares, located = self.teacher.judge(trajectory[: n_frames - 1], frames)
                record["soft_labels"] = torch.from_numpy(shares)
                record["located"] = torch.from_numpy(located.astype(np.float32))
                record["states"] = torch.from_numpy(assign_states(located))
            yield record
