"""Potentials of one's own: an energy that numba compiles, with all that others ask of it."""

import math
from functools import cache, cached_property
from types import FunctionType, SimpleNamespace

import numpy as np

from ..checks import checked_positions

_SMALL = 3e-6  # step of differences, in sizes of the box


class Potential:
    """An energy surface in the plane, with what simulation, solver and states need to know of it.

    Calling it with (..., 2) positions gives their energies, (...).

    Parameters
    ----------
    energy : callable
        ``energy(x, y)`` of two numbers, a number, which numba can compile: arithmetic, `math`,
        `numpy`.
    box : ((x_low, y_low), (x_high, y_high))
        Where starts are drawn; of a periodic potential one period along each axis.
    minima : (k, 2) array_like, optional
        A minimum for each state, in the order of the states. By default all in the box are found:
        the deepest is state 0, of equally deep ones the leftmost.
    force : callable, optional
        ``force(x, y)``, a pair of numbers: minus the gradient, compared with the energy. By default
        central differences of the energy.
    periodic : bool
        Whether the energy repeats itself beyond the box, as that of two angles does.
    states : sequence of int, optional
        State of each of the `minima`, where several share one; by default one each.
    bounds : ((x_low, y_low), (x_high, y_high)), optional
        Where a trajectory may start; by default the box and as much again on every side.

    Raises
    ------
    ValueError
        If numba cannot compile a function, the force is not that of the energy, the energy does not
        repeat itself although it should, a point given is no minimum, or there is none in the box.

    Examples
    --------
    >>> well = Potential(lambda x, y: 5 * (x * x - 1) ** 2 + 5 * y * y, box=((-2, -1), (2, 1)))
    >>> well.minima.round(6).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    def __init__(
        self, energy, *, box, minima=None, force=None, periodic=False, states=None, bounds=None
    ):
        self._lay_out(box, periodic, bounds)
        centre = self.box.mean(axis=0)
        self._energy = _compiled("energy", energy, centre, 1)
        differences = _differences(self._energy, _SMALL * self.extent.min())
        self._force = differences if force is None else _compiled("force", force, centre, 2)
        faster = _symbolic_force(energy if force is None else force, force is None)
        inside = self.box[0] + self.extent * _spread_points(64)
        if not np.isfinite(self(inside)).all():
            raise ValueError(f"energy must be finite in box {self.box.tolist()}")
        if self.periodic:
            self._check_period(inside)
        if force is not None:
            self._check_force(inside, _evaluated(differences, inside, 2))
        if faster is not None and _agree(faster, self._force, inside):
            self._force = faster
        if minima is None:
            minima = _stationary_points().found_minima(self)
        else:
            minima = checked_positions(np.atleast_2d(minima), "minima")
            self._check_minima(minima)
        self._name_states(minima, states)

    def _lay_out(self, box, periodic, bounds):
        self.box, self.periodic = _checked_box("box", box), bool(periodic)
        self.extent = self.box[1] - self.box[0]
        margin = 0 if self.periodic else self.extent
        wider = (self.box[0] - margin, self.box[1] + margin)
        self.bounds = _checked_box("bounds", wider if bounds is None else bounds)
        #: A trajectory with |x| or |y| beyond this has escaped.
        self.finite_range = float(np.abs(self.bounds).max() + 4 * self.extent.max())

    def _name_states(self, minima, states):
        self.minima = np.array(minima, dtype=float)
        #: State of each of the minima.
        self.states = np.arange(len(self.minima)) if states is None else np.array(states, int)
        if len(self.states) != len(self.minima) or set(self.states) != {
            *range(max(self.states) + 1)
        }:
            raise ValueError(
                f"states must be numbers from 0 without a gap, one for each of {len(self.minima)} "
                f"minima; got {states}"
            )
        self.n_states = int(self.states.max()) + 1

    def __call__(self, positions):
        """Energy at (..., 2) positions, (...) float64."""
        points, shape = _points(positions)
        return _evaluated(self._energy, points, 1)[:, 0].reshape(shape[:-1])

    def force(self, positions):
        """Force at (..., 2) positions, (..., 2) float64: energy per length."""
        points, shape = _points(positions)
        return _evaluated(self._force, points, 2).reshape(shape)

    @property
    def compiled(self):
        """Energy and force as compiled code takes them: functions of two numbers."""
        return self._energy, self._force

    def wrapped(self, positions):
        """Positions of a periodic potential, (..., 2), moved into its box; others as they are."""
        if not self.periodic:
            return positions
        low, extent = self.box[0].astype(positions.dtype), self.extent.astype(positions.dtype)
        return positions - extent * np.floor((positions - low) / extent)

    def offset(self, positions, centre):
        """Positions less a centre; on the shortest way around where the potential is periodic."""
        offset = positions - np.asarray(centre, dtype=positions.dtype)
        if self.periodic:
            extent = self.extent.astype(positions.dtype)
            offset = offset - extent * np.round(offset / extent)
        return offset

    @cached_property
    def curvature(self):
        """Largest curvature of the energy at a minimum: it limits time and grid steps."""
        shifts = 1e-4 * self.extent.min() * np.eye(2)
        return max(largest_curvature(self.force, self.minima, shifts), 1e-200)  # flat ones too

    @cached_property
    def highest_pass(self):
        """Energy above which one can get from each minimum to each other."""
        return _stationary_points().highest_pass(self)

    def region(self, highest):
        """Corners of a box that holds the box of starts and all points of at most an energy."""
        return _stationary_points().region(self, highest)

    def basins(self, positions):
        """Number of the minimum that steepest descent from (n, 2) positions leads to, (n,)."""
        return _stationary_points().basins(self, positions)

    def _check_period(self, inside):
        for axis in np.eye(2):
            here, there = self(inside), self(inside + axis * self.extent)
            worst = int(np.abs(here - there).argmax())
            if abs(here[worst] - there[worst]) > 1e-6 * (np.ptp(here) + abs(here[worst])):
                raise ValueError(
                    f"a periodic energy must repeat itself beyond box {self.box.tolist()}: it is "
                    f"{here[worst]:.6g} at {inside[worst].tolist()} and {there[worst]:.6g} one "
                    "period on"
                )

    def _check_force(self, inside, by_energy):
        given = self.force(inside)
        size = np.linalg.norm(by_energy, axis=1)
        error = np.linalg.norm(given - by_energy, axis=1) / (size + np.median(size) + 1e-300)
        worst = int(np.where(np.isfinite(error), error, np.inf).argmax())
        if not error[worst] <= 1e-4:
            raise ValueError(
                f"force must be minus the gradient of energy: at {inside[worst].tolist()} it is "
                f"{given[worst].tolist()}, but differences of the energy give "
                f"{by_energy[worst].tolist()}"
            )

    def _check_minima(self, minima):
        # of a quadratic function through a minimum's surroundings: where it is least, and if it is
        size, shifts = self.extent.min(), 1e-4 * self.extent.min() * np.eye(2)
        for number, place in enumerate(minima):
            where = f"minima[{number}] = {place.tolist()}"
            if not ((place >= self.bounds[0]) & (place <= self.bounds[1])).all():
                raise ValueError(f"{where} lies outside {self.bounds.tolist()}")
            if any(np.linalg.norm(self.offset(place, m)) < 1e-3 * size for m in minima[:number]):
                raise ValueError(f"{where} is there twice")
            slopes = [self.force(place - s) - self.force(place + s) for s in shifts]
            hessian = np.array(slopes) / (2 * shifts[0, 0])
            curvatures = np.linalg.eigvalsh((hessian + hessian.T) / 2)
            away = np.linalg.lstsq(hessian, self.force(place), rcond=1e-6)[0]
            if curvatures[0] < -1e-3 * abs(curvatures[1]) or np.linalg.norm(away) > 0.02 * size:
                raise ValueError(
                    f"{where} is no minimum of the energy: its curvatures are "
                    f"{curvatures.round(4).tolist()}, the force {self.force(place).tolist()}. "
                    "Without minima= they are found"
                )


def _stationary_points():
    from . import stationary_points  # it needs much of SciPy, which few need

    return stationary_points


def largest_curvature(force, minima, shifts):
    """Largest eigenvalue of the Hessian over minima, (k, 2), by differences of the force."""
    hessians = np.stack([force(minima - s) - force(minima + s) for s in shifts], axis=-1)
    hessians = hessians / (2 * shifts.max())
    return float(np.linalg.eigvalsh((hessians + hessians.swapaxes(1, 2)) / 2).max())


def _checked_box(name, box):
    try:
        corners = np.array(box, dtype=float)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if (
        corners.shape != (2, 2)
        or not np.isfinite(corners).all()
        or (corners[0] >= corners[1]).any()
    ):
        raise ValueError(f"{name} must be ((x_low, y_low), (x_high, y_high)); got {box!r}")
    return corners


def checked_potential(potential):
    """A `Potential`; `ValueError` for anything else, such as its energy function."""
    if not isinstance(potential, Potential):
        raise ValueError(
            f"potential must be a Potential, such as Potential(energy, box=...); got {potential!r}"
        )
    return potential


def _points(positions):
    positions = checked_positions(positions, finite=False)
    return np.ascontiguousarray(positions.reshape(-1, 2), dtype=float), positions.shape


def _spread_points(n):
    # evenly spread over the unit square: R2 sequence
    return np.arange(1, n + 1)[:, None] * np.array([0.7548776662466927, 0.5698402909980532]) % 1


def _compiled(name, function, centre, n_values):
    # a function of (x, y) compiled by numba, tried at a point; ValueError if that cannot be done
    from numba import njit
    from numba.core.errors import NumbaError

    if not callable(function):
        raise ValueError(f"{name} must be a function of x and y; got {function!r}")
    plain = getattr(function, "py_func", function)
    fast = njit(nogil=True, error_model="numpy", forceinline=True)(plain)
    try:
        found = np.asarray(fast(float(centre[0]), float(centre[1])), dtype=float)
    except (NumbaError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{name}(x, y) must be a function of two numbers that numba can compile (arithmetic, "
            f"math, numpy): {reason}"
        ) from None
    if found.size != n_values or not np.isfinite(found).all():
        wanted = "one finite number" if n_values == 1 else "two finite numbers"
        raise ValueError(f"{name}(x, y) must give {wanted}; got {found.tolist()} at {centre}")
    return fast


def _differences(energy, step):
    from numba import njit

    @njit(nogil=True, error_model="numpy", forceinline=True)
    def force(x, y):
        along_x = (energy(x - step, y) - energy(x + step, y)) / (2 * step)
        along_y = (energy(x, y - step) - energy(x, y + step)) / (2 * step)
        return along_x, along_y

    return force


def _symbolic_force(function, is_energy):
    """The force by computer algebra, from the energy or the force, compiled with functions that
    suit the simulator; None where it cannot be followed, as with branches."""
    import sympy
    from numba import njit

    from ..compiled import cosine, exponential, sine

    names = ("exp", "sin", "cos", "tan", "log", "sqrt", "sinh", "cosh", "tanh", "atan", "pi")
    symbolic = SimpleNamespace(**{name: getattr(sympy, name) for name in names})
    plain = getattr(function, "py_func", function)
    try:
        known = {}
        for name, value in plain.__globals__.items():
            is_library = value is math or value is np
            of_library = getattr(value, "__module__", "") == "math" or isinstance(value, np.ufunc)
            if of_library:
                value = getattr(symbolic, value.__name__, value)
            known[name] = symbolic if is_library else value
        twin = FunctionType(plain.__code__, known, closure=plain.__closure__)
        x, y = sympy.symbols("x y", real=True)
        found = twin(x, y)
        along = [-sympy.diff(found, v) for v in (x, y)] if is_energy else [*found]
        modules = [{"exp": exponential, "sin": sine, "cos": cosine}, "math"]
        return njit(nogil=True, error_model="numpy", forceinline=True)(
            sympy.lambdify((x, y), tuple(map(sympy.sympify, along)), modules, cse=True)
        )
    except Exception:  # noqa: BLE001 - whatever stands in the way, there is another
        return None


@cache
def _loops():
    from numba import njit

    @njit(nogil=True)
    def energies(function, points, out):
        for i in range(len(points)):
            out[i, 0] = function(points[i, 0], points[i, 1])

    @njit(nogil=True)
    def forces(function, points, out):
        for i in range(len(points)):
            out[i, 0], out[i, 1] = function(points[i, 0], points[i, 1])

    return {1: energies, 2: forces}


def _agree(first, second, points):
    from numba.core.errors import NumbaError

    try:
        first, second = (_evaluated(force, points, 2) for force in (first, second))
    except (NumbaError, TypeError):
        return False
    return bool((np.abs(first - second) <= 1e-5 * np.abs(second).max()).all())


def _evaluated(function, points, n_values):
    out = np.empty((len(points), n_values))
    _loops()[n_values](function, points, out)
    return out
