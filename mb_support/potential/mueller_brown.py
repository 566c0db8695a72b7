"""The Müller-Brown potential, in its original (unscaled) form and reduced units."""

from functools import cached_property

import numpy as np

from ..checks import checked_positions
from .base import Potential, largest_curvature

#: Parameters of the four Gaussian terms, Müller and Brown (1979), Fig. 1 and its caption.
AMPLITUDE = np.array([-200.0, -100.0, -170.0, 15.0])
A = np.array([-1.0, -1.0, -6.5, 0.7])
B = np.array([0.0, 0.0, 11.0, 0.6])
C = np.array([-10.0, -10.0, -6.5, 0.7])
X0 = np.array([1.0, 0.0, -0.5, -1.0])
Y0 = np.array([0.0, 0.5, 1.5, 1.0])

#: The two deep minima A and B and the shallow one C, to twelve digits.
MINIMA = np.array(
    [
        [-0.558223634633, 1.441725841805],
        [0.623499404931, 0.028037758529],
        [-0.050010822998, 0.466694104872],
    ]
)
#: The saddles between A and C, and between C and B.
SADDLES = np.array([[-0.822001558733, 0.624312802815], [0.212486582001, 0.292988325107]])


def _terms(positions):
    # (..., 4): displacement from each term's centre, and the term's value
    positions = checked_positions(positions, finite=False)
    dx = positions[..., 0, None] - X0.astype(positions.dtype)
    dy = positions[..., 1, None] - Y0.astype(positions.dtype)
    return dx, dy, AMPLITUDE * np.exp(A * dx**2 + B * dx * dy + C * dy**2)


def potential(positions):
    """Müller-Brown potential energy at each point.

    Parameters
    ----------
    positions : (..., 2) array_like of float
        Points (x, y) in reduced length units; `ValueError` for another shape.

    Returns
    -------
    (...) ndarray of float64
        V(x, y) = sum_k A_k exp[a_k (x-x_k)^2 + b_k (x-x_k)(y-y_k) + c_k (y-y_k)^2], in reduced
        energy units.

    References
    ----------
    .. [1] K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979), Fig. 1.
    """
    return _terms(positions)[2].sum(axis=-1)


def force(positions):
    """Force of the Müller-Brown potential at each point.

    Parameters
    ----------
    positions : (..., 2) array_like of float
        Points (x, y) in reduced length units; `ValueError` for another shape.

    Returns
    -------
    (..., 2) ndarray of float64
        Minus the gradient of `potential`, in reduced energy per length.
    """
    dx, dy, value = _terms(positions)
    along_x = -(value * (2 * A * dx + B * dy)).sum(axis=-1)
    along_y = -(value * (B * dx + 2 * C * dy)).sum(axis=-1)
    return np.stack([along_x, along_y], axis=-1)


class _MuellerBrown(Potential):
    # with energy and force by numpy, to which everything else is held

    def __init__(self):
        bounds = ((-4.0, -2.5), (2.5, 4.0))  # at kT = 154 a trajectory does come to (-3, 3)
        self._lay_out(((-1.5, -0.2), (1.2, 2.0)), False, bounds)
        self.finite_range = 10.0
        self._name_states(MINIMA, (0, 1, 1))  # C belongs to B: its committor to B is above 0.8

    def __call__(self, positions):
        return potential(positions)

    def force(self, positions):
        return force(positions)

    @cached_property
    def curvature(self):
        return largest_curvature(force, MINIMA, 1e-5 * np.eye(2))

    @cached_property
    def highest_pass(self):
        return float(potential(SADDLES).max())

    def region(self, highest):
        # the fourth term rises on all sides: a coarse look is enough
        side = np.arange(-6.0, 6.0, 0.02)
        below = potential(np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)) <= highest
        in_x, in_y = side[below.any(axis=1)], side[below.any(axis=0)]
        low = np.minimum([in_x[0], in_y[0]], self.box[0])
        return np.array([low, np.maximum([in_x[-1], in_y[-1]], self.box[1])])


#: The potential of the poster as a `Potential`; the default wherever one can be given.
MUELLER_BROWN = _MuellerBrown()
