"""Training: recipes, the run, its records. ``python -m mb_support.training --help``."""

from ..files.lazy_names import handed_on

_PUBLIC = {"recipes": ["RECIPES", "TrainingConfig", "trainings"], "run": ["train"]}
__getattr__, __dir__, __all__ = handed_on(__name__, _PUBLIC)
