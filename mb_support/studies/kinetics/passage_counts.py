"""What a set of trajectories says of densities, passage times, rates and autocorrelations.

Everything is counted trajectory by trajectory, so that bootstrap intervals come from resampling
whole trajectories, which are independent, and not frames, which are not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from ...potential import potential
from ...reference.grid import inside_disk
from ...states import DISKS, checked_set, last_visited, parts
from ...statistics import resamples

#: The stated grid: square boxes of this width over this rectangle (x, then y), reduced length.
#: Everything outside is one more box, with a Boltzmann weight of about 1e-4.
BOX_WIDTH = 0.1
BOX_BOUNDS = ((-1.7, 1.3), (-0.5, 2.2))
_BEYOND = 1.5  # how far beyond the grid the Boltzmann weight is integrated, reduced length


def box_edges(width=BOX_WIDTH):
    """Edges of the stated grid along x and y, two (n,) ndarrays."""
    return tuple(
        low + width * np.arange(round((high - low) / width) + 1) for low, high in BOX_BOUNDS
    )


def box_number(edges):
    """How many boxes a grid has, with the one for everywhere else."""
    return (len(edges[0]) - 1) * (len(edges[1]) - 1) + 1


def assign_boxes(positions, edges):
    """Number of the box of each of (..., 2) positions: y fastest, the last one for elsewhere."""
    x_edges, y_edges = edges
    n_x, n_y = len(x_edges) - 1, len(y_edges) - 1
    i = np.floor((positions[..., 0] - x_edges[0]) / (x_edges[1] - x_edges[0])).astype(np.int32)
    j = np.floor((positions[..., 1] - y_edges[0]) / (y_edges[1] - y_edges[0])).astype(np.int32)
    inside = (i >= 0) & (i < n_x) & (j >= 0) & (j < n_y)
    return np.where(inside, i * n_y + j, n_x * n_y).astype(np.int32)


def count_boxes(trajectories, edges):
    """Frames of each trajectory in each box, (n_trajectories, n_boxes + 1) ndarray of int64."""
    trajectories, n_boxes = checked_set(trajectories), box_number(edges)
    counts = np.empty((len(trajectories), n_boxes), np.int64)
    for part in parts(trajectories):
        boxes = assign_boxes(trajectories[part], edges)
        number = boxes + n_boxes * np.arange(len(boxes))[:, None]
        counts[part] = np.bincount(number.ravel(), minlength=counts[part].size).reshape(-1, n_boxes)
    return counts


def boltzmann_boxes(beta, edges, n_points=20):
    """Exact stationary probability of each box and of everywhere else, by quadrature."""
    step = [e[1] - e[0] for e in edges]
    more = [int(np.ceil(_BEYOND / h)) for h in step]
    n = [len(e) - 1 + 2 * m for e, m in zip(edges, more, strict=True)]
    points = [
        edges[k][0] - more[k] * step[k] + step[k] * (np.arange(n[k] * n_points) + 0.5) / n_points
        for k in (0, 1)
    ]
    energy = potential(np.stack(np.meshgrid(*points, indexing="ij"), axis=-1))
    weight = np.exp(-beta * (energy - energy.min()))
    boxes = weight.reshape(n[0], n_points, n[1], n_points).sum((1, 3)) / weight.sum()
    boxes = boxes[more[0] : n[0] - more[0], more[1] : n[1] - more[1]].ravel()
    return np.append(boxes, 1 - boxes.sum())


@dataclass(frozen=True)
class Passages:
    """Passages between two disks: (n, 2) arrays of a number for each trajectory and disk."""

    time_after: np.ndarray  # time spent with A, or B, as the disk visited last
    count: np.ndarray  # arrivals in B coming from A, and in A coming from B

    def mean_time(self, source, weights=None):
        """Mean time from an arrival in disk 0 or 1 to the next arrival in the other.

        Time spent on the way, finished or not, divided by the number of arrivals: the likeliest
        mean when passage times are exponential, as they are up to the short time in which a
        basin is left or forgotten.
        """
        weights = np.ones(len(self.count)) if weights is None else weights
        return (weights @ self.time_after[:, source]) / (weights @ self.count[:, source])


def count_passages(trajectories, frame_time, disks=DISKS):
    """`Passages` from disk to disk, as seen at frames that are `frame_time` apart."""
    visited = last_visited(trajectories, disks)
    before, after = visited[:, :-1], visited[:, 1:]
    time_after = np.stack([(before == k).sum(axis=1) for k in (0, 1)], axis=-1)
    arrivals = [((before == k) & (after == 1 - k)).sum(axis=1) for k in (0, 1)]
    return Passages(frame_time * time_after, np.stack(arrivals, axis=-1))


def frame_passage_time(solver, target, frame_time):
    """Exact mean first passage time when the target is looked at in frames only, at each node.

    A trajectory can enter a small disk (centre, radius) and leave it again between two frames, so
    that at frames passages take longer. With P = exp(frame_time L), solves
    m = frame_time + P (m outside); inside the target it is the time to the next frame there.
    """
    centre, radius = np.asarray(target[0]), target[1]
    # Share of each cell outside the disk, so that the result does not jump with the grid.
    offsets = ((np.arange(8) + 0.5) / 8 - 0.5) * solver.grid_step
    outside = np.zeros(solver.shape)
    for inner in np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2):
        away = solver.potential.offset(solver.positions + inner, centre)
        outside += (away**2).sum(axis=-1) >= radius**2
    outside /= len(offsets) ** 2

    # With u = sqrt(weight) m the operator is symmetric and positive: conjugate gradients apply, and
    # need few steps, as only one process is slow.
    weight = solver.stationary_density() * solver.cell_area
    root = np.sqrt(np.where(solver.active, np.maximum(weight, 1e-290), 0.0)) * (outside > 0)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    share = np.sqrt(outside)

    def one_step(scaled):
        values = scaled.reshape(solver.shape)
        later = solver.propagate(values * share * inverse, frame_time)
        return (values - share * root * later).ravel()

    operator = LinearOperator((outside.size, outside.size), matvec=one_step, dtype=float)
    first = (solver.mean_first_passage_time((centre, radius)) + frame_time) * root * share
    right = (frame_time * root * share).ravel()
    scaled, failed = cg(operator, right, x0=first.ravel(), rtol=1e-9, maxiter=500)
    if failed:
        raise RuntimeError(f"the passage time to {target} did not converge")
    times = scaled.reshape(solver.shape) * share * inverse
    return frame_time + solver.propagate(times, frame_time)


def passage_time_at_frames(solver, source, target, frame_time):
    """Exact mean time from an arrival in the `source` disk to the next arrival in the `target`, as
    `count_passages` sees them: the mean of `frame_passage_time` over the source."""
    inside = inside_disk(solver.grid, "source", source)
    times = frame_passage_time(solver, target, frame_time)
    return solver.average(times, solver.stationary_density() * inside)


def autocorrelation(trajectories, lags, n_samples=200, seed=0):
    """Normalised autocorrelation function of the coordinate y, with its uncertainty.

    C(lag) = <(y(t) - <y>) (y(t + lag) - <y>)> / <(y - <y>)^2>, averaged over frames and
    trajectories, which are taken as stationary. Lags are in frames; returns values and standard
    errors, (n_lags,) each, the latter from a bootstrap over trajectories.
    """
    values = checked_set(trajectories)[..., 1].astype(float)
    shifted, n = values - values.mean(), values.shape[1]  # near zero: what follows loses no digits
    first, second = shifted.mean(axis=1), (shifted**2).mean(axis=1)
    products = np.stack(
        [(shifted[:, : n - lag] * shifted[:, lag:]).mean(axis=1) for lag in lags], axis=-1
    )

    def curve(weights):
        weights = weights / weights.sum()
        mean = weights @ first
        variance = weights @ second - mean**2
        return (weights @ products - mean**2) / variance if variance > 0 else np.nan * products[0]

    samples = np.array([curve(w) for w in resamples(len(values), n_samples, seed)])
    return curve(np.ones(len(values))), samples.std(axis=0, ddof=1)
