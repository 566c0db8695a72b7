"""The rectangular grid beneath `reference.GridSolver`: nodes, jump rates, and disks cut out of it.

The generator of overdamped dynamics, L f = D exp(beta V) div(exp(-beta V) grad f), becomes a
Markov jump process between neighbouring nodes. Each node stands for the square cell around it,
and the jump rate from node i to its neighbour j is (D / h^2) u / (exp(u) - 1), u = beta (V_j -
V_i). The Boltzmann weight then obeys detailed balance exactly, and every quantity converges with
the square of the grid step h.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..checks import checked_disk, checked_positions, checked_positive
from ..potential import MUELLER_BROWN
from ..potential.base import checked_potential
from ..potential.stationary_points import LATTICE, lattice_pass

#: Steps to the four neighbours, in the order in which `Grid.rates` holds them.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))

_KEPT_ABOVE_MINIMUM = 30.0  # energy cut-off, in kT above the global minimum
_KEPT_ABOVE_SADDLE = 15.0  # and at least this many kT above the higher saddle
_MARGIN = 0.05  # kept around the box of starts, or this share of a smaller box
_MAX_CELLS = 3_000_000
_MISSED = (1.0, 3.0)  # kT, of the pass between the states: warned of, refused (rates 20 times off)
_WIDEST_STEP = 2.5  # in widths of the narrowest well, at which rates err by one per cent


@dataclass(frozen=True, eq=False)
class Grid:
    """Nodes `x`, (n_x,), and `y`, (n_y,), `step` apart, their energies and jump rates.

    `energy` and `active`, the nodes that the particle can reach, are (n_x, n_y); `rates`,
    (4, n_x, n_y), lead to the neighbours in `DIRECTIONS`, 1/time, and are zero towards inactive
    nodes. The outermost ring is never active, unless the potential is periodic: then the last nodes
    are neighbours of the first.
    """

    x: np.ndarray
    y: np.ndarray
    energy: np.ndarray
    active: np.ndarray
    rates: np.ndarray
    beta: float
    diffusion: float
    step: float
    potential: object = MUELLER_BROWN

    @property
    def positions(self):
        """Node positions, (n_x, n_y, 2)."""
        return np.stack(np.meshgrid(self.x, self.y, indexing="ij"), axis=-1)


def edge_rate(start, end, beta):
    """Jump rate over an edge in units of D / h^2, from the energies at its ends.

    The exponentially fitted rate u / (exp(u) - 1), u = beta (end - start), of D. L. Scharfetter and
    H. K. Gummel, IEEE Trans. Electron Devices 16, 64 (1969). It obeys detailed balance exactly and
    gives the exact drift on a uniform slope however steep, so the far, high walls do no harm.
    """
    difference = beta * (np.asarray(end) - start)
    nearly_flat = np.abs(difference) < 1e-6
    safe = np.where(nearly_flat, 1.0, np.clip(difference, -700, 700))
    rate = np.where(nearly_flat, 1 - difference / 2, safe / np.expm1(safe))
    return np.where(difference < -700, -difference, rate)


def build_grid(beta, diffusion, grid_step=None, energy_cutoff=None, potential=MUELLER_BROWN):
    """Lay a grid over the region the particle can reach; see `reference.GridSolver`."""
    checked_potential(potential)
    beta = checked_positive("beta", beta)
    diffusion = checked_positive("diffusion", diffusion)
    width = (beta * potential.curvature) ** -0.5  # of the narrowest well
    if grid_step is None:
        is_book = potential is MUELLER_BROWN
        grid_step = 0.01 if is_book else min(potential.extent.min() / 200, width / 2)
    step = checked_positive("grid_step", grid_step)
    if potential.periodic:
        return _periodic_grid(beta, diffusion, step, energy_cutoff, potential)
    lowest = potential(potential.minima).min()
    if energy_cutoff is not None:
        highest = lowest + checked_positive("energy_cutoff", energy_cutoff)
    else:
        above_pass = potential.highest_pass + _KEPT_ABOVE_SADDLE / beta
        highest = max(lowest + _KEPT_ABOVE_MINIMUM / beta, above_pass)
    margin = _MARGIN * min(1.0, potential.extent.min()) * np.array([[-1], [1]])
    limits = potential.region(highest) + margin
    first, last = np.floor(limits[0] / step) - 1, np.ceil(limits[1] / step) + 1
    n_x, n_y = (last - first + 1).astype(int)
    _check_size(n_x, n_y, step)
    # Nodes sit at whole multiples of the step, so that grids of different extent agree.
    x = (first[0] + np.arange(n_x)) * step
    y = (first[1] + np.arange(n_y)) * step
    positions = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    with np.errstate(over="ignore"):
        energy = potential(positions)
    slack = 1e-9
    within = ((positions >= limits[0] - slack) & (positions <= limits[1] + slack)).all(axis=-1)
    active = energy <= highest
    if energy_cutoff is None:
        active |= box_coverage(x, y, potential.box + margin) > 0
    active = _largest_component(active & within, energy)
    energy = np.where(active, energy, np.inf)
    _warn_of_wide_step(step, width, beta)
    clipped = np.minimum(energy, max(highest, potential.highest_pass))
    _check_barrier(potential, clipped, (x, y), beta)
    rates = jump_rates(energy, active, beta, diffusion, step)
    return Grid(x, y, energy, active, rates, beta, diffusion, step, potential)


def _periodic_grid(beta, diffusion, step, energy_cutoff, potential):
    if energy_cutoff is not None:
        raise ValueError("energy_cutoff must be None where the potential is periodic")
    n_x = max(8, int(np.ceil(potential.extent[0] / step)))
    while n_x < 4000:  # a step that divides both periods
        step = potential.extent[0] / n_x
        n_y = potential.extent[1] / step
        if abs(n_y - round(n_y)) < 1e-9 * n_y:
            break
        n_x += 1
    else:
        raise ValueError(
            f"periods must be to each other as small whole numbers; got {potential.extent.tolist()}"
        )
    n_y = round(n_y)
    _check_size(n_x, n_y, step)
    x, y = (low + step * np.arange(n) for low, n in zip(potential.box[0], (n_x, n_y), strict=True))
    energy = potential(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
    active = np.ones(energy.shape, dtype=bool)
    _warn_of_wide_step(step, (beta * potential.curvature) ** -0.5, beta)
    _check_barrier(potential, energy, (x, y), beta)
    rates = jump_rates(energy, active, beta, diffusion, step)
    return Grid(x, y, energy, active, rates, beta, diffusion, step, potential)


def _check_size(n_x, n_y, step):
    if n_x * n_y > _MAX_CELLS or min(n_x, n_y) < 8:
        raise ValueError(
            f"grid_step = {step} needs {n_x} x {n_y} nodes; from 8 x 8 to {_MAX_CELLS} in all are "
            "allowed: choose another grid_step"
        )


def _warn_of_wide_step(step, width, beta):
    if step > _WIDEST_STEP * width:
        warnings.warn(
            f"grid_step = {step:g} is {step / width:.1f} times the spread {width:.2g} of a "
            f"particle across the narrowest well at beta = {beta:g}: passage times, rates and "
            "timescales may err by more than one per cent. Choose a grid_step up to "
            f"{_WIDEST_STEP * width:.2g}",
            stacklevel=4,
        )


def _check_barrier(potential, energy, sides, beta):
    # nodes on both sides of a narrow barrier and none on it: rates would be large, and all agree
    if len(potential.minima) < 2 or energy.size > LATTICE**2:
        return
    between = [np.linspace(side[0], side[-1], 2 * len(side) - 1) for side in sides]
    with np.errstate(over="ignore"):
        finer = potential(np.stack(np.meshgrid(*between, indexing="ij"), axis=-1))
    finer = np.minimum(finer, energy.max())
    highest = max(potential.highest_pass, lattice_pass(potential, finer, between))
    missed = beta * (highest - lattice_pass(potential, energy, sides))
    if missed > _MISSED[0]:
        step = sides[0][1] - sides[0][0]
        message = (
            f"grid_step = {step:g} is too wide: between the states the highest pass lies "
            f"{missed:.1f} kT lower on the grid than it is, as no node stands on the barrier. "
            "Choose a smaller grid_step"
        )
        if missed > _MISSED[1]:
            raise ValueError(message)
        warnings.warn(message, stacklevel=4)


def jump_rates(energy, active, beta, diffusion, step):
    """Rates from each active node to its active neighbours, (4, n_x, n_y); see `Grid`."""
    rates = np.zeros((4, *energy.shape))
    for direction, (d_x, d_y) in enumerate(DIRECTIONS):
        there = np.roll(active, (-d_x, -d_y), axis=(0, 1)) & active
        end = np.roll(energy, (-d_x, -d_y), axis=(0, 1))[there]
        rates[direction, there] = edge_rate(energy[there], end, beta)
    return rates * (diffusion / step**2)


def coarsened(grid, step):
    """A grid over the same region whose nodes are about `step` apart; `grid` if it is no finer."""
    every = max(1, round(step / grid.step))
    if every == 1 or grid.potential.periodic:
        return grid
    energy = np.pad(grid.energy[::every, ::every], 1, constant_values=np.inf)
    active = _largest_component(np.isfinite(energy), energy)
    energy = np.where(active, energy, np.inf)
    x, y = (
        nodes[0] + every * grid.step * np.arange(-1, n - 1)
        for nodes, n in zip((grid.x, grid.y), energy.shape, strict=True)
    )
    step = every * grid.step
    rates = jump_rates(energy, active, grid.beta, grid.diffusion, step)
    return Grid(x, y, energy, active, rates, grid.beta, grid.diffusion, step, grid.potential)


def _largest_component(active, energy):
    # An energy cut-off may leave islands; the particle lives on the one with the lowest energy.
    pieces, _ = ndimage.label(active)
    lowest = np.argmin(np.where(active, energy, np.inf))
    return pieces == pieces.ravel()[lowest]


def box_coverage(x, y, box):
    """Share of each node's cell, (n_x, n_y), inside a box ((x_min, y_min), (x_max, y_max))."""

    def along(nodes, low, high):
        step = nodes[1] - nodes[0]
        overlap = np.minimum(nodes + step / 2, high) - np.maximum(nodes - step / 2, low)
        return np.clip(overlap / step, 0, 1)

    (x_min, y_min), (x_max, y_max) = box
    return np.outer(along(x, x_min, x_max), along(y, y_min, y_max))


