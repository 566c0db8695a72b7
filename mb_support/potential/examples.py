"""Potentials other than Müller and Brown's, each with a known answer or a known difficulty."""

import math

from .base import Potential


def double_well(barrier=5.0, stiffness=10.0):
    """Two equal wells at (-1, 0) and (1, 0), the barrier in between at the origin.

    V = barrier (x^2 - 1)^2 + stiffness y^2 / 2: along x a problem of one dimension, whose passage
    times are integrals.
    """
    barrier, stiffness = float(barrier), float(stiffness)

    def energy(x, y):
        return barrier * (x * x - 1) ** 2 + stiffness * y * y / 2

    def force(x, y):
        return -4 * barrier * x * (x * x - 1), -stiffness * y

    return Potential(energy, force=force, box=((-1.8, -1.0), (1.8, 1.0)))


def four_wells(barrier=3.0, tilt=0.5):
    """Four wells near (-1, -1), (-1, 1), (1, -1), (1, 1), of different depths.

    V = barrier ((x^2 - 1)^2 + (y^2 - 1)^2) + tilt (x + 2 y).
    """
    barrier, tilt = float(barrier), float(tilt)

    def energy(x, y):
        return barrier * ((x * x - 1) ** 2 + (y * y - 1) ** 2) + tilt * (x + 2 * y)

    return Potential(energy, box=((-1.8, -1.8), (1.8, 1.8)))


def torus(barrier=4.0, tilt=0.5):
    """A surface of two angles from -pi to pi, periodic in both, with wells at 0 and near pi in x.

    V = -barrier cos(2 x) / 2 - tilt cos(x) - cos(y).
    """
    barrier, tilt = float(barrier), float(tilt)

    def energy(x, y):
        return -barrier * math.cos(2 * x) / 2 - tilt * math.cos(x) - math.cos(y)

    return Potential(energy, box=((-math.pi, -math.pi), (math.pi, math.pi)), periodic=True)
