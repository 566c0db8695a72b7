"""First passage times of simulated trajectories."""

import math

import numpy as np

from ..checks import checked_count, checked_disk, checked_positive
from ..potential import MUELLER_BROWN
from .langevin import MAX_SEED, check_starts, checked_threads, prepare_state, run_blocks

_PIECE = 50_000  # frames between two times at which those that have arrived are taken out


def first_passage_times(
    config, starts, seed, centre, radius, *, max_time, n_threads=None,
    potential=MUELLER_BROWN,
):  # fmt: skip
    """Time at which trajectories first come within a radius of a point, (n,) float64.

    `starts` (n, 2), `centre` (2,), `radius` and the times are in reduced units; a start in the
    target has time zero. The distance is looked at every `config.stride` steps, so a passage is
    noticed late by half of `frame_time` on average, and by more where a short visit falls in
    between; `stride=1` costs little. A trajectory that has not arrived by `max_time` is a
    `RuntimeError`: leaving it out would bias the mean.
    """
    seed = checked_count("seed", seed, 0, MAX_SEED)
    n_threads = checked_threads(n_threads)
    centre, radius = checked_disk("target", (centre, radius))
    max_time = checked_positive("max_time", max_time)
    positions, velocities, _ = check_starts(config, starts, potential)
    config.check_dt(potential)
    target = np.array([*centre, radius])
    is_there = (potential.offset(positions, centre) ** 2).sum(axis=1) <= radius**2
    times = np.where(is_there, 0.0, np.nan)
    running = np.flatnonzero(np.isnan(times))
    positions, velocities = prepare_state(config, positions, velocities, seed, 0)
    positions = positions[running]
    velocities = None if velocities is None else velocities[running]
    used, n_done = len(times), 0
    n_frames = math.ceil(max_time / config.frame_time)
    while len(running):
        if n_done >= n_frames:
            raise RuntimeError(
                f"{len(running)} of {len(times)} trajectories have not arrived within max_time ="
                f" {max_time!r}"
            )
        # Each piece uses trajectory indices of its own, so those still running can close ranks
        piece = min(_PIECE, n_frames - n_done)
        hits = run_blocks(
            config, positions, velocities, seed, used, 0, n_threads, potential, target=target,
            n_frames=piece,
        )  # fmt: skip
        used += len(running)
        has_arrived = hits >= 0
        times[running[has_arrived]] = (n_done + hits[has_arrived]) * config.frame_time
        running, positions = running[~has_arrived], positions[~has_arrived]
        velocities = None if velocities is None else velocities[~has_arrived]
        n_done += piece
    return times