def inside_disk(grid, name, disk):
    """Nodes inside a (centre, radius) disk, (n_x, n_y) of bool.

    `ValueError` if the disk reaches outside the active region, or is too small to hold a node.
    """
    centre, radius = checked_disk(name, disk)
    inside = (grid.potential.offset(grid.positions, centre) ** 2).sum(axis=-1) < radius**2
    reach = np.array([grid.x[1], grid.x[-2], grid.y[1], grid.y[-2]])
    outer = np.array(
        [centre[0] - radius, centre[0] + radius, centre[1] - radius, centre[1] + radius]
    )
    beyond = (outer[::2] < reach[::2]).any() or (outer[1::2] > reach[1::2]).any()
    beyond &= not grid.potential.periodic
    if beyond or not grid.active[inside].all():
        raise ValueError(
            f"{name} must lie inside the domain of the solver, x from {reach[0]:.3f} to "
            f"{reach[1]:.3f} and y from {reach[2]:.3f} to {reach[3]:.3f} below its energy "
            f"cut-off; got centre {tuple(centre.tolist())} and radius {radius}"
        )
    if not inside.any():
        raise ValueError(
            f"{name} holds no grid node: its radius {radius} must exceed grid_step = {grid.step}"
        )
    return inside


def cut_edges(grid, disk, inside):
    """Edges that cross the boundary of a disk, with their rates shortened to the crossing.

    A staircase of cells would make every result first order in the grid step. Instead an edge that
    enters the disk ends on the circle: its length falls from h to theta h, so its rate grows by
    1 / theta (F. Gibou, R. P. Fedkiw, L.-T. Cheng and M. Kang, J. Comput. Phys. 176, 205 (2002)).
    This keeps the generator symmetric and restores second order. Returns the rates of stepping onto
    the circle, (4, n_x, n_y), zero elsewhere.
    """
    centre, radius = checked_disk("disk", disk)
    positions = grid.positions
    rates = np.zeros_like(grid.rates)
    for direction, (d_x, d_y) in enumerate(DIRECTIONS):
        enters = np.roll(inside, (-d_x, -d_y), axis=(0, 1)) & ~inside & grid.active
        unit = np.array([d_x, d_y], dtype=float)
        offset = grid.potential.offset(positions[enters], centre)
        along = offset @ unit
        # nearer root of |offset + s unit| = radius
        distance = -along - np.sqrt(along**2 - (offset**2).sum(axis=-1) + radius**2)
        theta = np.clip(distance / grid.step, 1e-6, 1.0)
        crossing = positions[enters] + (theta * grid.step)[:, None] * unit
        rate = edge_rate(grid.energy[enters], grid.potential(crossing), grid.beta)
        rates[direction, enters] = grid.diffusion / (grid.step**2 * theta) * rate
    return rates


