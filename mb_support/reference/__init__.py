"""Exact answers: the grid solver, and what it knows of passages and of the next frame."""

from ..files.lazy_names import handed_on

_PUBLIC = {"solver": ["GridSolver"], "forecast": ["noise_floor", "label_posterior"]}
__getattr__, __dir__, __all__ = handed_on(__name__, _PUBLIC)
