"""Exact answers for overdamped dynamics on a potential in the plane, by sparse linear algebra.

Everything the book says about a network it says against `GridSolver`.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..checks import checked_count, checked_disk
from ..potential import MUELLER_BROWN
from .grid import build_grid, cubic_interpolation
from .linear_systems import slowest_modes
from .propagation import propagate
from .transition_paths import TransitionPaths, passage_times, reactive_paths, solve_committors

__all__ = ["GridSolver", "TransitionPaths"]


class GridSolver:
    """Finite-volume solver for dx = -beta D grad V dt + sqrt(2 D) dW.

    Fields are (n_x, n_y) arrays over the nodes `x`, `y`. All results converge with the square of
    `grid_step`; at the default, committors are good to 1e-4 and rates to 1e-4 of themselves at the
    temperatures of the book, and to 3e-3 of themselves at any lower one that double precision holds
    (kT above 0.16). Every solution is compared with a second, independent route to it; beyond what
    can be trusted, and for impossible arguments, there is a `ValueError`. A warning tells of a
    `grid_step` that is too wide for the wells at this temperature.

    Parameters
    ----------
    beta : float
        Inverse temperature 1/kT, 1/energy.
    diffusion : float
        Diffusion constant D, length^2/time. It is independent of beta: for mobility 1 pass
        D = kT, for a friction gamma and mass m pass D = kT / (m gamma).
    grid_step : float, optional
        Distance h between nodes, reduced length. By default 0.01; of a potential other than
        Müller-Brown's, what its box and its narrowest well need.
    energy_cutoff : float, optional
        Nodes higher than this above the global minimum are left out, reduced energy. By default
        30 kT (more if needed to stay 15 kT above the saddles), and the whole box of starts is
        kept.
    potential : Potential
        By default Müller and Brown's. A periodic one is solved on the torus of its box.

    Attributes
    ----------
    x, y : (n_x,) and (n_y,) ndarray
        Node coordinates.
    positions : (n_x, n_y, 2) ndarray
        Node positions.
    active : (n_x, n_y) ndarray of bool
        Nodes within the energy cut-off. Elsewhere densities are zero, and other fields hold the
        value of the nearest active node.
    cell_area : float
        h^2: a density times this sums to its probability.
    """

    def __init__(
        self, beta, diffusion, grid_step=None, energy_cutoff=None, *, potential=MUELLER_BROWN
    ):
        self.potential = potential
        self.grid = build_grid(beta, diffusion, grid_step, energy_cutoff, potential)
        self.beta, self.diffusion = self.grid.beta, self.grid.diffusion
        self.grid_step = self.grid.step
        self.cell_area = self.grid.step**2
        self.x, self.y, self.active = self.grid.x, self.grid.y, self.grid.active
        self.positions = self.grid.positions
        self.shape = self.active.shape
        self._modes = None

    # ---- equilibrium -----------------------------------------------------------------------

    @cached_property
    def _weight(self):
        energy = self.grid.energy - self.grid.energy.min()
        weight = np.exp(-self.beta * energy)
        return weight / weight.sum()

    def stationary_density(self):
        """Boltzmann density exp(-beta V) / Z at the nodes, (n_x, n_y), 1/length^2."""
        return self._weight / self.cell_area

    def average(self, values, density=None):
        """Average of fields (..., n_x, n_y) over a density, by default the stationary one."""
        weight = self._weight if density is None else self._checked_field("density", density)
        average = (self._checked_field("values", values) * weight).sum(axis=(-2, -1)) / weight.sum()
        return average if np.ndim(average) else float(average)

    # ---- boundary value problems -----------------------------------------------------------

    def committor(self, source, target):
        """Probability to reach the target disk before the source disk.

        Solves L q = 0 with q = 0 in the source and q = 1 in the target [1]_.

        Parameters
        ----------
        source, target : (centre, radius)
            Disks that do not overlap, reduced length.

        Returns
        -------
        (n_x, n_y) ndarray
            Between 0 and 1.

        References
        ----------
        .. [1] W. E and E. Vanden-Eijnden, Annu. Rev. Phys. Chem. 61, 391 (2010).
        """
        self._check_apart(source, target)
        return self._filled(solve_committors(self.grid, source, target).forward)

    def mean_first_passage_time(self, target):
        """Mean time to first reach the target disk, for a start at each node.

        Solves L m = -1 with m = 0 in the target.

        Parameters
        ----------
        target : (centre, radius)
            Disk, reduced length.

        Returns
        -------
        (n_x, n_y) ndarray
            Time units of 1 / `diffusion`.
        """
        return self._filled(passage_times(self.grid, self._weight, target))

    def transition_path_theory(self, source, target):
        """`TransitionPaths` between two disks: committor, flux, rate and reactive current."""
        self._check_apart(source, target)
        paths = reactive_paths(self.grid, self._weight, source, target)
        return replace(paths, committor=self._filled(paths.committor))

    def rate(self, source, target):
        """Transition rate from the source disk to the target disk, 1/time.

        The reactive flux divided by the probability that the source was visited last: the inverse
        of the mean time from an arrival in the source to the next arrival in the target. Both are
        in `transition_path_theory`.
        """
        return self.transition_path_theory(source, target).rate

    # ---- spectrum --------------------------------------------------------------------------

    def eigenmodes(self, n):
        """The n slowest relaxation modes, without the stationary one.

        Returns their rates, (n,) ascending, and the right eigenfunctions of the generator,
        (n, n_x, n_y), orthonormal under the stationary density; the sign makes each correlate
        positively with x. Where the density is below about 1e-20 of its maximum, the fast ones
        carry no information.
        """
        n = checked_count("n", n)
        n_active = int(self.active.sum())
        if n > n_active // 10:
            raise ValueError(f"n must be at most {n_active // 10} on this grid; got {n}")
        if self._modes is None or len(self._modes[0]) < n:
            rates, vectors = slowest_modes(self.grid, self._weight, n)
            fields = np.zeros((n, *self.shape))
            fields[:, self.active] = vectors
            along_x = self.average(self.positions[..., 0] * fields)
            fields *= np.where(along_x < 0, -1.0, 1.0)[:, None, None]
            self._modes = rates, self._filled(fields)
        return self._modes[0][:n].copy(), self._modes[1][:n].copy()

    def implied_timescales(self, n):
        """The n slowest relaxation times -1 / lambda, (n,) descending."""
        return 1 / self.eigenmodes(n)[0]

    # ---- between the nodes -----------------------------------------------------------------

    def interpolate(self, values, positions, fill_value=None):
        """A field at arbitrary points, by local cubic interpolation.

        Parameters
        ----------
        values : (..., n_x, n_y) ndarray
            Field or fields on the nodes.
        positions : (..., 2) array_like
            Points (x, y), reduced length.
        fill_value : float, optional
            Given to points outside the rectangle of nodes. Without it they are an error.

        Returns
        -------
        ndarray
            Leading axes of `values`, then those of `positions` without the last.
        """
        values = self._checked_field("values", values)
        return cubic_interpolation(self.grid, values, positions, fill_value)

    # ---- time evolution --------------------------------------------------------------------

    def propagate(self, values, time):
        """Conditional expectation E[f(x_t) | x_0] = exp(t L) f.

        Parameters
        ----------
        values : (..., n_x, n_y) ndarray
            Field or fields f on the nodes.
        time : float
            t, at least 0, in units of 1/rate.

        Returns
        -------
        (..., n_x, n_y) ndarray
            Exact for the generator to about 1e-10 of the largest value, at every node. What would
            take too long (a long time on a fine grid, below kT = 1.5) is a `ValueError`.
        """
        return self._filled(self._evolved("values", values, time, is_density=False))

    def propagate_density(self, density, time, settled=False):
        """Densities, (..., n_x, n_y), at a later time: the adjoint of `propagate`.

        `settled` tells that they have evolved long enough to have left the high walls, some
        relaxation times of a basin. This saves most of the work for many short steps.
        """
        if np.any(np.asarray(density)[..., ~self.active] != 0):
            raise ValueError("density must be zero at inactive nodes, above the energy cut-off")
        return self._evolved("density", density, time, is_density=True, settled=settled)

    def _evolved(self, name, fields, time, is_density, settled=False):
        fields = self._checked_field(name, fields)
        if isinstance(time, str) or np.ndim(time) != 0 or not (np.isfinite(time) and time >= 0):
            raise ValueError(f"time must be one finite number of at least 0; got {time!r}")
        flat = fields.reshape(-1, *self.shape)
        evolved = [propagate(self.grid, field, float(time), is_density, settled) for field in flat]
        return np.array(evolved).reshape(fields.shape)

    # ---- helpers ---------------------------------------------------------------------------

    def _checked_field(self, name, values):
        values = np.asarray(values)
        if values.shape[-2:] != self.shape or not np.issubdtype(values.dtype, np.number):
            raise ValueError(
                f"{name} must have shape (..., {self.shape[0]}, {self.shape[1]}), the nodes of "
                f"the grid; got {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite; got NaN or infinity")
        return values

    def _check_apart(self, source, target):
        source_centre, source_radius = checked_disk("source", source)
        target_centre, target_radius = checked_disk("target", target)
        distance = np.linalg.norm(self.potential.offset(source_centre, target_centre))
        if distance <= source_radius + target_radius:
            raise ValueError(
                f"source and target must not overlap; their centres are {distance:.4f} apart and "
                f"their radii add up to {source_radius + target_radius:.4f}"
            )

    @cached_property
    def _nearest_active(self):
        return ndimage.distance_transform_edt(
            ~self.active, return_distances=False, return_indices=True
        )

    def _filled(self, values):
        # Inactive nodes take the value of the nearest active one, so that interpolation close to
        # the energy cut-off needs no special case.
        return values[..., self._nearest_active[0], self._nearest_active[1]]
