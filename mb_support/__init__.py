"""Support package of the book: physics, exact answers, the model and its analysis.

Names are loaded on first use, so importing the package costs next to nothing and has no side
effect. The modules follow the flow of the book: `potential` -> `simulation` -> `states` ->
`reference` -> `datasets` -> `model` -> `losses` -> `training` -> `generation`,
`classification`, `attention`, `kinetics` -> `plotting`.
"""

from importlib import import_module

# Not lazy: the function `potential` must win over the submodule of the same name.
from .potential import MINIMA, SADDLES, force, potential

_PUBLIC = {
    "simulation": ["SimulationConfig", "REGIMES", "sample_starts", "simulate"],
    "states": ["assign_states"],
    "reference": ["GridSolver"],
    "datasets": ["make_dataset"],
    "model": ["SIZES", "TrajectoryConfig", "TrajectoryTransformer"],
    "losses": ["trajectory_loss", "total_loss"],
    "generation": ["generate"],
    "classification": ["predict_states"],
    "profiles": ["get_profile"],
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = ["MINIMA", "SADDLES", "force", "potential"] + sorted(_MODULE_OF)
__version__ = "0.1.0"


def __getattr__(name):
    if name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(set(globals()) | set(__all__))
