"""What is found out about a potential by looking: minima, passes, basins, and where it confines."""

from functools import cache

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

LATTICE = 361  # points along each side, for a look at the whole
_N_TABLE = 161  # and for a table of basins
_MOST_WIDENING = 16


def found_minima(potential):
    """Minima in the box of a potential, (k, 2), deepest first, equally deep ones from the left."""
    energy, sides = _look(potential, potential.box)
    is_lowest = energy <= ndimage.minimum_filter(energy, 3, mode=_mode(potential))
    starts = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)[is_lowest]
    size = potential.extent.min()
    found = []
    for start in starts[np.argsort(energy[is_lowest], kind="stable")]:
        place = potential.wrapped(_refined(potential, start, max(1, 1 / np.ptp(energy))))
        is_inside = ((place >= potential.box[0]) & (place <= potential.box[1])).all()
        is_rest = np.linalg.norm(potential.force(place)) * size < 1e-4 * np.ptp(energy)
        offsets = [np.linalg.norm(potential.offset(place, other)) for other in found]
        if is_inside and is_rest and min(offsets, default=np.inf) > 1e-3 * size:
            found.append(place)
    if not found:
        raise ValueError(f"energy has no minimum in box {potential.box.tolist()}")
    found = np.array(found)
    depth = np.round((potential(found) - energy.min()) / np.ptp(energy), 7)
    return found[np.lexsort((found[:, 0].round(7), depth))]


def _refined(potential, start, factor):
    # the minimum below a start; by the factor small energies become such as the optimiser expects
    bounds = None if potential.periodic else potential.bounds.T
    energy = lambda p: factor * potential(p)  # noqa: E731
    slope = lambda p: -factor * potential.force(p)  # noqa: E731
    best = minimize(energy, start, jac=slope, bounds=bounds, method="L-BFGS-B").x
    step = 1e-4 * potential.extent.min() * np.eye(2)
    for _ in range(3):  # Newton's steps, to all digits
        hessian = np.array([potential.force(best - s) - potential.force(best + s) for s in step])
        try:
            move = np.linalg.solve(hessian / (2 * step[0, 0]), potential.force(best))
        except np.linalg.LinAlgError:
            break
        if np.linalg.norm(move) > step[0, 0]:
            break
        best = best + move
    return best


def highest_pass(potential):
    """Energy above which all minima of a potential lie in one piece; that of the only one."""
    energy, sides = _look(potential, _surroundings(potential))
    return lattice_pass(potential, energy, sides)


def lattice_pass(potential, energy, sides):
    """Energy above which all minima lie in one piece of a lattice of energies, given by sides."""
    return _pass(potential, energy, _places(potential.minima, sides))


def _pass(potential, energy, places):
    # lowest level at which all of some points of a lattice lie in one piece, by bisection
    low, high = energy[places].max(), energy.max()
    if len(places[0]) == 1:
        return float(low)
    while high - low > 1e-7 * (abs(high) + abs(low)):
        level = (low + high) / 2
        pieces = _pieces(potential, energy <= level)[places]
        is_one = pieces[0] > 0 and (pieces == pieces[0]).all()
        low, high = (low, level) if is_one else (level, high)
    return float(high)


def region(potential, highest):
    """Corners of a box with all points of at most an energy; see `Potential.region`."""
    if potential.periodic:
        return potential.box
    widening = 1
    while widening <= _MOST_WIDENING:
        corners = potential.box + widening * potential.extent * np.array([[-1], [1]])
        energy, (x, y) = _look(potential, corners, LATTICE * min(widening, 4))
        below = energy <= highest
        if not (below[[0, -1]].any() or below[:, [0, -1]].any()):
            in_x, in_y = x[below.any(axis=1)], y[below.any(axis=0)]
            low = np.minimum([in_x[0], in_y[0]], potential.box[0])
            return np.array([low, np.maximum([in_x[-1], in_y[-1]], potential.box[1])])
        widening *= 2
    raise ValueError(
        f"energy must rise above {highest:.4g} all around the box {potential.box.tolist()}; it "
        f"does not within {_MOST_WIDENING} times its size, so that a particle would leave: take a "
        "potential with walls, or a smaller energy_cutoff"
    )


