"""Frames of simulated trajectories with their exact committor, and what a model makes of them.

Frames are picked with weights that make them a sample of the Boltzmann density.
"""

from dataclasses import dataclass

import numpy as np

from ...files.cache import cached
from ...model.inference import as_trajectories, checked_model, evaluating, rows_per_batch
from ...reference.forecast import mean_frame_density, start_density
from ...states import DISKS

#: Committors between which a point is in transition.
TRANSITION = (0.1, 0.9)
#: Committors between which frames are picked with the first of two probabilities.
UNDECIDED = (0.02, 0.98)
#: Frames left out at the beginning, in which starts on the walls slide down: half a unit of time.
SKIPPED = 25


@dataclass(frozen=True)
class Frames:
    """Some frames of a set of trajectories, and what is exactly known of them."""

    trajectory: np.ndarray  # (n,), which trajectory of the set,
    frame: np.ndarray  # (n,), and which of its frames
    positions: np.ndarray  # (n, 2)
    committor: np.ndarray  # (n,), exact q
    weights: np.ndarray  # (n,), with them a sample of the Boltzmann density; sum to one
    n_trajectories: int  # of the whole set

    def __len__(self):
        return len(self.committor)

    @property
    def in_transition(self):
        """Frames with 0.1 < q < 0.9, (n,) of bool."""
        return is_in_transition(self.committor)

    @property
    def training_weights(self):
        """Weights for fitting: half on the Boltzmann density, half on its part in transition."""
        inside = self.weights * self.in_transition
        return 0.5 * self.weights + 0.5 * inside / inside.sum()


def is_in_transition(committor):
    """Whether 0.1 < q < 0.9, elementwise."""
    return (committor > TRANSITION[0]) & (committor < TRANSITION[1])


def within(positions, disk):
    """Whether (..., n_dimensions) positions lie in a (centre, radius) disk, (...) of bool."""
    centre, radius = disk
    return np.square(positions - np.asarray(centre, positions.dtype)).sum(axis=-1) <= radius**2


def exact_committor(solver):
    """The committor from A to B (`states.DISKS`), (n_x, n_y); kept on disk."""
    parameters = {"beta": solver.beta, "step": solver.grid_step, "disks": [*DISKS]}
    return cached("committor", parameters, lambda: {"values": solver.committor(*DISKS)})["values"]


def boltzmann_weight(solver, config):
    """Boltzmann density over that of frames from uniform starts, from `SKIPPED` on, (n_x, n_y)."""

    def solve():
        start = start_density(solver).sum(axis=0)
        start = solver.propagate_density(start, SKIPPED * config.frame_time)
        visited = mean_frame_density(solver, config.n_frames - SKIPPED, config.frame_time, start)
        stationary = solver.stationary_density()
        # where nothing has a chance to be, the ratio is rounding
        seen = (stationary > 1e-12 * stationary.max()) & (visited > 0)
        return {"ratio": np.where(seen, stationary / np.where(visited > 0, visited, 1.0), 0.0)}

    parameters = {
        "beta": solver.beta,
        "diffusion": solver.diffusion,
        "step": solver.grid_step,
        "frame_time": config.frame_time,
        "frames": [SKIPPED, config.n_frames],
    }
    return cached("boltzmann-weight", parameters, solve)["ratio"]


class ExactFields:
    """Committor and Boltzmann weight, up to a constant, at any (..., 2) positions."""

    def __init__(self, solver, config):
        self._solver = solver
        self._committor = exact_committor(solver)
        self._ratio = boltzmann_weight(solver, config)

    def committor(self, positions):
        values = self._solver.interpolate(self._committor, positions, fill_value=0.5)
        return np.clip(values, 0.0, 1.0)

    def weight(self, positions):
        values = self._solver.interpolate(self._ratio, positions, fill_value=0.0)
        return np.maximum(values, 0.0)


def pick_frames(fields, data, seed, shares):
    """Pick `Frames` of trajectories from uniform starts, with probability `shares[0]` where 0.02 <
    q < 0.98 and `shares[1]` elsewhere; their weights undo that, and the starts."""
    positions = data.trajectories[:, SKIPPED:].astype(float)
    committor = fields.committor(positions)
    share = np.where((committor > UNDECIDED[0]) & (committor < UNDECIDED[1]), *shares)
    picked = np.random.default_rng(seed).random(share.shape) < share
    trajectory, frame = np.nonzero(picked)
    weights = fields.weight(positions[picked]) / share[picked]
    return Frames(
        trajectory,
        frame + SKIPPED,
        positions[picked],
        committor[picked],
        weights / weights.sum(),
        len(data),
    )


def encode_frames(model, trajectories, trajectory, frame):
    """What embedding and layers make of frames, each given by its trajectory and its number, (n,):
    (n, n_layers + 1, hidden_size) float32."""
    trajectories = as_trajectories(
        "trajectories", trajectories, checked_model(model).config.max_position_embeddings
    )
    n_layers = model.config.num_hidden_layers + 1
    result = np.empty((len(trajectory), n_layers, model.config.hidden_size), np.float32)
    rows = rows_per_batch(trajectories.shape[1])
    with evaluating(model):
        for first in range(0, len(trajectories), rows):
            here = np.flatnonzero((trajectory >= first) & (trajectory < first + rows))
            if len(here) == 0:
                continue
            batch = trajectories[first : first + rows]
            hidden = model(batch, output_hidden_states=True).hidden_states
            for layer, states in enumerate(hidden):
                result[here, layer] = states.float().numpy()[trajectory[here] - first, frame[here]]
    return result
