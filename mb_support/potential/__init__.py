"""Potentials: Müller and Brown's, others, and one's own."""

from .base import Potential
from .examples import double_well, four_wells, torus
from .mueller_brown import MINIMA, MUELLER_BROWN, SADDLES, force, potential

__all__ = [
    "MINIMA",
    "MUELLER_BROWN",
    "SADDLES",
    "Potential",
    "double_well",
    "force",
    "four_wells",
    "potential",
    "torus",
]
