"""The kept runs of the molecule: dihedrals, states, passages, and windows for training."""

import json
from dataclasses import dataclass

import numpy as np

from .simulation import QUANTA, RESULTS, Simulation

#: Picoseconds at the beginning of a run in which it forgets its start; left out everywhere.
SETTLE = 50.0
#: Frames of a training are this many kept frames apart, and a window has so many of them.
STRIDE, N_WINDOW = 2, 128
#: What runs are for; a training takes some of its runs for validation.
SPLIT = {"train": range(0, 8), "test": range(8, 12)}
#: Radius (radians) of the disks around the two minima between which passages are counted.
RADIUS = 0.35


@dataclass(frozen=True)
class Runs:
    """Dihedrals phi, psi in radians of independent runs, (n_runs, n_frames, 2), settled."""

    dihedrals: np.ndarray
    left: np.ndarray  # the one more run, from the left-handed helix: (n_frames, 2), from its start
    settings: Simulation

    @property
    def total_ns(self):
        """Nanoseconds of all runs but the left-handed one."""
        return 1e-3 * self.settings.frame_time * self.dihedrals[..., 0].size


def load_runs(results=RESULTS, settle=SETTLE):
    """What ``make molecule`` kept, without the first `settle` ps of each run."""
    settings = Simulation(**json.loads((results / "record.json").read_text())["simulation"])
    with np.load(results / "dihedrals.npz") as kept:
        angles = kept["runs"] / np.float32(QUANTA)
    settled = round(settle / settings.frame_time)
    return Runs(angles[:-1, settled:], angles[-1], settings)


def features(dihedrals):
    """sin phi, cos phi, sin psi, cos psi: (..., 4) float32 of (..., 2) radians."""
    pairs = np.stack([np.sin(dihedrals), np.cos(dihedrals)], axis=-1)
    return pairs.reshape(*dihedrals.shape[:-1], 4).astype(np.float32)


def boxes(dihedrals, n_boxes):
    """Number of the box, of n_boxes along each angle, in which each of (..., 2) lies."""
    box = np.clip(((dihedrals + np.pi) / (2 * np.pi) * n_boxes).astype(int), 0, n_boxes - 1)
    return box[..., 0] * n_boxes + box[..., 1]


def wrapped(angles):
    """Angles in radians moved into -pi to pi."""
    return angles - 2 * np.pi * np.round(angles / (2 * np.pi))


def windows(runs, part, step, n_frames=N_WINDOW):
    """Windows of one part of `SPLIT`, cut run by run, every `step` frames: dihedrals, (n, n_frames,
    2), and for each the number of its run and of its first frame."""
    frames, found, places = runs.dihedrals[:, ::STRIDE], [], []
    for run in SPLIT[part]:
        for start in range(0, frames.shape[1] - n_frames + 1, step):
            found.append(frames[run, start : start + n_frames])
            places.append((run, start))
    return np.stack(found), *np.array(places).T


def inside(dihedrals, minima):
    """Number of the disk around a minimum in which each of (..., 2) lies, or -1."""
    distance = np.linalg.norm(wrapped(dihedrals[..., None, :] - minima), axis=-1)
    return np.where(distance.min(axis=-1) < RADIUS, distance.argmin(axis=-1), -1)


def count_passages(dihedrals, minima, frame_time):
    """Time spent since each disk was visited last, and arrivals in the other: (n, 2) each."""
    now = inside(dihedrals, minima)
    latest = np.maximum.accumulate(np.where(now >= 0, np.arange(now.shape[1]), 0), axis=1)
    visited = np.take_along_axis(now, latest, axis=1)  # last
    before, after = visited[:, :-1], visited[:, 1:]
    time_after = np.stack([(before == k).sum(axis=1) for k in (0, 1)], axis=-1) * frame_time
    arrivals = [((before == k) & (after == 1 - k)).sum(axis=1) for k in (0, 1)]
    return time_after, np.stack(arrivals, axis=-1)


def is_left_handed(dihedrals):
    """Whether phi of (..., 2) lies in the left-handed valley, between 0 and 120 degrees."""
    return (dihedrals[..., 0] > 0) & (dihedrals[..., 0] < 2 * np.pi / 3)
