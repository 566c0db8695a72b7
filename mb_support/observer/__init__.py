"""The ideal observer: what a standardised trajectory tells of its first state."""

from ..files.lazy_names import handed_on

_PUBLIC = {"ideal": ["IdealObserver"], "approximate": ["ApproximateObserver"]}
__getattr__, __dir__, __all__ = handed_on(__name__, _PUBLIC)
