"""Boundary value problems on the grid: committors, reactive flux, passage times.

Each is solved by `elimination` and then checked by a second route that shares none of its steps:
see `linear_systems.require_agreement`.
"""

from dataclasses import dataclass

import numpy as np

from .grid import cut_edges, inside_disk
from .linear_systems import ahead, boundary_solver, require_agreement


@dataclass(frozen=True)
class TransitionPaths:
    """What transition path theory says of the way from a source to a target disk.

    Attributes
    ----------
    committor : (n_x, n_y) ndarray
        Probability to reach the target before the source.
    flux : float
        Reactive trajectories per unit time in a long equilibrium trajectory, 1/time.
    probability_last_in_source, probability_last_in_target : float
        Shares of time by which of them was visited last, each to full precision.
    rate : float
        flux / probability_last_in_source, transitions per unit time spent after the source.
    current : (n_x, n_y, 2) ndarray
        Probability current of reactive trajectories, 1/(length time).
    """

    committor: np.ndarray
    flux: float
    probability_last_in_source: float
    probability_last_in_target: float
    rate: float
    current: np.ndarray


@dataclass(frozen=True)
class BothCommittors:
    """Probabilities to reach the target (`forward`) or the source first, (n_x, n_y), each precise
    where it is small; rates of stepping onto the circles, (4, n_x, n_y), and the nodes `held`
    inside."""

    forward: np.ndarray
    backward: np.ndarray
    onto_source: np.ndarray
    onto_target: np.ndarray
    held: np.ndarray

    def rise(self, direction):
        """How much larger the committor is at each node's neighbour, without cancellation."""
        forward = ahead(self.forward, direction) - self.forward
        backward = self.backward - ahead(self.backward, direction)
        is_small = self.forward + ahead(self.forward, direction) < 1
        return np.where(is_small, forward, backward)


def solve_committors(grid, source, target):
    """`BothCommittors` of two disks: L q = 0 with q = 0 in one and q = 1 in the other."""
    in_source = inside_disk(grid, "source", source)
    in_target = inside_disk(grid, "target", target)
    onto_source = cut_edges(grid, source, in_source)
    onto_target = cut_edges(grid, target, in_target)
    held = in_source | in_target
    solve = boundary_solver(grid, held, (onto_source + onto_target).sum(axis=0))
    forward = in_target + solve(onto_target.sum(axis=0))
    backward = in_source + solve(onto_source.sum(axis=0))
    either = (forward + backward)[grid.active]
    require_agreement(grid, "the probabilities to reach either disk and one", either, 1.0)
    return BothCommittors(
        np.minimum(forward, 1), np.minimum(backward, 1), onto_source, onto_target, held
    )


def reactive_paths(grid, weight, source, target):
    """`TransitionPaths` on a grid with stationary probabilities `weight`; its fluxes must agree."""
    found = solve_committors(grid, source, target)
    # The flux is the Dirichlet form of the committor: a sum of squares.
    flux, flow = 0.0, np.zeros((4, *grid.active.shape))
    for direction, rate in enumerate(grid.rates):
        rise = np.where(found.held | ahead(found.held, direction), 0, found.rise(direction))
        flow[direction] = weight * rate * rise
        flux += 0.5 * (flow[direction] * rise).sum()
        # edges that end on a circle
        into_target = weight * found.onto_target[direction] * found.backward
        into_source = weight * found.onto_source[direction] * found.forward
        flux += (into_target * found.backward).sum() + (into_source * found.forward).sum()
        flow[direction] += into_target - into_source
    out_of_source = (weight * found.onto_source.sum(axis=0) * found.forward).sum()
    into_target = (weight * found.onto_target.sum(axis=0) * found.backward).sum()
    require_agreement(grid, "the flux out of the source and that in between", out_of_source, flux)
    require_agreement(grid, "the flux into the target and that in between", into_target, flux)
    # Current density: probability per time over an edge, per length of cell face, averaged
    # over the two edges that leave a node along each axis.
    current = np.stack([flow[0] - flow[1], flow[2] - flow[3]], axis=-1) / (2 * grid.step)
    last_in_source = float((weight * found.backward).sum())
    last_in_target = float((weight * found.forward).sum())
    return TransitionPaths(
        found.forward,
        float(flux),
        last_in_source,
        last_in_target,
        float(flux) / last_in_source,
        current,
    )


def passage_times(grid, weight, target):
    """Solve L m = -1 with m = 0 in a disk: (n_x, n_y), zero at inactive nodes."""
    inside = inside_disk(grid, "target", target)
    onto_target = cut_edges(grid, target, inside).sum(axis=0)
    values = boundary_solver(grid, inside, onto_target)(grid.active * 1.0)
    # Detailed balance: what flows onto the target, times the passage time from there, adds up to
    # the population outside it.
    flow = (weight * onto_target * values).sum()
    require_agreement(grid, "flux times passage time and population", flow, weight[~inside].sum())
    return values
