"""Langevin dynamics: settings, starts, trajectories, passages."""

from ..files.lazy_names import handed_on

_PUBLIC = {
    "settings": ["SimulationConfig", "REGIMES"],
    "langevin": ["sample_starts", "simulate", "SimulationState", "START_BOX", "TrajectoryEscaped"],
    "passages": ["first_passage_times"],
}
__getattr__, __dir__, __all__ = handed_on(__name__, _PUBLIC)
