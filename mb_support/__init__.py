"""Support package of the book: physics, exact answers, the model and its analysis.

The folders follow the flow of the book: `simulation` -> `reference` -> `observer` -> `datasets` ->
`model` -> `training` -> `generation`, `classification` -> `studies` -> `plotting`, and each imports
only from those before it. Names are loaded on first use, so importing the package costs next to
nothing and has no side effect.
"""

from .files.lazy_names import handed_on

# Not lazy: the function `potential` must win over the submodule of the same name.
from .potential import MINIMA, MUELLER_BROWN, SADDLES, Potential, force, potential

_PUBLIC = {
    "simulation": ["SimulationConfig", "REGIMES", "sample_starts", "simulate"],
    "states": ["assign_states"],
    "reference": ["GridSolver"],
    "datasets": ["make_dataset", "TrajectorySet"],
    "model": [
        "SIZES",
        "TrajectoryConfig",
        "TrajectoryTransformer",
        "trajectory_loss",
        "total_loss",
    ],
    "generation": ["generate"],
    "classification": ["predict_states"],
    "profiles": ["get_profile"],
}
__getattr__, __dir__, _handed_on = handed_on(__name__, _PUBLIC)
__all__ = ["MINIMA", "MUELLER_BROWN", "SADDLES", "Potential", "force", "potential", *_handed_on]
__version__ = "0.1.0"