def basins(potential, positions):
    """Number of the minimum that steepest descent leads to from (n, 2) positions, (n,) int64; one
    that is not among `Potential.minima` counts as that which the lowest pass connects it with."""
    points = np.ascontiguousarray(potential.wrapped(np.asarray(positions, dtype=float)))
    if len(points) < _N_TABLE**2 // 4:
        return _descended(potential, points)
    # of many points, most lie in a cell of a lattice whose corners agree
    corners, table = _basin_table(potential)
    place = (points - corners[0]) / (corners[1] - corners[0]) * (_N_TABLE - 1)
    is_inside = ((place >= 0) & (place < _N_TABLE - 1)).all(axis=1)
    i, j = np.where(is_inside[:, None], place, 0).astype(int).T
    around = np.stack([table[i + a, j + b] for a in (0, 1) for b in (0, 1)])
    is_clear = is_inside & (around == around[0]).all(axis=0)
    found = around[0].copy()
    found[~is_clear] = _descended(potential, points[~is_clear])
    return found


def _descended(potential, points):
    every, owner = _every_minimum(potential)
    ends = np.empty_like(points)
    _descent()(*potential.compiled, points, potential.extent.min() / 100, ends)
    offsets = potential.offset(ends[:, None], every)
    return owner[(offsets**2).sum(axis=-1).argmin(axis=1)]


@cache
def _basin_table(potential):
    corners = _surroundings(potential)
    sides = [np.linspace(*ends, _N_TABLE) for ends in corners.T]
    points = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)
    found = _descended(potential, potential.wrapped(points))
    return corners, found.reshape(_N_TABLE, _N_TABLE)


@cache
def _every_minimum(potential):
    size = potential.extent.min()
    others = [
        place
        for place in found_minima(potential)
        if np.linalg.norm(potential.offset(potential.minima, place), axis=1).min() > 0.02 * size
    ]
    every = np.array([*potential.minima, *others])
    owner = np.arange(len(every))
    if others:
        energy, sides = _look(potential, _surroundings(potential))
        places, n = np.array(_places(every, sides)), len(potential.minima)
        for k in range(n, len(every)):
            passes = [_pass(potential, energy, tuple(places[:, [j, k]])) for j in range(n)]
            owner[k] = np.argmin(passes)
    return every, owner


@cache
def _descent():
    from numba import njit

    @njit(nogil=True)
    def descend(energy, force, points, longest, ends):
        # along the force in steps of one length, shorter where the energy would rise
        for i in range(len(points)):
            x, y = points[i, 0], points[i, 1]
            step, here = longest, energy(x, y)
            for _ in range(20_000):
                fx, fy = force(x, y)
                size = np.hypot(fx, fy)
                if not size > 0 or step < longest / 1000:
                    break
                # the slope half a step on keeps to the curve
                mx, my = force(x + step / 2 * fx / size, y + step / 2 * fy / size)
                middle = np.hypot(mx, my)
                if not middle > 0:
                    break
                new_x, new_y = x + step * mx / middle, y + step * my / middle
                there = energy(new_x, new_y)
                if there < here:
                    x, y, here = new_x, new_y, there
                    step = min(longest, 1.5 * step)
                else:
                    step /= 2
            ends[i, 0], ends[i, 1] = x, y

    return descend


def _look(potential, corners, n=LATTICE):
    # energies on a lattice, (n, n), and its x and y
    sides = [
        np.linspace(*ends, n, endpoint=not potential.periodic) for ends in np.transpose(corners)
    ]
    return potential(np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)), sides


def _surroundings(potential):
    margin = 0 if potential.periodic else potential.extent / 2
    return np.array([potential.box[0] - margin, potential.box[1] + margin])


def _mode(potential):
    return "wrap" if potential.periodic else "nearest"


def _places(points, sides):
    # indices of the lattice points nearest to points
    return tuple(np.abs(side - points[:, [k]]).argmin(axis=1) for k, side in enumerate(sides))


def _pieces(potential, below):
    # numbers of connected pieces, 0 outside
    pieces, _ = ndimage.label(below)
    if potential.periodic:
        for first, last in ((pieces[0], pieces[-1]), (pieces.T[0], pieces.T[-1])):
            for a, b in zip(first.tolist(), last.tolist(), strict=True):
                if a and b and a != b:
                    pieces[pieces == max(a, b)] = min(a, b)
    return pieces
