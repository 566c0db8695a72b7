"""Which state a point belongs to: 0 for the basin of A, 1 for that of B (with C).

The basins of steepest descent of A and of B with C are separated by one curve: the two paths of
steepest ascent from the saddle between A and C. It rises monotonically, so a point belongs to A
when it lies above the curve.
"""

from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from .checks import checked_disk, checked_positions
from .potential import MINIMA, MUELLER_BROWN, SADDLES, force
from .potential.base import checked_potential

STATE_A, STATE_B = 0, 1
#: Disks (centre, radius) around A and B, reduced length: those of published transition path theory,
DISK_A = ((-0.558, 1.441), 0.1)
DISK_B = ((0.623, 0.028), 0.1)
#: and those around the minima themselves, by which passages are counted.
DISKS = ((tuple(MINIMA[0].tolist()), 0.1), (tuple(MINIMA[1].tolist()), 0.1))

_TABLE_RANGE = (-5.0, 5.0)  # of x; V is above 1e24 on the curve's ends
_TABLE_STEP = 1e-3
_CHUNK = 1 << 18
_BLOCK = 2_000_000  # frames looked at together, which bounds the memory for temporary arrays


def _uphill_path(direction, x_end):
    # Steepest ascent from the saddle, as y and dy/dx at given x: (x) -> (y, slope)
    def ascent(x, y):
        along_x, along_y = force(np.stack([np.full_like(y, x), y], axis=-1)).T
        return along_y / along_x

    # The path leaves along the saddle's stable direction; 1e-5 away its curvature is still below
    # 1e-9, and what is left decays: uphill, neighbouring paths converge onto this one.
    start = SADDLES[0] + 1e-5 * direction
    path = solve_ivp(
        ascent, (start[0], x_end), start[1:], method="DOP853", rtol=1e-12, atol=1e-13,
        dense_output=True,
    )  # fmt: skip
    return start[0], lambda x: path.sol(x)[0]


@lru_cache(maxsize=1)
def separatrix():
    """Curve between the basin of A (above) and that of B and C: x, y (to about 1e-9) and dy/dx,
    (n,) each, at equal steps of x."""
    saddle = SADDLES[0]
    h = 1e-5
    hessian = np.stack([force(saddle - s) - force(saddle + s) for s in h * np.eye(2)]) / (2 * h)
    _, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    uphill = vectors[:, 1] * np.sign(vectors[0, 1])  # along which V rises, towards larger x
    n = round((_TABLE_RANGE[1] - _TABLE_RANGE[0]) / _TABLE_STEP)
    x = np.linspace(*_TABLE_RANGE, n + 1)
    left_start, left = _uphill_path(-uphill, x[0])
    right_start, right = _uphill_path(uphill, x[-1])
    y = saddle[1] + (x - saddle[0]) * uphill[1] / uphill[0]  # between the two paths
    y[x < left_start] = left(x[x < left_start])
    y[x > right_start] = right(x[x > right_start])
    along_x, along_y = force(np.stack([x, y], axis=-1)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = along_y / along_x
    slope = np.where(np.abs(x - saddle[0]) < 1e-4, uphill[1] / uphill[0], slope)
    for array in (x, y, slope):
        array.flags.writeable = False
    return x, y, slope


def separatrix_height(x):
    """Height y of the separatrix at each x (cubic Hermite; straight beyond |x| = 5)."""
    x = np.asarray(x, dtype=float)
    table_x, table_y, table_slope = separatrix()
    inside = np.clip(x, *_TABLE_RANGE)
    k = np.minimum(((inside - table_x[0]) / _TABLE_STEP).astype(np.intp), len(table_x) - 2)
    t = (inside - table_x[k]) / _TABLE_STEP
    y0, y1 = table_y[k], table_y[k + 1]
    m0, m1 = table_slope[k] * _TABLE_STEP, table_slope[k + 1] * _TABLE_STEP
    rise = y1 - y0
    height = y0 + t * (m0 + t * ((3 * rise - 2 * m0 - m1) + t * (m0 + m1 - 2 * rise)))
    return height + (x - inside) * np.where(x < 0, table_slope[0], table_slope[-1])


def height_above_ridge(positions):
    """Vertical distance to the separatrix, (...) of (..., 2): positive in A, negative in B."""
    return positions[..., 1] - separatrix_height(positions[..., 0])


def assign_states(positions, potential=MUELLER_BROWN):
    """State of each point: 0 in the basin of A, 1 in that of B or of the shallow minimum C.

    Parameters
    ----------
    positions : (..., 2) array_like of float
        Points (x, y) in reduced length units; `ValueError` for another shape, NaN or infinity.
    potential : Potential
        Whose states; of another one they are numbered as its minima are.

    Returns
    -------
    (...) ndarray of int64
        The state of the minimum that steepest descent from the point leads to. C belongs to B:
        its committor to B is above 0.8 at the temperatures of the book.
    """
    checked_potential(potential)
    positions = checked_positions(positions)
    points = positions.reshape(-1, 2)
    if potential is not MUELLER_BROWN:
        return potential.states[potential.basins(points)].reshape(positions.shape[:-1])
    states = np.empty(len(points), np.int64)
    for i in range(0, len(points), _CHUNK):
        x, y = points[i : i + _CHUNK].astype(float).T
        states[i : i + _CHUNK] = np.where(y > separatrix_height(x), STATE_A, STATE_B)
    return states.reshape(positions.shape[:-1])


def checked_set(trajectories):
    """`trajectories` as an (n, n_frames, 2) array; `ValueError` for other shapes or NaN."""
    trajectories = np.asarray(trajectories)
    if trajectories.ndim != 3 or trajectories.shape[-1] != 2 or trajectories.shape[1] < 2:
        raise ValueError(
            "trajectories must have shape (n, n_frames, 2) with at least two frames; got "
            f"{trajectories.shape}"
        )
    if not np.isfinite(trajectories).all():
        raise ValueError("trajectories hold NaN or infinite coordinates")
    return trajectories


def parts(trajectories):
    """Slices of trajectories that can be looked at together without much memory."""
    n, n_frames = trajectories.shape[:2]
    step = max(1, _BLOCK // n_frames)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


def last_visited(trajectories, disks=DISKS):
    """Disk, 0 or 1, that each frame or those before it visited last; -1 before the first visit."""
    trajectories = checked_set(trajectories)
    visited = np.empty(trajectories.shape[:2], np.int8)
    disks = [checked_disk("disk", disk) for disk in disks]
    frame = np.arange(trajectories.shape[1], dtype=np.int32)
    for part in parts(trajectories):
        inside = inside_disks(trajectories[part], disks)
        latest = np.where(inside >= 0, frame, 0)
        np.maximum.accumulate(latest, axis=1, out=latest)
        visited[part] = np.take_along_axis(inside, latest, axis=1)
    return visited


def inside_disks(frames, disks):
    """Number of the disk in which each frame lies, or -1, (n, n_frames) ndarray of int8."""
    found = np.full(frames.shape[:2], -1, np.int8)
    for number, (centre, radius) in enumerate(disks):
        offset = frames - np.asarray(centre, frames.dtype)
        found[(offset**2).sum(axis=-1) < radius**2] = number
    return found
