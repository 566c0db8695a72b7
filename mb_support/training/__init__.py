"""Training: recipes, the run, its records. ``python -m mb_support.training --help``."""

from importlib import import_module

_PUBLIC = {
    "recipes": ["RECIPES", "TrainingConfig", "trainings"],
    "run": ["train"],
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