def cubic_interpolation(grid, values, positions, fill_value=None):
    """Fields by Lagrange cubics over 4 x 4 nodes; see `reference.GridSolver.interpolate`."""
    positions = checked_positions(positions).astype(float)
    if grid.potential.periodic:
        around = [(0, 0)] * (np.ndim(values) - 2) + [(2, 3)] * 2  # enough for four nodes anywhere
        values = np.pad(values, around, mode="wrap")
        place = 2 + (grid.potential.wrapped(positions) - grid.potential.box[0]) / grid.step
        return _interpolated(values, place[..., 0], place[..., 1])
    place_x = (positions[..., 0] - grid.x[0]) / grid.step
    place_y = (positions[..., 1] - grid.y[0]) / grid.step
    slack = 1e-9
    outside = (place_x < -slack) | (place_x > len(grid.x) - 1 + slack)
    outside |= (place_y < -slack) | (place_y > len(grid.y) - 1 + slack)
    if outside.any() and fill_value is None:
        raise ValueError(
            f"positions must lie within x from {grid.x[0]:.3f} to {grid.x[-1]:.3f} and y from "
            f"{grid.y[0]:.3f} to {grid.y[-1]:.3f}; got {positions[outside][0]}"
        )
    result = _interpolated(values, place_x, place_y)
    if outside.any():
        result[..., outside] = fill_value
    return result


def _interpolated(values, place_x, place_y):
    first_x, weight_x = _cubic_weights(place_x, values.shape[-2])
    first_y, weight_y = _cubic_weights(place_y, values.shape[-1])
    result = np.zeros(values.shape[:-2] + place_x.shape)
    for i in range(4):
        for j in range(4):
            weight = weight_x[i] * weight_y[j]
            result += weight * values[..., first_x + i, first_y + j]
    return result


def _cubic_weights(place, n_nodes):
    """First node and the four Lagrange weights at fractional node numbers `place`."""
    first = np.clip(np.floor(place).astype(int) - 1, 0, n_nodes - 4)
    t = place - first
    weights = (
        -(t - 1) * (t - 2) * (t - 3) / 6,
        t * (t - 2) * (t - 3) / 2,
        -t * (t - 1) * (t - 3) / 2,
        t * (t - 1) * (t - 2) / 6,
    )
    return first, weights
